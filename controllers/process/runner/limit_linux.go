package runner

import (
	"errors"
	"fmt"
	"maps"
	"strconv"

	"golang.org/x/sys/unix"

	"mirroros.dev/mirroros/controllers/process/runner/group"
)

// limit makes the groups of a run that is about to begin and sets its limits, so that nobody is ever in them without. It gives the words
// by which mirrorguard joins what a process is not cloned into; none when there is nothing of that.
func (r *Runner) limit(s Spec, c *claim) (words []string, err error) {
	g := c.group()
	joins, err := g.Make()
	if err != nil {
		return nil, fmt.Errorf("cannot start %q: %v", s.ID, err) // its errno is not the program's
	}
	for _, file := range joins {
		words = append(words, "-j", file)
	}
	if s.Limits == (group.Limits{}) {
		return words, nil
	}
	c.unmet = r.host.Set(g, s.Limits)
	if n := r.host.Rlimit(s.Limits); n > 0 {
		words = append(words, "-a", strconv.FormatInt(n, 10))
	}
	return words, nil
}

// Limit brings other limits in force in a live run, durably; what cannot be changed while it runs is in its Unmet.
func (r *Runner) Limit(id string, l group.Limits) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, err := r.alive("limit", id)
	if err != nil {
		return err
	}
	if err := r.add(id, limitsLine(l)); err != nil {
		return fmt.Errorf("cannot note the limits of %q: %w", id, err)
	}
	p.Limits = l
	r.setLimits(p)
	return nil
}

// limitAgain makes sure of the limits of a run that an earlier operator started. The lock is held.
func (r *Runner) limitAgain(p *proc) {
	if p.Limits != (group.Limits{}) {
		r.setLimits(p)
	}
}

// setLimits sets what a run's Limits say. Instances that were given away keep their own Unmet.
func (r *Runner) setLimits(p *proc) {
	unmet := r.host.Set(p.group(), p.Limits)
	if n := r.host.Rlimit(p.Limits); n > 0 {
		if err := limitEach(p, n); err != nil {
			unmet[group.Memory] = "RLIMIT_AS cannot be changed: " + err.Error() + "; from the next start on"
		}
	}
	if !maps.Equal(unmet, p.Unmet) {
		p.Unmet = unmet
	}
}

// limitEach sets RLIMIT_AS of the main process and of what descends from it.
func limitEach(p *proc, n int64) (err error) {
	l := unix.Rlimit{Cur: uint64(n), Max: uint64(n)}
	if err = unix.Prlimit(p.PID, unix.RLIMIT_AS, &l, nil); err != nil {
		return err
	}
	for _, s := range descendants(p.ident) {
		if e := unix.Prlimit(s.pid, unix.RLIMIT_AS, &l, nil); e != nil && !errors.Is(e, unix.ESRCH) {
			err = e
		}
	}
	return err
}

func (p *proc) group() group.Group { return group.Group{V2: p.cgroup, V1: p.v1} }

// removeGroup removes the cgroups of a run, as far as nobody lives in them.
func removeGroup(g group.Group) {
	if g.V2 != "" {
		group.Remove(g.V2)
	}
	g.Remove()
}
