package source

import (
	"context"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// gitWatch is what the loop knows of git. All but answers belongs to the loop's goroutine.
type gitWatch struct {
	repo   *repo
	nested []*repo // work trees below the root, such as submodules
	holder *repo   // the one of them all that hold is of
	tops   []string
	unborn string // a git directory that is not complete yet
	head   head
	dirs   []string // that are to be watched
	moved  bool     // something in git's directories changed

	hold     *Hold
	holdSeen time.Time // when it was seen first

	status  gitStatus // the last answer of git
	stale   bool      // it is to be asked again
	asking  bool
	askAt   time.Time
	answers chan gitStatus
	running sync.WaitGroup
}

// look finds out what git is doing, and tells whether its directories may be others than before. When nothing in them moved it
// only looks whether an operation goes on.
func (g *gitWatch) look(real string, now time.Time) (renew bool) {
	if real == "" {
		return false
	}
	if g.moved {
		g.moved, g.stale = false, true
		g.repo, g.unborn = findRepo(real)
		g.head = head{}
		if g.repo != nil {
			g.head = g.repo.head()
		} else {
			g.status = gitStatus{}
		}
		g.nested = openRepos(g.tops)
		before := g.dirs
		g.dirs = g.watched()
		renew = !slices.Equal(before, g.dirs)
	}
	hold := g.anyHold(now)
	if hold != nil && g.hold == nil {
		g.holdSeen = now
	}
	g.hold = hold
	return renew
}

// indexes tell whether git was at work in between: each operation in a work tree writes the index anew.
func (g *gitWatch) indexes() (all []stamp) {
	for _, r := range append([]*repo{g.repo}, g.nested...) {
		if r != nil {
			st, _ := lstat(filepath.Join(r.dir, "index")) // there is none before the first
			all = append(all, st)
		}
	}
	return all
}

// anyHold is what git is doing in the work tree around the root, or else in one below it.
func (g *gitWatch) anyHold(now time.Time) *Hold {
	for _, r := range append([]*repo{g.repo}, g.nested...) {
		if r == nil {
			continue
		}
		if h := r.hold(g.hold, now); h != nil {
			g.holder = r
			return h
		}
	}
	g.holder = nil
	return nil
}

// told is the hold that a Snapshot says: not one of a moment.
func (g *gitWatch) told(now time.Time) *Hold {
	if g.hold == nil || now.Before(g.holdSeen.Add(holdAfter)) {
		return nil
	}
	return g.hold
}

// state is what a Snapshot says of git.
func (g *gitWatch) state() *Git {
	if g.repo == nil {
		return nil
	}
	return g.status.merge(g.head)
}

// watched are the directories whose changes matter.
func (g *gitWatch) watched() (dirs []string) {
	switch {
	case g.repo != nil:
		dirs = g.repo.dirs(g.head)
	case g.unborn != "":
		dirs = []string{g.unborn}
	}
	for _, r := range g.nested {
		dirs = append(dirs, r.dir)
	}
	return dirs
}

func (g *gitWatch) lockDir() string {
	if g.holder == nil {
		return ""
	}
	return g.holder.dir
}

// due is when git is to be asked.
func (g *gitWatch) due() (time.Time, bool) {
	return g.askAt, !g.askAt.IsZero() && !g.asking
}

// ask asks git what is dirty, beside the loop, when nothing has changed for a while.
func (g *gitWatch) ask(ctx context.Context, real string, exclude func(string, bool) bool, now time.Time) {
	if g.repo == nil || g.hold != nil || exclude == nil {
		return
	}
	if g.stale {
		g.stale, g.askAt = false, now.Add(askGitAfter)
	}
	if g.asking || g.askAt.IsZero() || now.Before(g.askAt) {
		return
	}
	g.askAt, g.asking = time.Time{}, true
	r, nested := *g.repo, g.nested
	g.running.Go(func() { g.answers <- askAll(ctx, &r, nested, real, exclude) })
}

func (g *gitWatch) answered(st gitStatus) {
	g.asking, g.status = false, st
}

// wait waits for a git that was asked; its context must have ended.
func (g *gitWatch) wait() { g.running.Wait() }

func (g *Git) same(o *Git) bool {
	if g == nil || o == nil {
		return g == o
	}
	return g.Commit == o.Commit && g.Branch == o.Branch && g.Dirty == o.Dirty && text(g.Err) == text(o.Err)
}
