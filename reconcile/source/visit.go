package source

import (
	"crypto/sha256"
	"time"
)

// Times of waiting for a file that is being written. How long it may take at most is Options.OpenWindow.
const (
	// firstWait doubles up to lastWait.
	firstWait = 500 * time.Microsecond
	lastWait  = 250 * time.Millisecond
	// quietFor is how long a file must stay the same where it cannot be known whether somebody has it open, and quietSince the age
	// at which it is old enough without looking twice.
	quietFor   = 5 * time.Millisecond
	quietSince = 100 * time.Millisecond
	// emptyFor is how long a file that had content and is closed may be empty before that is taken for meant.
	emptyFor = 2 * time.Second
	// goneFor is how long a file that is dropped may still come back as what it was. It is as long as removals wait: what acted on the
	// removal must not see the old content again.
	goneFor = 2 * time.Second
	// tick is how coarse a file system's clock may be: a file read so soon after its last change may change again unseen.
	tick = 20 * time.Millisecond
)

// entry is a file of the tree, as it was read last.
type entry struct {
	file  *File
	stamp stamp // zero when file.Err is set: then it is tried again each time
	racy  bool  // read so soon after a change that the stamp does not tell
}

// wait is a file that is being written.
type wait struct {
	since time.Time
	stamp stamp
	at    time.Time // since when stamp is the same
}

// visitFile brings one file up to date. at is where it is without links, st and err what stat said.
func (t *tree) visitFile(d *dir, name, at string, st stamp, err error) {
	rel := join(d.rel, name)
	if !isManifest(name) || t.exclude(rel, false) {
		t.dropFile(d, name)
		return
	}
	if err == nil {
		err = t.reader.refused(st)
	}
	if err != nil {
		t.refuse(d, name, err)
		return
	}
	e, w := d.files[name], t.waiting[rel]
	if e != nil && e.stamp == st && !e.racy && w == nil {
		return
	}
	force := w != nil && t.now.Sub(w.since) >= t.window
	res := t.reader.read(at, force)
	switch {
	case res.err == nil && (force || t.settled(rel, w, e, res)):
		t.accept(d, name, res)
	case res.err == nil || res.err == errBusy || passing(res.err) && !force:
		t.wait(d, name, res.stamp)
	case absent(res.err) && d.links[name] == nil:
		t.visitAbsent(d, name)
	default:
		t.refuse(d, name, res.err)
	}
}

// settled tells whether what was read is all of it, and not a moment between truncating and writing.
func (t *tree) settled(rel string, w *wait, e *entry, res reading) bool {
	before := t.gone[rel]
	if e != nil {
		before = e.file
	}
	if len(res.data) == 0 && before != nil && len(before.Data) > 0 {
		limit := emptyFor
		if !res.closed {
			limit = t.window
		}
		return w != nil && t.now.Sub(w.since) >= limit
	}
	if res.closed || time.Since(res.stamp.last()) > quietSince {
		return true
	}
	return w != nil && w.stamp == res.stamp && t.now.Sub(w.at) >= quietFor
}

// accept takes what was read; the same content stays the same *File.
func (t *tree) accept(d *dir, name string, res reading) {
	rel := join(d.rel, name)
	delete(t.waiting, rel)
	e := d.files[name]
	if e == nil {
		e = &entry{file: t.gone[rel]}
		d.files[name] = e
	}
	delete(t.gone, rel)
	e.stamp = res.stamp
	age := time.Since(res.stamp.last())
	e.racy = age < tick && age > -time.Hour
	digest := Digest(sha256.Sum256(res.data))
	if e.file == nil || e.file.Err != nil || e.file.Digest != digest {
		e.file = &File{Rel: rel, Data: res.data, Digest: digest}
	}
	t.set(rel, e.file)
}

// wait keeps the last content of a file that is being written. There may be none; at the start that is said, since it may stand for
// something that runs.
func (t *tree) wait(d *dir, name string, st stamp) {
	rel := join(d.rel, name)
	w := t.waiting[rel]
	if w == nil {
		w = &wait{since: t.now}
		t.waiting[rel], t.fresh = w, true
	}
	if w.stamp != st {
		w.stamp, w.at = st, t.now
	}
	e := d.files[name]
	if e == nil {
		switch {
		case t.gone[rel] != nil:
			e = &entry{file: t.gone[rel]}
		case !t.scanned:
			e = &entry{file: &File{Rel: rel, Err: fileErr(rel, errBusy)}}
		default:
			return
		}
		delete(t.gone, rel)
		d.files[name] = e
	}
	e.stamp = stamp{}
	t.set(rel, e.file)
}

// refuse says that a file cannot be read; the same reason stays the same *File.
func (t *tree) refuse(d *dir, name string, err error) {
	rel := join(d.rel, name)
	delete(t.waiting, rel)
	e := d.files[name]
	if e == nil {
		e = &entry{}
		d.files[name] = e
	}
	err = fileErr(rel, err)
	if e.file == nil || e.file.Err == nil || e.file.Err.Error() != err.Error() {
		e.file = &File{Rel: rel, Err: err}
	}
	e.stamp, e.racy = stamp{}, false
	t.set(rel, e.file)
}

// dropFile takes a file out, if there is one.
func (t *tree) dropFile(d *dir, name string) {
	e := d.files[name]
	rel := join(d.rel, name)
	delete(t.waiting, rel)
	if e == nil {
		return
	}
	delete(d.files, name)
	t.remember(e.file)
	t.set(rel, nil)
}

// remember keeps a file that is dropped until nothing more was dropped for goneFor: when it comes back half-written, this is what it was.
func (t *tree) remember(f *File) {
	if f == nil || f.Err != nil {
		return
	}
	t.gone[f.Rel] = f
	t.goneUntil = t.now.Add(goneFor)
}
