package process

import (
	"encoding/json"
	"syscall"
	"time"

	"mirroros.dev/mirroros/specs"
)

// maxNote is what the runtime keeps with a run.
const maxNote = 4 << 10

// note is what must be known of a run after a restart of the operator, even when the store was lost. It is kept with the claim, and
// never holds a value taken by reference.
type note struct {
	Ordinal int32 `json:"o,omitempty"`
	// Restarts of the instance up to this run; Streak of restarts without a healthy run before it.
	Restarts int32 `json:"r,omitempty"`
	Streak   int   `json:"k,omitempty"`
	// Restart is the restart request that was in force at the start.
	Restart string `json:"ra,omitempty"`
	// Ports by name, Revision and Version as they were given.
	Ports    []specs.InstancePort `json:"p,omitempty"`
	Revision string               `json:"rev,omitempty"`
	Version  string               `json:"v,omitempty"`
	// Config is the digest of each config file at the start, by its absolute path.
	Config map[string]string `json:"cfg,omitempty"`
	// Degraded is what of the level of its sandbox is open.
	Degraded string `json:"sb,omitempty"`
	// Executable that was started.
	Executable fileID `json:"x,omitzero"`
	// Stop is how to stop it when its Process is gone; User, Group, Dir and StateDirectory are for what is executed then.
	Stop           stopPlan `json:"s,omitzero"`
	User           string   `json:"u,omitempty"`
	Group          string   `json:"g,omitempty"`
	Dir            string   `json:"w,omitempty"`
	StateDirectory string   `json:"sd,omitempty"`
}

// stopPlan is how an instance is stopped.
type stopPlan struct {
	Signal string `json:"sig,omitempty"`
	// GraceSeconds; nil is the default.
	GraceSeconds *int64 `json:"g,omitempty"`
	// PreStop with ports as numbers and variables expanded, as far as they are no secrets.
	PreStop *specs.Handler `json:"pre,omitempty"`
}

// fileID tells one content of a file from another without reading it.
type fileID struct {
	Path  string `json:"p,omitempty"`
	Dev   uint64 `json:"d,omitempty"`
	Inode uint64 `json:"i,omitempty"`
	Size  int64  `json:"s,omitempty"`
	MTime int64  `json:"m,omitempty"`
}

// encode writes the note; what is only for comfort goes first when it is too long.
func (n note) encode() []byte {
	for _, shrink := range []func(){func() {}, func() { n.Stop.PreStop = nil }, func() { n.Config = nil }, func() { n.Version, n.Restart = "", "" }} {
		shrink()
		if b, err := json.Marshal(n); err == nil && len(b) <= maxNote {
			return b
		}
	}
	return nil
}

func decodeNote(b []byte) (n note) {
	_ = json.Unmarshal(b, &n) // a note from elsewhere is an empty one: defaults hold
	return n
}

// planOf is how the spec says to stop.
func planOf(s *specs.ProcessSpec) stopPlan {
	return stopPlan{Signal: s.StopSignal, GraceSeconds: s.TerminationGracePeriodSeconds, PreStop: s.PreStop}
}

func (p stopPlan) grace() time.Duration {
	if p.GraceSeconds == nil {
		return specs.DefaultGracePeriodSeconds * time.Second
	}
	return time.Duration(*p.GraceSeconds) * time.Second
}

func (p stopPlan) signal() syscall.Signal {
	if s, ok := signalNumber(p.Signal); ok {
		return s
	}
	return syscall.SIGTERM
}
