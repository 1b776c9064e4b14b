package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// wish is the word that everything is to be stopped and the operator to end. It is on disk before the first stop, so that an operator that
// is killed in the middle is followed by one that goes on with it instead of starting everything again. It stays there: an operator that
// is killed after the last stop has still not ended. Whether it is for the one that finds it, [wish.binds] tells.
type wish struct {
	At time.Time `json:"at"`
	// Asked: somebody asked for it through the API; else it was a signal, under --stop-on-exit.
	Asked bool `json:"asked"`
	life
}

// life tells one start of the operator from all others: the boot, and the processes of the operator and of its guardian.
type life struct {
	Boot     string `json:"boot"`
	Operator proc   `json:"operator"`
	Guardian proc   `json:"guardian"`
}

// proc names a process of a boot: its number, and when it was started by proc_pid_stat(5), in ticks since the boot.
type proc struct {
	PID   int    `json:"pid"`
	Start string `json:"start"`
}

// binds tells whether the wish is for an operator that begins now. It is for the one that the same guardian starts again, or that the
// operator of then has started as the new guardian. Whoever else starts an operator wants it to run, unless somebody asked for the end and
// was left with a part of it. A host that went down has fulfilled it.
func (w *wish) binds(now life, running bool) bool {
	switch {
	case w == nil || w.Boot != now.Boot:
		return false
	case w.Guardian == now.Guardian || w.Operator == now.Guardian:
		return true
	}
	return w.Asked && running
}

func wishFile(state string) string { return filepath.Join(state, "shutdown") }

// readWish reads the wish of a state directory; nil when there is none.
func readWish(state string) (*wish, error) {
	b, err := os.ReadFile(wishFile(state))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	w := &wish{}
	if err == nil {
		err = json.Unmarshal(b, w)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the shutdown that was asked for in %q: %v", wishFile(state), err)
	}
	return w, nil
}

// keepWish puts the wish on disk. It need not outlive the boot, so that it is not synced.
func keepWish(state string, w wish) error {
	b, err := json.Marshal(w)
	if err != nil {
		return err
	}
	if err := writeWhole(wishFile(state), string(b)+"\n"); err != nil {
		return fmt.Errorf("cannot note that everything is to be stopped: %v", err)
	}
	return nil
}

// dropWish forgets a wish.
func dropWish(state string) error {
	if err := os.Remove(wishFile(state)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot forget the shutdown of another time: %v", err)
	}
	return nil
}

// thisLife is that of this process.
func thisLife() life {
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id") // none where nothing can be run anyway
	return life{Boot: string(boot), Operator: procOf(os.Getpid()), Guardian: procOf(os.Getppid())}
}

func procOf(pid int) proc {
	f, err := statOf(pid)
	if err != nil {
		return proc{PID: pid}
	}
	return proc{PID: pid, Start: f[19]}
}
