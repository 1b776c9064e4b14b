package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"sync"

	"github.com/go-logr/logr"
)

// maxGates is how many gates may be connected: one, and those that drain.
const maxGates = 16

// Sockets is the owner of the listening sockets. Its methods may be called from any goroutine.
type Sockets interface {
	// Names of all sockets that there are.
	Names() []string
	// Copy gives a copy of a socket, which is the caller's; false when there is none of that name (any more).
	Copy(name string) (*os.File, bool)
	// Offer is given a socket that a gate holds, for the case that nobody else does. It closes the file.
	Offer(name string, f *os.File)
}

// ServerOptions of Listen. Path, Allow and Sockets must be set.
type ServerOptions struct {
	// Path of the socket.
	Path string
	// Allow tells whether a process is a gate.
	Allow   func(pid int) error
	Sockets Sockets
	// Changed is called when a gate came, went, or told something new of what it runs. Default: nobody is told.
	Changed func()
	// Count is told the counters of a gate's process that changed, and Gone that it is not connected any more. Default: nobody is told.
	Count func(process string, c Counts)
	Gone  func(process string)
	Log   logr.Logger
}

// Server is the operator's side of the line. A gate that does not read is hung up on and holds nobody up.
type Server struct {
	o ServerOptions
	l *net.UnixListener

	mu      sync.Mutex // guards the fields below and those of gates
	gates   []*gate    // in the order in which they said hello
	open    int
	reloads int64
	news    chan struct{} // closed, and another, with each change of gates
	refused int           // the last process that was
}

// Listen opens the socket, 0600. A gate that finds it waits until Run.
func Listen(o ServerOptions) (*Server, error) {
	none := func() {}
	if o.Changed == nil {
		o.Changed = none
	}
	if o.Count == nil {
		o.Count = func(string, Counts) {}
	}
	if o.Gone == nil {
		o.Gone = func(string) {}
	}
	address := &net.UnixAddr{Name: o.Path, Net: "unixpacket"}
	if c, err := net.DialUnix("unixpacket", nil, address); err == nil {
		c.Close()
		return nil, fmt.Errorf("cannot listen for gates at %q: another operator does; give this one another --run", o.Path)
	}
	if err := os.Remove(o.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot listen for gates: an old socket is in the way: %w", err)
	}
	l, err := net.ListenUnix("unixpacket", address)
	if err == nil {
		err = os.Chmod(o.Path, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot listen for gates: %w", err)
	}
	return &Server{o: o, l: l, reloads: 1, news: make(chan struct{})}, nil
}

// Run serves gates until ctx ends; then it hangs up on all of them and removes the socket.
func (s *Server) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var gates sync.WaitGroup
	defer gates.Wait()
	defer cancel()
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { s.l.Close(); close(closed) })
	defer func() {
		cancel()
		if !stop() {
			<-closed // the next operator must not find somebody here
		}
	}()
	for {
		c, err := s.l.AcceptUnix()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				c.Close()
			}
			return nil
		case err != nil:
			return fmt.Errorf("cannot take gates any more: %w", err)
		}
		gates.Go(func() {
			stop := context.AfterFunc(ctx, func() { c.Close() })
			defer stop()
			s.welcome(c)
		})
	}
}

// welcome serves a connection when it is a gate's.
func (s *Server) welcome(c *net.UnixConn) {
	defer c.Close()
	if !s.enter() {
		s.o.Log.Info("A gate was hung up on: too many are connected", "limit", maxGates)
		return
	}
	defer s.leave()
	pid, err := peer(c)
	if err == nil {
		err = s.o.Allow(pid)
	}
	if err != nil {
		s.mu.Lock()
		again := s.refused == pid
		s.refused = pid
		s.mu.Unlock()
		if !again {
			s.o.Log.Info("A process that is no gate was hung up on", "pid", pid, "why", err.Error())
		}
		return
	}
	if err := (&gate{s: s, packets: newPackets(c), pid: pid, wake: make(chan struct{}, 1)}).serve(); err != nil {
		s.o.Log.Info("A gate was hung up on", "pid", pid, "why", err.Error())
	}
}

func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open >= maxGates {
		return false
	}
	s.open++
	return true
}

func (s *Server) leave() {
	s.mu.Lock()
	s.open--
	s.mu.Unlock()
}

// tell has everybody see that gates changed. The lock is held.
func (s *Server) tell() {
	close(s.news)
	s.news = make(chan struct{})
}

// Running is what each gate that is connected runs, as it last told; the one that came first is first.
func (s *Server) Running() []Running {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Running, len(s.gates))
	for i, g := range s.gates {
		all[i] = g.hello.Running
	}
	return all
}

// Gates are the gates that are connected, as they said hello but with what they run now.
func (s *Server) Gates() []Hello {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Hello, len(s.gates))
	for i, g := range s.gates {
		all[i] = g.hello
	}
	return all
}

// Pass sends a socket to every gate. It does not wait.
func (s *Server) Pass(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.gates {
		g.pass = append(g.pass, name)
		g.poke()
	}
}

// Reload has every connected gate load the files, and waits until each has answered or ctx ends.
func (s *Server) Reload(ctx context.Context) {
	s.mu.Lock()
	s.reloads++
	n := s.reloads
	for _, g := range s.gates {
		g.poke()
	}
	for {
		news, done := s.news, true
		for _, g := range s.gates {
			done = done && g.answered >= n
		}
		s.mu.Unlock()
		if done {
			return
		}
		select {
		case <-news:
		case <-ctx.Done():
			return
		}
		s.mu.Lock()
	}
}
