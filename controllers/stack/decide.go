package stack

import (
	"slices"
	"time"

	"mirroros.dev/mirroros/reconcile/admit"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// fate is what becomes of an object whose document went.
type fate int

const (
	// fateGone: the object is not there, or not ours any more; nothing is to be done.
	fateGone fate = iota
	// fateDelete: it is removed.
	fateDelete
	// fateRelease: it stays and belongs to no Stack from then on.
	fateRelease
	// fateHandOver: another Stack declares it and takes it over.
	fateHandOver
	// fateRename: another document says that it takes its place.
	fateRename
)

// found is an object in force, as far as its removal depends on it.
type found struct {
	// stack it belongs to; kept: its annotation says that it is not to be pruned.
	stack string
	kept  bool
	// elsewhere: a file of another Stack declares it.
	elsewhere bool
}

// observed is everything that a decision about one Stack depends on.
type observed struct {
	name string
	// live is in force, disk what the files hold (nil: not known). changes lead from live to disk.
	live, disk *admit.Set
	changes    []admit.Change
	// objects are those in force whose documents went; what is not there is not in it.
	objects map[store.Key]found

	refused, suspended, removed, manual bool
	// orphan: the objects of a removed Stack stay. prune: removing is allowed, up to maxDelete percent.
	orphan, prune bool
	maxDelete     int
	// unreadable: the files may not be all there. git: git is at work on them. quietIn is how long removals must wait yet.
	unreadable, git bool
	quietIn         time.Duration
	// held: somebody went back from what the files hold.
	held bool
	// failed are objects whose contents in disk failed.
	failed map[store.Key]bool
	// act: somebody asked for it. agreed: and for the removals too.
	act, agreed bool
}

// decision is what is done about one Stack.
type decision struct {
	// target to put in force; nil: nothing is to be put in force now.
	target *admit.Set
	// fates of the objects whose documents went.
	fates map[store.Key]fate
	// taken are documents in whose favour an object goes, by the object's key.
	taken map[store.Key]store.Key
	// succeeded are those that go while a new document in the same file takes their place: it has a port that only one of the two can have.
	succeeded map[store.Key]bool
	// deletes are the objects that the whole change removes.
	deletes []store.Key
	// over: they are more than may go without somebody's word.
	over bool
	// blocked says why somebody must agree: ReasonPendingApply, ReasonHeld, ReasonPruneBlocked, or empty.
	blocked string
	// stays are objects that stay as they are since their new contents failed.
	stays []store.Key
	// unfit: nothing is put in force, since the rest does not fit together without them.
	unfit bool
	// waits says what removals wait for, when they do; requeue how long at least.
	waits   string
	requeue time.Duration
}

// decide says what to put in force of what the files hold.
func decide(o observed) decision {
	if o.disk == nil || o.refused || o.suspended || o.git || o.live.Digest() == o.disk.Digest() {
		return decision{}
	}
	d := sorted(o)
	d.over = overLimit(len(d.deletes), o.live.Len(), d.remain(o), o.maxDelete) || o.removed && len(d.deletes) > 0
	if o.manual && !o.act && !o.removed && len(o.changes) > 0 { // who only comments needs nobody's word
		d.blocked = specs.ReasonPendingApply
		return d
	}
	if o.held && !o.act && len(o.changes) > 0 {
		d.blocked = specs.ReasonHeld
		return d
	}
	held := d.hold(o)
	d.withholdFailed(o, held)
	d.withhold(o, held)
	d.target = o.disk.With(held)
	if len(held) > 0 && len(admit.Diff(o.live, d.target)) == 0 {
		d.target = nil // nothing but what waits
	}
	return d
}

// sorted begins a decision: it gives every object whose document went its fate.
func sorted(o observed) decision {
	d := decision{fates: map[store.Key]fate{}, taken: map[store.Key]store.Key{}, succeeded: map[store.Key]bool{}}
	for _, c := range o.changes {
		if c.New != nil && c.New.RenamedFrom != "" && c.Old == nil {
			d.taken[store.Key{Kind: c.Key.Kind, Name: c.New.RenamedFrom}] = c.Key
		}
	}
	for _, c := range o.changes {
		if c.New != nil {
			continue
		}
		f := d.fate(c, o)
		d.fates[c.Key] = f
		if f == fateDelete {
			d.deletes = append(d.deletes, c.Key)
			d.succeeded[c.Key] = succeeded(c.Old, o.changes)
		}
	}
	return d
}

// succeeded tells whether a new document of the same kind in the same file has a port of one that went. That is a rename, or as good as one:
// the file says itself that the two cannot be there at once, so there is nothing that waiting could find out.
func succeeded(gone *admit.Entry, changes []admit.Change) bool {
	return slices.ContainsFunc(changes, func(c admit.Change) bool {
		return c.Old == nil && c.New.Kind == gone.Kind && c.New.Rel() == gone.Rel() && clash(c.New.Ports, gone.Ports)
	})
}

// clash tells whether two objects cannot have their ports at once.
func clash(a, b []specs.FixedPort) bool {
	return slices.ContainsFunc(a, func(p specs.FixedPort) bool { return slices.ContainsFunc(b, p.Clashes) })
}

func (d *decision) fate(c admit.Change, o observed) fate {
	obj, there := o.objects[c.Key]
	switch {
	case there && obj.stack == o.name && obj.elsewhere:
		return fateHandOver
	case !there || obj.stack != o.name:
		return fateGone
	case d.taken[c.Key] != store.Key{}:
		return fateRename
	case o.removed && o.orphan, obj.kept || c.Old.Kept, !o.prune:
		return fateRelease
	}
	return fateDelete
}

// hold answers the objects that stay for now though their documents went.
func (d *decision) hold(o observed) map[store.Key]*admit.Entry {
	held := map[store.Key]*admit.Entry{}
	wait := d.waiting(o)
	for _, c := range o.changes {
		switch f := d.fates[c.Key]; {
		case c.New != nil:
		case f == fateHandOver:
			held[c.Key] = c.Old
			if d.waits == "" {
				d.waits = specs.ReasonHandedOver
			}
		case wait && d.waits == specs.ReasonWaitingForQuiet && !d.over && d.succeeded[c.Key]:
		case wait && (f == fateDelete || f == fateRelease):
			held[c.Key] = c.Old
		}
	}
	return held
}

// waiting tells whether removals wait, and notes for what.
func (d *decision) waiting(o observed) bool {
	released := slices.ContainsFunc(o.changes, func(c admit.Change) bool { return c.New == nil && d.fates[c.Key] == fateRelease })
	switch {
	case len(d.deletes) == 0 && !released || o.agreed:
		return false
	case o.unreadable:
		d.waits = specs.ReasonSourceUnavailable
	case o.quietIn > 0 && !d.over && !released && d.allSucceeded():
		return false
	case o.quietIn > 0:
		d.waits, d.requeue = specs.ReasonWaitingForQuiet, o.quietIn
	case d.over:
		d.waits, d.blocked = specs.ReasonPruneBlocked, specs.ReasonPruneBlocked
	default:
		return false
	}
	return true
}

// allSucceeded tells whether all that goes has a successor, which waits for nothing.
func (d *decision) allSucceeded() bool {
	return !slices.ContainsFunc(d.deletes, func(k store.Key) bool { return !d.succeeded[k] })
}

// remain is how many objects there are after the removals.
func (d *decision) remain(o observed) int {
	n := o.disk.Len()
	for _, f := range d.fates {
		if f == fateRelease || f == fateHandOver {
			n++
		}
	}
	return n
}

// overLimit tells whether removing deletes of total objects, so that others remain, needs somebody's word: three or more objects that are
// at least percent of all, or all there are.
func overLimit(deletes, total, remain, percent int) bool {
	return deletes > 0 && (remain == 0 || deletes >= 3 && deletes*100 >= percent*total)
}

// withhold keeps changes back that need a port of an object that stays for now.
func (d *decision) withhold(o observed, held map[store.Key]*admit.Entry) {
	var ports []specs.FixedPort
	for k, e := range held {
		if d.fates[k] == fateDelete {
			ports = append(ports, e.Ports...)
		}
	}
	if len(ports) == 0 {
		return
	}
	for again := true; again; {
		again = false
		for _, c := range o.changes {
			if _, done := held[c.Key]; done || c.New == nil || !clash(c.New.Ports, ports) {
				continue
			}
			held[c.Key], again = c.Old, true
			stays := []*admit.Entry{c.Old}
			if before := (store.Key{Kind: c.Key.Kind, Name: c.New.RenamedFrom}); d.fates[before] == fateRename {
				held[before] = o.live.Get(before)
				stays = append(stays, held[before])
			}
			for _, k := range d.deletes { // a successor that stays away leaves its predecessor there
				if _, done := held[k]; !done && d.succeeded[k] && clash(c.New.Ports, o.live.Get(k).Ports) {
					held[k] = o.live.Get(k)
					stays = append(stays, held[k])
				}
			}
			for _, e := range stays {
				if e != nil {
					ports = append(ports, e.Ports...)
				}
			}
		}
	}
}
