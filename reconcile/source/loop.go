package source

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Times of the loop.
const (
	// While changes keep coming Snapshots are spaced: firstGap doubles up to lastGap, and starts again after calm.
	firstGap = time.Millisecond
	lastGap  = 50 * time.Millisecond
	calm     = 100 * time.Millisecond
	// holdAfter is how long a git operation must last to be told: git status takes the lock for a moment too.
	holdAfter = 50 * time.Millisecond
	// blindHold is how often to look whether git is ready where its directory cannot be watched.
	blindHold = 250 * time.Millisecond
	// askGitAfter is how long nothing must change before git is asked what is dirty.
	askGitAfter = 200 * time.Millisecond
	// blindResync is the Resync where watches are missing, retryAfter where something could not be read for a reason that passes.
	blindResync = 10 * time.Second
	retryAfter  = time.Second
	// startWait is how long the first Snapshot waits for files that are being written.
	startWait = 50 * time.Millisecond
)

// loop is a running Source. One goroutine owns it.
type loop struct {
	s       *Source
	tree    *tree
	watches *watches
	git     gitWatch
	real    string // where the root was when it was last seen
	started time.Time

	dirty map[string]bool // paths of the tree to look at
	full  bool            // everything is to be looked at
	links bool            // something on the way of a symbolic link changed
	aux   bool            // watches beside the tree are to be renewed
	idle  bool            // this round has nothing to do
	torn  bool            // git was at work while files were read: they may be half of one state and half of another

	again     time.Time // when to look again at files that are being written
	againWait time.Duration
	resyncAt  time.Time

	told        uint64 // tree.rev of the last Snapshot
	changed     time.Time
	lastPublish time.Time
	gap         time.Duration
}

func newLoop(s *Source) *loop {
	w := newWatches(s.addWatch)
	now := time.Now()
	return &loop{
		s: s, watches: w, tree: newTree(s, w), started: now, dirty: map[string]bool{}, full: true, changed: now,
		git: gitWatch{moved: true, answers: make(chan gitStatus, 1)},
	}
}

func (l *loop) close() {
	l.git.wait()
	if err := l.watches.close(); err != nil {
		l.s.o.Log.Error(err, "cannot close the watcher")
	}
}

func (l *loop) run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		l.idle = false
		select {
		case <-ctx.Done():
			return nil
		case ev := <-l.watches.events():
			l.idle = true
			l.note(ev)
		case err := <-l.watches.errors():
			l.lost(err)
		case <-l.s.kick:
			l.full, l.git.stale = true, true
		case st := <-l.git.answers:
			l.git.answered(st)
		case <-timer.C:
		}
		l.s.wakes.Add(1)
		l.drain()
		if l.idle {
			continue // something beside what is watched
		}
		l.step(ctx, time.Now())
		l.hurry(ctx)
		timer.Reset(max(0, time.Until(l.next(time.Now()))))
	}
}

// drain takes what events there are already, so that a burst is one round.
func (l *loop) drain() {
	for {
		select {
		case ev := <-l.watches.events():
			l.note(ev)
		case err := <-l.watches.errors():
			l.lost(err)
		default:
			return
		}
	}
}

func (l *loop) note(ev fsnotify.Event) {
	rel, roles, renew := l.watches.route(ev)
	l.aux = l.aux || renew
	l.idle = l.idle && rel == "" && roles == 0 && !renew
	if rel != "" {
		l.dirty[rel] = true
	}
	if roles&roleRoot != 0 {
		l.full = true
	}
	if roles&roleLink != 0 {
		l.links = true
	}
	if roles&roleGit != 0 {
		l.git.moved = true
	}
}

// lost looks at everything: events were lost.
func (l *loop) lost(err error) {
	l.s.o.Log.V(1).Info("looking at all manifests again", "because", err.Error())
	l.full, l.git.moved, l.idle = true, true, false
}

// step does what is due now.
func (l *loop) step(ctx context.Context, now time.Time) {
	if !now.Before(l.resyncAt) {
		l.full, l.git.moved, l.git.stale = true, true, true
		l.resyncAt = now.Add(l.resync())
		l.watches.open()
	}
	if l.full {
		l.locate()
	}
	if l.git.look(l.real, now) {
		l.aux = true
	}
	if l.git.hold == nil && l.work(now) && !now.Before(l.allowed()) {
		before := l.git.indexes()
		l.read(now)
		l.aux = l.git.look(l.real, now) || l.aux
		l.torn = l.git.hold != nil || !slices.Equal(l.git.indexes(), before)
	}
	if l.aux || l.tree.linksChanged || l.watches.unsure {
		l.renewAux()
	}
	l.publish(now)
	l.git.ask(ctx, l.real, l.tree.exclude, now)
}

// locate finds where the root is now: the git that has to be asked first may be another.
func (l *loop) locate() {
	if real, _, err := resolve(l.s.o.Root, ""); err == nil && real != l.real {
		l.real, l.git.moved = real, true
	}
}

// hurry looks again at a file that was being written a moment ago: most are closed within microseconds.
func (l *loop) hurry(ctx context.Context) {
	for wait := 60 * time.Microsecond; l.tree.fresh && len(l.tree.waiting) > 0 && wait < firstWait; wait *= 2 {
		pause(wait)
		l.drain()
		l.again = time.Time{}
		l.step(ctx, time.Now())
	}
	l.tree.fresh = false
}

// work tells whether there is anything to look at.
func (l *loop) work(now time.Time) bool {
	return l.full || l.links || l.torn || l.tree.needScan || len(l.dirty) > 0 || l.againDue(now)
}

func (l *loop) againDue(now time.Time) bool { return len(l.tree.waiting) > 0 && !now.Before(l.again) }

// allowed is when files may be read again, so that a burst does not give a Snapshot for each file.
func (l *loop) allowed() time.Time { return l.lastPublish.Add(l.gap) }

// read looks at what changed.
func (l *loop) read(now time.Time) {
	t := l.tree
	again := l.againDue(now)
	t.begin(now, l.s.excluded())
	if !l.full {
		for _, rel := range slices.Sorted(maps.Keys(l.dirty)) {
			t.look(rel)
		}
		t.lookAtLinks(l.links)
	}
	if l.full || t.needScan {
		t.scan()
		l.locate()
		l.git.look(l.real, now)
		l.aux = true
		l.resyncAt = now.Add(l.resync())
	}
	if t.gitChanged {
		t.gitChanged = false
		l.git.tops, l.git.moved = t.workTrees(), true
		l.git.look(l.real, now)
		l.aux = true
	}
	if again {
		t.lookAgain()
	}
	clear(l.dirty)
	l.full, l.links = false, false
	l.wait(now, again)
}

// wait sets when to look again at files that are being written.
func (l *loop) wait(now time.Time, again bool) {
	switch {
	case len(l.tree.waiting) == 0:
		return
	case l.tree.fresh:
		l.againWait = firstWait
	case again:
		l.againWait = min(2*l.againWait, lastWait)
	default:
		return
	}
	l.again = now.Add(l.againWait)
}

func (l *loop) resync() time.Duration {
	for _, err := range l.tree.failed {
		if passing(err) {
			return retryAfter
		}
	}
	if l.watches.warning() != "" || l.tree.rootErr != nil || len(l.tree.failed) > 0 {
		return min(blindResync, l.s.o.Resync)
	}
	return l.s.o.Resync
}

// renewAux watches what leads to the root, what links go through, and git's own directories.
func (l *loop) renewAux() {
	want := aux{}
	t := l.tree
	hops := t.rootHops
	if n := len(hops); n > 0 && t.rootErr == nil && t.failed["."] == nil {
		hops = hops[:n-1] // the root itself is watched: what else happens beside it is nothing to us
	}
	for _, h := range hops {
		want.add(h.dir, h.name, roleRoot)
	}
	for _, d := range t.dirs {
		for _, link := range d.links {
			for _, h := range link {
				want.add(h.dir, h.name, roleLink)
			}
		}
	}
	for _, dir := range l.git.dirs {
		want.add(dir, "", roleGit)
	}
	l.aux, t.linksChanged = false, false
	added, gone := l.watches.setAux(want)
	if added {
		// What happened between the looking and the watch.
		l.links, l.git.moved = true, true
		l.full = l.full || t.rootErr != nil
	}
	// What was on the way when it was looked at has gone since.
	l.links = l.links || gone&roleLink != 0
	l.full = l.full || gone&roleRoot != 0
}

// next is when the loop must run again by itself.
func (l *loop) next(now time.Time) time.Time {
	at := l.resyncAt
	sooner := func(t time.Time) {
		if t.Before(at) {
			at = t
		}
	}
	if l.git.hold != nil {
		if now.Before(l.git.holdSeen.Add(holdAfter)) {
			sooner(l.git.holdSeen.Add(holdAfter))
		}
		if !l.watches.watched(l.git.lockDir()) {
			sooner(now.Add(blindHold))
		}
		if end := l.git.hold.until(); !end.IsZero() {
			sooner(end)
		}
		return at
	}
	if l.full || l.links || l.torn || l.tree.needScan || len(l.dirty) > 0 {
		sooner(l.allowed())
	}
	if len(l.tree.waiting) > 0 {
		sooner(l.again)
	}
	if l.s.Latest() == nil {
		sooner(l.started.Add(startWait))
	}
	if due, ok := l.git.due(); ok {
		sooner(due)
	}
	return at
}
