package process

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/controllers/process/runner"
	"mirroros.dev/mirroros/controllers/process/runner/group"
	"mirroros.dev/mirroros/specs"
)

// observed is everything that decide may know. Times for deadlines carry Go's monotonic reading, which counts awake time and does
// not step with the clock; times for status are wall times.
type observed struct {
	Now  time.Time
	Name string
	// Process is nil when the object is gone; Last is then what is known of how to stop its instances.
	Process *specs.Process
	Last    stopPlan
	// Dir is where relative paths start from.
	Dir string
	// Hash of the current template, and the stack's Revision that it comes from.
	Hash, Revision string
	// Changed lists the template's fields that differ from what the old instances run; empty when that is not known.
	Changed []string
	// Dependencies, in the order of dependsOn.
	Dependencies []dependency
	// Checked is what Checks say of it, as conditions.
	Checked []metav1.Condition
	// Template tells why the template cannot be started; nil when it can, or nothing needs to start.
	Template *fault
	// Instances that are desired, run, or are stored; the current template's first, then by ordinal.
	Instances []instance
	// Served: a gate sends requests to its instances.
	Served bool
	// Down: the operator stops everything. Held are processes that depend on this one and still run.
	Down bool
	Held []string
}

// dependency is one entry of dependsOn, looked up.
type dependency struct {
	Name      string
	Condition specs.DependencyCondition
	// Found: such a process is declared. Met: it is as far as the condition says. Unlooked: it was by the status of an earlier operator, and
	// this one is about to look.
	Found, Met, Unlooked bool
}

// instance is one copy: desired, running, ended, or only stored.
type instance struct {
	ID      string
	Ordinal int32
	Hash    string
	// Status as it is stored; nil before the object is written. Stored tells whether it is.
	Status *specs.InstanceStatus
	Stored bool
	// Run is the last run that the runtime knows; nil when there is none.
	Run *run
	// Earlier: it runs by a template that the process had before, and that is known.
	Earlier bool
	// Undeclared: the store never knew the run nor its process. Nobody removed it, so nobody wants it stopped.
	Undeclared bool
	// Stop is set once a stop of this run began.
	Stop *stop
	// Health is what the probes say of this run.
	Health health
	// Failure is the last start that did not come to a run; nil after one that did. Freed: it was for a port that has been given back.
	Failure *failure
	Freed   bool
	// Config is what changes of config files since the start of this run ask for; empty is nothing.
	Config specs.ConfigChangePolicy
	// Executable of this run; Changed when the file is another now.
	Executable        *specs.Executable
	ExecutableChanged bool
	// NewExecutable is the digest of that other file.
	NewExecutable string
	// Ended is how the last run that ended did; nil when none did.
	Ended *specs.StateTerminated
	// LogFault says what is wrong with its log; without a reason it is nothing.
	LogFault fault
	// ReadySince is when it became ready, as far as is known; zero when it is not.
	ReadySince time.Time
}

// run is one run of an instance.
type run struct {
	Attempt int
	PID     int
	Note    note
	// StartedAt, ExitedAt: wall times. Started, Exited: on the awake time line.
	StartedAt, ExitedAt time.Time
	Started, Exited     time.Time
	// Exit is nil while it lives.
	Exit  *runner.Exit
	Stray int
	// Limits that were asked for, and what of them is not in force; empty when all is.
	Limits group.Limits
	Unmet  string
}

// stop is a stop under way, or done.
type stop struct {
	// Since, on the awake time line, and as wall time.
	Since, SinceAt time.Time
	Reason         stopReason
	// PreStop: the handler has not ended. Signalled: the stop signal was sent. Killed is when the tree was killed last.
	PreStop, Signalled bool
	// Found: an earlier operator began it, and nobody knows how far its handler came.
	Found  bool
	Killed time.Time
}

// failure is a start that did not come to a run.
type failure struct {
	fault
	// At, on the awake time line; Count of failures in a row.
	At    time.Time
	Count int
	// Generation and Restart request that it was tried with: another one is tried at once.
	Generation int64
	Restart    string
}

// fault is why something cannot start: a reason for programs, a message for people. No secrets.
type fault struct {
	Reason, Message string
	// Early: found before anything was tried, by reading files; gone as soon as they are right.
	Early bool
	// Path of a file whose change may mend it.
	Path string
	// Holder is the instance that has the Port that it needs.
	Holder string
	Port   int32
}

// health is what probes say of one run.
type health struct {
	// Started, Ready: the startup and the readiness probe succeeded, or there are none.
	Started, Ready bool
	// Failed names the probe that failed for good, liveness or startup; empty for none.
	Failed stopReason
	// Probed: this operator has probed it; else Started and Ready are what was known last.
	Probed bool
	// Message of the last probe that did not succeed.
	Message string
}

func (i *instance) live() bool { return i.Run != nil && i.Run.Exit == nil }

// desired tells whether the instance is one of those that are declared, suspended or not.
func (o *observed) desired(i *instance) bool {
	return o.Process != nil && i.Hash == o.Hash && i.Ordinal < o.replicas()
}

func (o *observed) replicas() int32 {
	if o.Process == nil {
		return 0
	}
	if o.Process.Spec.Replicas == nil {
		return 1
	}
	return *o.Process.Spec.Replicas
}

func (o *observed) clone() *observed {
	c := *o
	c.Instances = slices.Clone(o.Instances)
	return &c
}
