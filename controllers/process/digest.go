package process

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"sync"

	"mirroros.dev/mirroros/specs"
)

// digests computes the SHA-256 of executables, one at a time and beside everything else: a start never waits for it. A file is read once
// for as long as its identity stays the same.
type digests struct {
	done func(process string)

	mu      sync.Mutex // guards all below
	known   map[fileID]string
	waiting map[fileID]map[string]bool // processes to tell
	queue   []fileID
	wake    chan struct{}
}

func newDigests(done func(process string)) *digests {
	return &digests{done: done, known: map[fileID]string{}, waiting: map[fileID]map[string]bool{}, wake: make(chan struct{}, 1)}
}

// maxDigests is how many are remembered; a host has fewer programs.
const maxDigests = 10000

// of answers the digest of a file; empty when it is not known yet, and then the process is told when it is.
func (d *digests) of(id fileID, process string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s, ok := d.known[id]; ok {
		return s
	}
	if d.waiting[id] == nil {
		d.waiting[id] = map[string]bool{}
		d.queue = append(d.queue, id)
		wake(d.wake)
	}
	d.waiting[id][process] = true
	return ""
}

// run computes until ctx ends.
func (d *digests) run(ctx context.Context) error {
	for {
		id, ok := d.next()
		if !ok {
			select {
			case <-ctx.Done():
				return nil
			case <-d.wake:
			}
			continue
		}
		if ctx.Err() != nil {
			return nil
		}
		d.finish(id, digestOf(ctx, id))
	}
}

func (d *digests) next() (fileID, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.queue) == 0 {
		return fileID{}, false
	}
	id := d.queue[0]
	d.queue = d.queue[1:]
	return id, true
}

func (d *digests) finish(id fileID, digest string) {
	d.mu.Lock()
	if len(d.known) >= maxDigests {
		clear(d.known)
	}
	d.known[id] = digest
	tell := d.waiting[id]
	delete(d.waiting, id)
	d.mu.Unlock()
	for p := range tell {
		d.done(p)
	}
}

// unknownDigest stands for a file that is no more what it was, or cannot be read.
const unknownDigest = "unknown"

func digestOf(ctx context.Context, id fileID) string {
	f, err := os.Open(id.Path)
	if err != nil {
		return unknownDigest
	}
	defer f.Close()
	h := sha256.New()
	in := reading(func(p []byte) (int, error) { // a long read stops when ctx ends
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return f.Read(p)
	})
	if _, err := io.CopyBuffer(struct{ io.Writer }{h}, in, make([]byte, 128<<10)); err != nil || identify(id.Path) != id {
		return unknownDigest
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// reading is a function as a Reader.
type reading func(p []byte) (int, error)

func (r reading) Read(p []byte) (int, error) { return r(p) }

// executable tells which file a run was started from, and the digest of the file that is there now when that is another.
func (r *Reconciler) executable(in *instance, im *instanceMemory, process string) (was *specs.Executable, changed string) {
	id := im.run.Note.Executable
	if id.Path == "" {
		return nil, ""
	}
	if im.executable == nil || im.executable.Digest == "" {
		im.executable = &specs.Executable{Path: id.Path, Digest: r.digestAtStart(id, in.Status, process)}
	}
	if !in.live() {
		return im.executable, ""
	}
	now := r.files.identity(id.Path)
	if now == id || now.Path == "" {
		return im.executable, ""
	}
	digest := r.digests.of(now, process)
	if digest == unknownDigest || digest == im.executable.Digest { // under change: told again
		return im.executable, ""
	}
	return im.executable, digest // empty when it was not read yet
}

// digestAtStart is the digest that status has, or the one of the file as long as it is the same.
func (r *Reconciler) digestAtStart(id fileID, st *specs.InstanceStatus, process string) string {
	if st != nil && st.Executable != nil && st.Executable.Path == id.Path && st.Executable.Digest != "" {
		return st.Executable.Digest
	}
	return r.digests.of(id, process)
}
