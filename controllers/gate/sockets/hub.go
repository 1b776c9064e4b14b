package sockets

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"

	"github.com/go-logr/logr"
)

// Keeper keeps copies of sockets beyond the life of this process.
type Keeper interface {
	// Put keeps a copy of a socket under a name, instead of what is there.
	Put(name string, fd int) error
	// Drop closes what is kept under a name.
	Drop(name string) error
}

// Options of Open.
type Options struct {
	// Keeper of the sockets; nil for none, then they last as long as the hub or a gate.
	Keeper Keeper
	// Kept are the sockets that the keeper gave back, as descriptors by name. They are the hub's.
	Kept map[string]int
	// Max sockets. Default 1000.
	Max int
	// Pass is told the name of a socket that gates do not have yet, Changed that one was taken of a gate, so that Ensure has something
	// else to say. Neither may call the hub before it returns. Default: nobody is told.
	Pass    func(name string)
	Changed func()
	Log     logr.Logger
}

// Hub owns the listening sockets. Its methods may be called from any goroutine.
type Hub struct {
	o Options

	mu     sync.Mutex // guards the fields below
	held   map[string]*socket
	wanted map[string]string // as Ensure was asked last; nil before
}

// socket is one listening socket.
type socket struct {
	file *os.File
	// bound is where it listens, in the form of a wanted address.
	bound string
	// fresh: it was made by this hub, and no gate has it.
	fresh bool
	// pinned: it stays also when nobody wants it yet.
	pinned bool
}

// Door as a wanted address: a socket that was given to Admit, or came back; the hub cannot make it.
const Door = "door"

// Open makes a hub over the sockets that were kept.
func Open(o Options) *Hub {
	if o.Max == 0 {
		o.Max = 1000
	}
	if o.Pass == nil {
		o.Pass = func(string) {}
	}
	if o.Changed == nil {
		o.Changed = func() {}
	}
	h := &Hub{o: o, held: map[string]*socket{}}
	for name, fd := range o.Kept {
		f := os.NewFile(uintptr(fd), name)
		bound, err := address(f)
		if err != nil {
			o.Log.Error(err, "A kept socket is none", "name", name)
			f.Close()
			continue
		}
		h.held[name] = &socket{file: f, bound: bound}
	}
	return h
}

// Ensure makes the sockets that are wanted, by name, each at an IP address and port or at unix:PATH, and closes the others. It answers
// where each is, and why one is not; one that cannot be had at its new address stays at the old, with a fault.
func (h *Hub) Ensure(wanted map[string]string) (bound, faults map[string]string) {
	h.mu.Lock()
	bound, faults = map[string]string{}, map[string]string{}
	h.wanted = map[string]string{}
	maps.Copy(h.wanted, wanted)
	var fresh []string
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		made, err := h.ensure(name, wanted[name])
		if err != nil {
			faults[name] = err.Error()
		}
		if made {
			fresh = append(fresh, name)
		}
		if s := h.held[name]; s != nil {
			bound[name] = s.bound
		}
	}
	for name := range h.held {
		if _, ok := wanted[name]; !ok && !h.held[name].pinned {
			h.drop(name)
		}
	}
	h.mu.Unlock()
	for _, name := range fresh {
		h.o.Pass(name)
	}
	return bound, faults
}

// ensure sees to one socket, and tells whether it is another than before. The lock is held.
func (h *Hub) ensure(name, want string) (made bool, err error) {
	old := h.held[name]
	if want == Door && old == nil {
		return false, errors.New("it is gone; it comes with the next start of its instance")
	}
	if old != nil && (want == Door || matches(old.bound, want)) {
		return false, nil
	}
	if old == nil && len(h.held) >= h.o.Max {
		return false, fmt.Errorf("there are %d sockets, and no more are held", h.o.Max)
	}
	if from := h.unused(want); from != "" { // it was another's, who does not want it any more
		h.hold(name, h.held[from])
		delete(h.held, from)
		h.forget(from)
		return true, nil
	}
	f, err := listen(want, old)
	if err != nil {
		return false, err
	}
	at, err := address(f)
	if err != nil {
		f.Close()
		return false, err
	}
	h.hold(name, &socket{file: f, bound: at, fresh: true})
	return true, nil
}

// unused finds a socket at exactly this address whose name is not wanted, or wanted elsewhere.
func (h *Hub) unused(want string) string {
	for name, s := range h.held {
		if w, ok := h.wanted[name]; s.bound == want && (!ok || !matches(s.bound, w)) {
			return name
		}
	}
	return ""
}

// Admit takes a socket that was made elsewhere, under a name, and passes it to the gates. It stays until Settle, and then as long as it is
// wanted, as a Door.
func (h *Hub) Admit(name string, f *os.File) error {
	at, err := address(f)
	if err != nil {
		f.Close()
		return err
	}
	h.mu.Lock()
	if h.held[name] == nil && len(h.held) >= h.o.Max {
		h.mu.Unlock()
		f.Close()
		return fmt.Errorf("there are %d sockets, and no more are held", h.o.Max)
	}
	h.hold(name, &socket{file: f, bound: at, fresh: true, pinned: true})
	h.mu.Unlock()
	h.o.Pass(name)
	return nil
}

// Settle ends what Admit began: from now on a socket stays only as long as it is wanted.
func (h *Hub) Settle(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.held[name]; s != nil {
		s.pinned = false
	}
}

// hold has a socket under a name, instead of what was there, and leaves a copy with the keeper. The lock is held.
func (h *Hub) hold(name string, s *socket) {
	old := h.held[name]
	h.held[name] = s
	if h.o.Keeper != nil {
		fd, err := descriptor(s.file)
		if err == nil {
			err = h.o.Keeper.Put(name, fd)
		}
		if err != nil {
			h.o.Log.Error(err, "A socket is not kept: if the operator dies, its clients may be refused", "name", name)
		}
	}
	if old != nil {
		old.close(s.bound)
	}
}

// drop closes a socket that is not wanted any more. The lock is held.
func (h *Hub) drop(name string) {
	s := h.held[name]
	delete(h.held, name)
	h.forget(name)
	s.close("")
}

// forget has the keeper let go of a name.
func (h *Hub) forget(name string) {
	if h.o.Keeper == nil {
		return
	}
	if err := h.o.Keeper.Drop(name); err != nil {
		h.o.Log.Error(err, "A socket is kept that nobody wants any more", "name", name)
	}
}

// close closes the hub's copy and removes what it left in the file system, unless that is where its successor is.
func (s *socket) close(successor string) {
	s.file.Close()
	if path, ok := unixPath(s.bound); ok && s.bound != successor {
		os.Remove(path) // gone already is as good
	}
}

// Names of all sockets.
func (h *Hub) Names() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Sorted(maps.Keys(h.held))
}

// Copy gives a copy of a socket for a gate; false when there is none of that name.
func (h *Hub) Copy(name string) (*os.File, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.held[name]
	if s == nil {
		return nil, false
	}
	f, err := duplicate(s.file)
	if err != nil {
		h.o.Log.Error(err, "cannot copy a socket for a gate", "name", name)
		return nil, false
	}
	s.fresh = false
	return f, true
}

// Offer is given a socket that a gate holds. It is taken when it is wanted and not there, or there is only one at another port that nobody
// has used yet; else it is closed.
func (h *Hub) Offer(name string, f *os.File) {
	h.mu.Lock()
	taken := h.take(name, f)
	h.mu.Unlock()
	if !taken {
		f.Close()
		return
	}
	h.o.Log.Info("A socket came back from a gate", "name", name)
	h.o.Changed()
}

func (h *Hub) take(name string, f *os.File) bool {
	at, err := address(f)
	if err != nil {
		return false
	}
	want, known := h.wanted[name]
	if h.wanted != nil && (!known || want != Door && !matches(at, want)) {
		return false
	}
	if s := h.held[name]; s != nil && (!s.fresh || s.bound == at) {
		return false
	}
	if h.held[name] == nil && len(h.held) >= h.o.Max {
		return false
	}
	h.hold(name, &socket{file: f, bound: at})
	return true
}

// Hand calls fn with the descriptors of all sockets, which stay open until it returns: for a program that takes this one's place.
func (h *Hub) Hand(fn func(map[string]int) error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := map[string]int{}
	for name, s := range h.held {
		if fd, err := descriptor(s.file); err == nil {
			all[name] = fd
		}
	}
	return fn(all)
}

// Close closes the hub's copies; those of the keeper and of gates live on.
func (h *Hub) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for name, s := range h.held {
		s.file.Close()
		delete(h.held, name)
	}
}
