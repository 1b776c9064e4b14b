package specs

// DefaultMaxDeletePercent of a Stack's prune.
const DefaultMaxDeletePercent = 50

// DefaultRevisionHistoryLimit and MaxRevisionHistoryLimit of a Stack.
const (
	DefaultRevisionHistoryLimit = 10
	MaxRevisionHistoryLimit     = 100
)

// Default fills in what the stack leaves out.
func (o *Stack) Default() {
	s := &o.Spec
	or(&s.Source.Path, ".")
	or(&s.Sync, SyncAuto)
	or(&s.Locality, LocalityLocalFirst)
	or(&s.DeletionPolicy, DeletionDelete)
	orPointer(&s.AutoRollback, true)
	orPointer(&s.RevisionHistoryLimit, DefaultRevisionHistoryLimit)
	p := made(&s.Prune)
	orPointer(&p.Enabled, true)
	orPointer(&p.MaxDeletePercent, DefaultMaxDeletePercent)
}
