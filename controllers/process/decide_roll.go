package process

import (
	"cmp"
	"slices"

	"mirroros.dev/mirroros/specs"
)

// A RollingUpdate starts new copies beside the old ones, one more at a time than are declared, and stops an old one for each new one that is
// ready. So there are never fewer ready copies than declared, and a template that never gets ready leaves the old copies as they are.

// roll is how far a RollingUpdate is.
type roll struct {
	// under: old copies are there, and not on their way out.
	under bool
	// stop are those that are not needed any more; ready is how many of the others are.
	stop  []string
	ready int
	// room is how many new copies that were never tried may be started now.
	room int
}

// rolls tells whether new copies are started beside the old ones.
func (d *decider) rolls() bool {
	return d.Process != nil && d.Process.Spec.Strategy != nil && d.Process.Spec.Strategy.Type == specs.StrategyRollingUpdate
}

// planRoll counts the copies. Of the old ones that may go, those that are not ready go first: so do the new ones of a template that was
// changed again in the middle.
func (d *decider) planRoll() {
	if !d.rolls() || d.Down || d.suspended {
		return
	}
	var old []*instance
	tried, counting := 0, 0
	for i := range d.Instances {
		in := &d.Instances[i]
		switch {
		case d.desired(in):
			if in.Run != nil || in.Failure != nil {
				tried++
			}
			if in.live() && in.Stop == nil && in.ready() && d.readyLongEnough(in) {
				counting++
			}
		case in.Hash == d.Hash: // scaled down
		case in.live() && in.Stop == nil, !in.live() && d.mayGoOn(in):
			old = append(old, in)
		}
	}
	want := int(d.replicas())
	spare := 0
	if d.mayReplace() {
		spare = max(0, len(old)-max(0, want-counting))
	}
	slices.SortStableFunc(old, func(a, b *instance) int { return cmp.Compare(rankOld(a), rankOld(b)) })
	for _, in := range old[:spare] {
		d.roll.stop = append(d.roll.stop, in.ID)
	}
	for _, in := range old[spare:] {
		if in.live() && in.ready() {
			d.roll.ready++
		}
	}
	stay := len(old) - spare
	d.roll.under = stay > 0
	d.roll.room = want - tried
	if stay > 0 {
		d.roll.room = min(want-tried, want+1-stay-tried)
	}
}

// rankOld orders old copies: those that end first are the first.
func rankOld(in *instance) int {
	switch {
	case !in.live():
		return 0
	case !in.ready():
		return 1
	}
	return 2
}

func (i *instance) ready() bool { return i.Health.Started && i.Health.Ready }

// mayGo tells whether an old copy is to be stopped now.
func (d *decider) mayGo(in *instance) bool {
	if d.rolls() {
		return slices.Contains(d.roll.stop, in.ID)
	}
	return d.mayReplace()
}

// holdTurn says why a new copy is not started beside the old ones yet.
func (d *decider) holdTurn(in *instance) specs.StateWaiting {
	if in.Run != nil || in.Failure != nil {
		return specs.StateWaiting{} // it had its turn
	}
	if d.roll.room <= 0 {
		return waiting(waitReplacing, "waits for its turn: one new copy is started at a time")
	}
	if unmet := d.unmet(); len(unmet) > 0 {
		return d.waitingFor(in, unmet)
	}
	d.roll.room--
	return specs.StateWaiting{}
}

// executableOf is the digest that a new template begins with, because the file of the program is another than the one that runs and copies
// of the two are to be beside each other; empty when there is none to begin.
func (d *decider) executableOf() string {
	if !d.rolls() || d.Process.Spec.OnExecutableChange != specs.ExecutableChangeRestart {
		return ""
	}
	for i := range d.Instances {
		in := &d.Instances[i]
		if in.live() && d.desired(in) && in.ExecutableChanged && in.NewExecutable != d.Process.Annotations[specs.AnnotationExecutable] {
			return in.NewExecutable
		}
	}
	return ""
}
