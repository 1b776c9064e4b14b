package main

import (
	"errors"
	"net"
	"os"
	"slices"
	"sync"

	"github.com/go-logr/logr"

	"mirroros.dev/mirroros/controllers/gate/proxy"
)

// listeners are the sockets that this gate has of the operator. It keeps a copy of each, to give it back to an operator that lost it.
type listeners struct {
	listen func(name string, l net.Listener) error
	log    logr.Logger

	mu   sync.Mutex // guards the fields below
	held map[string]*os.File
	used map[string]bool // names that a config had
	gone bool            // closed for good
}

// take has a socket served, instead of the one of that name.
func (s *listeners) take(name string, f *os.File) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone || same(s.held[name], f) {
		f.Close()
		return
	}
	l, err := net.FileListener(f)
	if err == nil {
		if u, ok := l.(*net.UnixListener); ok {
			u.SetUnlinkOnClose(false) // it is the operator's
		}
		if err = s.listen(name, l); err != nil {
			l.Close()
		}
	}
	if err != nil {
		f.Close()
		s.log.Error(err, "A socket of the operator cannot be served", "name", name)
		return
	}
	if old := s.held[name]; old != nil {
		old.Close()
	}
	s.held[name] = f
}

// same tells whether two descriptors are one socket.
func same(a, b *os.File) bool {
	if a == nil {
		return false
	}
	i, err := a.Stat()
	j, jerr := b.Stat()
	return err == nil && jerr == nil && os.SameFile(i, j)
}

// keepOnly closes the sockets that an earlier config had, or an earlier list of doors, and this one has not.
func (s *listeners) keepOnly(c *proxy.Config, ids *proxy.Identities) {
	now := map[string]bool{}
	if ids != nil {
		for i := range ids.Doors {
			now[ids.Doors[i].Listener] = true
		}
	}
	for i := range c.Gates {
		now[c.Gates[i].Listener] = true
	}
	for i := range c.Services {
		now[c.Services[i].Listener] = true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range s.used {
		if f := s.held[name]; f != nil && !now[name] {
			f.Close()
			delete(s.held, name)
		}
	}
	s.used = now
}

// copies are the names of all sockets and copies of them, which are the caller's.
func (s *listeners) copies() (names []string, files []*os.File) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range s.held {
		names = append(names, name)
	}
	slices.Sort(names)
	names = slices.DeleteFunc(names, func(name string) bool {
		f, err := duplicate(s.held[name])
		if err == nil {
			files = append(files, f)
		}
		return err != nil
	})
	return names, files
}

// close closes all, for good.
func (s *listeners) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = true
	for name, f := range s.held {
		f.Close()
		delete(s.held, name)
	}
}

// duplicate copies a file. Fd would make the socket block, for everybody who has it.
func duplicate(f *os.File) (*os.File, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	var n int
	if cerr := raw.Control(func(fd uintptr) { n, err = dup(int(fd)) }); cerr != nil {
		err = errors.Join(err, cerr)
	}
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(n), f.Name()), nil
}
