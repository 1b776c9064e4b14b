package apiserver

import (
	"context"
	"errors"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/plan"
	"mirroros.dev/mirroros/specs"
)

// Options of New. Client must be set. What is nil is not there: its routes answer 404, its checks pass.
type Options struct {
	Client *reconcile.Client
	// Admit checks an object against what else is in force; old is nil when it is new. It has defaults and is valid by itself.
	Admit func(o, old specs.Object) field.ErrorList
	// Declared tells which file declares an object.
	Declared Declared
	// Source tells where the file that declares an object is.
	Source func(kind, name string) (Source, bool)
	Logs   LogReader
	Stacks Stacks
	Host   Host
	// Gates issues tokens and explains decisions.
	Gates Gates
	// Budgets tells what is used, and forgets it.
	Budgets Budgets
	// Checks runs a Check now, tells each measurement as it is made, and answers what the run amounts to. store.ErrNotFound when there is none.
	Checks func(ctx context.Context, check string, tell func(specs.CheckMeasurement)) (specs.CheckRun, error)
	// Reload makes a Process read its configuration again, now.
	Reload func(ctx context.Context, process string) error
	// IsWorkload tells whether a process is one of the operator's workloads, or below one, and which.
	IsWorkload func(pid int) (instance string, ok bool)
	// Version of the operator. Default dev.
	Version string
	// MaxRequests and MaxStreams are how many requests, and how many watches and followed logs, are served at once. Default 200 and 1000.
	MaxRequests, MaxStreams int
	// RequestTime is how long a request may take in reading and in answering each; a stream has it for each piece that it writes. Default 1 min.
	RequestTime time.Duration
	// Now is the wall clock. Default time.Now.
	Now func() time.Time
	Log logr.Logger
}

// Declared tells which file declares an object in force. *admit.Index is one.
type Declared interface {
	// Declared answers the document that the object comes from. While suspended, others may change what it declares.
	Declared(kind, name string) (doc *specs.Document, stack string, suspended, ok bool)
	// Refusal is what a writer is told: the object, file and line, the stack, and what to do instead.
	Refusal(kind, name string) string
}

// Source is where an object is declared.
type Source struct {
	// File below the manifest directory; Path is absolute.
	File string `json:"file"`
	Path string `json:"path"`
	// Line that the document begins in.
	Line int `json:"line"`
	// Stack that owns the file.
	Stack string `json:"stack"`
}

// LogOptions says which lines of a log to read.
type LogOptions struct {
	// Follow goes on with new lines until the context ends.
	Follow bool
	// Tail is how many last lines to begin with; negative is all.
	Tail int
	// Since passes over lines written before this time.
	Since time.Time
	// Previous reads the run before the current one instead.
	Previous bool
	// Timestamps puts the time of each line before it.
	Timestamps bool
	// From begins at this place instead: what Begin told, and the bytes read since. Zero is not given.
	From int64
	// Begin is called with the place of the first byte, before any line.
	Begin func(place int64)
}

// LogReader reads the logs of instances.
type LogReader interface {
	// Read passes lines, with their newlines, to line until the end, the end of ctx, or an error of line. The bytes are valid until it
	// returns. An error that is fs.ErrNotExist means that there is no log, ErrNoPrevious no such run.
	Read(ctx context.Context, instance string, o LogOptions, line func([]byte) error) error
}

// ErrNoPrevious is what a LogReader answers when there was no run before the current one.
var ErrNoPrevious = errors.New("no previous run")

// Stacks plans and applies revisions. An error that is store.ErrNotFound or store.ErrConflict (the plan no longer fits) is told as such.
type Stacks interface {
	// Plan says what bringing the stack to files (by path relative to the stack's directory; nil: those on disk) would do, or what is
	// wrong with them.
	Plan(ctx context.Context, stack string, files map[string]string) (*plan.Plan, []specs.Fault, error)
	// Apply brings the stack to what is on disk. digest is of the plan agreed to, empty for none; prune agrees to removals too; by is who asks.
	// What is not confirmed within a time, unless that is 0, is gone back from.
	Apply(ctx context.Context, stack, digest string, prune bool, by string, confirm time.Duration) (revision, message string, err error)
	// Revisions lists what is kept of the stack. Manifests are the documents of one revision, and Differences what two have differently;
	// the faults are those of the files, when they are what is asked for.
	Revisions(stack string) (specs.RevisionList, error)
	Manifests(stack, revision string) (specs.RevisionManifests, []specs.Fault, error)
	Differences(stack, from, to string) (specs.RevisionDiff, []specs.Fault, error)
	// Undo puts an older revision in force, and Retry what the files hold though somebody went back from it.
	Undo(ctx context.Context, stack string, a specs.UndoRequest) (specs.Undone, []specs.Fault, error)
	Retry(ctx context.Context, stack, by string) (revision, message string, err error)
	// Steer pauses, resumes or aborts the rollout that is under way, or confirms what waits for it.
	Steer(ctx context.Context, stack string, action specs.RolloutAction, by string) (message string, faults []specs.Fault, err error)
}

// Host is the operator itself.
type Host interface {
	Info(ctx context.Context) HostInfo
	// Shutdown begins to stop all workloads and then the operator. It does not wait.
	Shutdown(ctx context.Context) error
}

// HostInfo describes the operator and what it may do on this host.
type HostInfo struct {
	Version     string    `json:"version"`
	PID         int       `json:"pid"`
	GuardianPID int       `json:"guardianPid,omitempty"`
	State       string    `json:"state"`
	Manifests   string    `json:"manifests,omitempty"`
	Run         string    `json:"run"`
	Started     time.Time `json:"started"`
	// Capabilities of the host, by name.
	Capabilities any `json:"capabilities,omitempty"`
	// Warnings for whoever looks after the host: what was so when the operator started.
	Warnings []string `json:"warnings,omitempty"`
	// Conditions that hold now and should not.
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}
