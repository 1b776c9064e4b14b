package source

import (
	"context"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
)

// Defaults of Options.
const (
	DefaultResync       = 10 * time.Minute
	DefaultMaxFileBytes = 10 << 20
	DefaultOpenWindow   = 10 * time.Second
)

// Options of a Source. Root is required, the rest has defaults.
type Options struct {
	// Root is the directory to read; made absolute when it is not.
	Root string
	// Exclude leaves out a file, or a directory with all below it; SetExclude changes it later. It must be quick and pure, and is called
	// from more than one goroutine.
	Exclude func(rel string, dir bool) bool
	// Resync is how often everything is looked at again, should an event have been lost.
	Resync time.Duration
	// MaxFileBytes is how large a manifest may be.
	MaxFileBytes int64
	// OpenWindow is how long a file may stay open for writing before it is read all the same.
	OpenWindow time.Duration
	// AnyOwner reads files that others can write too: for looking at files without acting on them.
	AnyOwner bool
	// Log gets what the owner should know.
	Log logr.Logger
}

func (o Options) withDefaults() Options {
	if abs, err := filepath.Abs(o.Root); err == nil {
		o.Root = abs
	}
	if o.Resync <= 0 {
		o.Resync = DefaultResync
	}
	if o.MaxFileBytes <= 0 {
		o.MaxFileBytes = DefaultMaxFileBytes
	}
	if o.OpenWindow <= 0 {
		o.OpenWindow = DefaultOpenWindow
	}
	return o
}

// Source watches one directory. Its methods may be called from any goroutine.
type Source struct {
	o       Options
	latest  atomic.Pointer[Snapshot]
	changed chan struct{}
	exclude atomic.Pointer[func(string, bool) bool]
	kick    chan struct{}

	// for tests
	wakes    atomic.Int64                    // how often Run woke up
	writers  func(fd int) (busy, known bool) // instead of leases
	addWatch func(path string) error         // before a watch is added
}

// New makes a Source. It reads nothing before Run.
func New(o Options) *Source {
	s := &Source{o: o.withDefaults(), changed: make(chan struct{}, 1), kick: make(chan struct{}, 1), writers: writers}
	if o.Exclude != nil {
		s.exclude.Store(&o.Exclude)
	}
	return s
}

// Latest is the newest Snapshot, nil before the first.
func (s *Source) Latest() *Snapshot { return s.latest.Load() }

// Changed gets a value when there is a newer Snapshot than Latest gave before. It is never closed.
func (s *Source) Changed() <-chan struct{} { return s.changed }

// SetExclude changes what is left out, and looks at everything again. A new Snapshot comes only when that changed what is read.
func (s *Source) SetExclude(fn func(rel string, dir bool) bool) {
	s.exclude.Store(&fn)
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// Run reads and watches until ctx ends, and then returns nil, leaving no goroutine and no open file. A root that is not there is
// no error: a Snapshot says so, and Run waits for it. Call Run once.
func (s *Source) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	l := newLoop(s)
	defer l.close()
	defer cancel()
	return l.run(ctx)
}

func (s *Source) excluded() func(string, bool) bool {
	if p := s.exclude.Load(); p != nil && *p != nil {
		return *p
	}
	return func(string, bool) bool { return false }
}

func (s *Source) publish(snap *Snapshot) {
	s.latest.Store(snap)
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// readWindow bounds how long Read waits for files that are open for writing.
const readWindow = 2 * time.Second

// Read reads the directory once, as it is now, without watching it. A git operation under way is told in Hold, but what is there
// is read all the same. It waits a little for files that are being written.
func Read(ctx context.Context, o Options) *Snapshot {
	o = o.withDefaults()
	o.OpenWindow = min(o.OpenWindow, readWindow)
	s := New(o)
	t := newTree(s, nil)
	t.begin(time.Now(), s.excluded())
	t.scan()
	for wait := firstWait; len(t.waiting) > 0 && ctx.Err() == nil; wait = min(2*wait, lastWait) {
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		t.begin(time.Now(), t.exclude)
		t.lookAgain()
	}
	snap := &Snapshot{Seq: 1, Root: o.Root, Files: t.files, Err: t.err(), Changed: time.Now(), Warnings: t.warnings()}
	git := gitWatch{nested: openRepos(t.workTrees())}
	git.repo, _ = findRepo(t.real)
	snap.Hold = git.anyHold(snap.Changed)
	if r := git.repo; r != nil {
		st := askAll(ctx, r, git.nested, t.real, t.exclude)
		snap.Git = st.merge(r.head())
	}
	return snap
}
