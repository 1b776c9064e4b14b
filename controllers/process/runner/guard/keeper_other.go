//go:build !linux

package guard

// The bounds of what a guardian holds.
const (
	MaxSockets = 1024
	MaxName    = 255
)

// Keeper is not on this system.
type Keeper struct{}

// OpenKeeper returns ErrNotHere.
func OpenKeeper() (*Keeper, map[string]int, error) { return nil, nil, ErrNotHere }

// Put returns ErrNotHere.
func (*Keeper) Put(string, int) error { return ErrNotHere }

// Drop returns ErrNotHere.
func (*Keeper) Drop(string) error { return ErrNotHere }
