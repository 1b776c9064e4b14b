package stack

import (
	"errors"
	"maps"
	"slices"
	"sync/atomic"

	"mirroros.dev/mirroros/reconcile/admit"
	"mirroros.dev/mirroros/reconcile/source"
	"mirroros.dev/mirroros/specs"
)

// disk is what the files hold, as it was last looked at.
type disk struct {
	snap *source.Snapshot
	// read: the files of a snapshot were looked at.
	read bool
	// seen are the files of the snapshot they were loaded from; loaded what they hold; owner the stack of each, "" for none.
	seen   map[string]*source.File
	loaded map[string]*admit.File
	owner  map[string]string
	// stackFiles have Stack documents.
	stackFiles map[string]*admit.File
	govern     specs.Governors
	// faultsOf are the faults of Stack documents among each other, by file.
	faultsOf map[string][]specs.Fault
	// waiting: a Stack document went, and it must be looked at again when the files are quiet.
	waiting bool
	// refusedAgain asks to look at refused sets again though no file changed.
	refusedAgain atomic.Bool
}

func (d *disk) init() {
	d.seen, d.loaded, d.owner = map[string]*source.File{}, map[string]*admit.File{}, map[string]string{}
	d.stackFiles, d.govern = map[string]*admit.File{}, specs.Governors{}
}

// edits are the files that were put into and taken out of each stack.
type edits struct {
	put map[string][]*admit.File
	out map[string][]string
}

// refresh looks at the newest snapshot, if there is one that it has not seen.
func (r *Reconciler) refresh() {
	snap := r.o.Files.Latest()
	if snap == nil {
		return
	}
	again := r.refusedAgain.Swap(false)
	if snap == r.snap && !(r.waiting && r.quiet(snap)) {
		if again {
			r.admitAll(nil)
		}
		return
	}
	r.snap = snap
	if snap.Hold != nil {
		r.dirtyAll() // git is at work: the files are those from before, or none
		return
	}
	changed, gone := r.load(snap)
	r.adopt(changed, gone, !r.read)
	r.read = true
	r.dirtyAll()
}

// dirtyAll asks for all Stacks: the snapshot says something to each, if only which commit is checked out.
func (r *Reconciler) dirtyAll() {
	for name := range r.stacks {
		r.dirty[name] = true
	}
}

func (r *Reconciler) quiet(snap *source.Snapshot) bool {
	return r.o.Now().Sub(snap.Changed) >= r.o.Quiet && snap.Err == nil
}

// load brings seen and loaded to the snapshot and answers what changed.
func (r *Reconciler) load(snap *source.Snapshot) (changed []*admit.File, gone []string) {
	var read []*source.File
	added := 0
	for rel, f := range snap.Files {
		old := r.seen[rel]
		if old == f {
			continue
		}
		if old == nil {
			added++
		}
		r.seen[rel] = f
		if old == nil || old.Digest != f.Digest || f.Err != nil || old.Err != nil {
			read = append(read, f)
		}
	}
	for rel := range r.seen {
		if len(r.seen) == len(snap.Files) {
			break
		}
		if snap.Files[rel] == nil {
			gone = append(gone, rel)
			delete(r.seen, rel)
			delete(r.loaded, rel)
			delete(r.stackFiles, rel)
		}
	}
	changed = admit.LoadAll(read, r.known)
	for _, f := range changed {
		r.loaded[f.Rel] = f
		delete(r.stackFiles, f.Rel)
		if len(f.Stacks) > 0 {
			r.stackFiles[f.Rel] = f
		}
	}
	return changed, gone
}

// known finds a file among what is in force, where it needs no parsing.
func (r *Reconciler) known(f *source.File) *admit.File {
	for _, s := range r.stacks {
		if k := s.live.Known(f); k != nil {
			return k
		}
	}
	return nil
}

// adopt sorts what changed to the stacks, and admits their sets.
func (r *Reconciler) adopt(changed []*admit.File, gone []string, first bool) {
	e := edits{map[string][]*admit.File{}, map[string][]string{}}
	for _, rel := range gone {
		if s := r.owner[rel]; s != "" {
			e.out[s] = append(e.out[s], rel)
		}
		delete(r.owner, rel)
	}
	regoverned := r.resolve() || first
	if regoverned {
		changed = slices.Collect(maps.Values(r.loaded))
	}
	for _, f := range changed {
		r.move(f, &e)
	}
	r.edit(&e, regoverned)
	if regoverned {
		g := r.govern
		r.o.Files.SetExclude(g.Excludes)
	}
	r.admitAll(&e)
	r.publish()
}

// move puts a file into the stack that owns it, and takes it out of the one that did.
func (r *Reconciler) move(f *admit.File, e *edits) {
	owner, excluded := r.govern.Owner(f.Rel)
	if excluded {
		owner = ""
	}
	old := r.owner[f.Rel]
	if old != "" && old != owner {
		e.out[old] = append(e.out[old], f.Rel)
	}
	if r.owner[f.Rel] = owner; owner == "" {
		return
	}
	if s := r.stacks[owner]; s == nil || s.disk.File(f.Rel) != f {
		e.put[owner] = append(e.put[owner], f)
	}
}

// edit brings the sets on disk to the files.
func (r *Reconciler) edit(e *edits, regoverned bool) {
	if regoverned || len(e.put[specs.DefaultStack]) > 0 {
		if len(e.put[specs.DefaultStack]) > 0 || len(r.govern) == 0 {
			r.state(specs.DefaultStack)
		}
	}
	governing := map[string]bool{}
	for _, g := range r.govern {
		governing[g.Stack] = true
	}
	for name, s := range r.stacks {
		if put, out := e.put[name], e.out[name]; s.disk == nil || len(put) > 0 || len(out) > 0 {
			s.disk = s.disk.Edit(put, out)
		}
		s.removed = !governing[name]
		if name == specs.DefaultStack {
			s.removed = s.removed && s.disk.Files() == 0 && len(r.govern) > 0
		}
	}
}

var errNoFiles = errors.New("the manifest directory has not been read yet")
