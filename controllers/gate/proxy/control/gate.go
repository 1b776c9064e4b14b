package control

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"time"
)

// gate is one connected gate. The server's lock guards hello, pass, asked and answered.
type gate struct {
	s       *Server
	packets *packets
	pid     int
	wake    chan struct{} // capacity 1: there is something to send

	hello           Hello
	pass            []string
	asked, answered int64
}

// process names the gate's process: no other has the name before the host starts again.
func (g *gate) process() string {
	return g.hello.Instance + "/" + strconv.Itoa(g.pid) + "/" + strconv.FormatInt(g.hello.Began.UnixNano(), 10)
}

// serve is the conversation with one gate until it ends. What it says against the rules ends it.
func (g *gate) serve() error {
	h, err := g.greet()
	if err != nil {
		return fmt.Errorf("no hello: %w", err)
	}
	g.enter(h)
	defer g.leave()
	sent := make(chan error, 1)
	end := make(chan struct{})
	go func() { sent <- g.write(end) }()
	err = g.read()
	close(end)
	if werr := <-sent; werr != nil {
		err = werr
	}
	return err
}

// greet waits for the hello and all its sockets, which may come in several packets. Only then are there any to be passed: those that the
// gate brings are better than new ones.
func (g *gate) greet() (*Hello, error) {
	if err := g.packets.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	var h *Hello
	for more := true; more; {
		m, files, err := g.packets.receive()
		if err != nil {
			return nil, err
		}
		if (h == nil) != (m.Hello != nil) {
			closeAll(files)
			return nil, errors.New("it said something else")
		}
		if h == nil {
			h = m.Hello
		}
		g.offer(m, files)
		more = m.More
	}
	return h, g.packets.SetReadDeadline(time.Time{})
}

// offer gives the sockets that came with a message to their owner.
func (g *gate) offer(m *message, files []*os.File) {
	for i, name := range m.names() {
		g.s.o.Sockets.Offer(name, files[i])
	}
}

// enter makes the gate one of those that are connected. It is sent all sockets and asked to load the files: it may have missed both.
func (g *gate) enter(h *Hello) {
	s := g.s
	s.mu.Lock()
	g.hello = *h
	g.hello.PID, g.hello.Sockets = g.pid, nil
	s.gates = append(s.gates, g)
	s.tell()
	s.mu.Unlock()
	names := s.o.Sockets.Names() // what comes later is passed by name
	s.mu.Lock()
	g.pass = append(g.pass, names...)
	g.poke()
	s.mu.Unlock()
	s.o.Log.Info("A gate is here", "instance", h.Instance, "pid", g.pid, "version", h.Version)
	s.o.Changed()
}

func (g *gate) leave() {
	s := g.s
	s.mu.Lock()
	s.gates = slices.DeleteFunc(s.gates, func(o *gate) bool { return o == g })
	s.tell()
	process := g.process()
	s.mu.Unlock()
	s.o.Gone(process)
	s.o.Changed()
}

func (g *gate) poke() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// write sends what is to be sent until end is closed; when it cannot it hangs up.
func (g *gate) write(end <-chan struct{}) error {
	for {
		select {
		case <-end:
			return nil
		case <-g.wake:
		}
		g.s.mu.Lock()
		names, ask := g.pass, g.asked != g.s.reloads
		g.pass, g.asked = nil, g.s.reloads
		number := g.s.reloads
		g.s.mu.Unlock()
		err := g.sendSockets(names)
		if err == nil && ask {
			err = g.packets.send(&message{Reload: number})
		}
		if err != nil {
			g.packets.Close()
			if errors.Is(err, net.ErrClosed) || isHangup(err) {
				return nil
			}
			return fmt.Errorf("cannot send: %w", err)
		}
	}
}

func (g *gate) sendSockets(names []string) error {
	for part := range slices.Chunk(names, maxFiles) {
		m := &message{}
		var files []*os.File
		for _, name := range part {
			if f, ok := g.s.o.Sockets.Copy(name); ok {
				m.Sockets, files = append(m.Sockets, name), append(files, f)
			}
		}
		if len(files) == 0 {
			continue
		}
		err := g.packets.send(m, files...)
		closeAll(files)
		if err != nil {
			return err
		}
	}
	return nil
}

// read takes what the gate tells until it hangs up.
func (g *gate) read() error {
	for {
		m, files, err := g.packets.receive()
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed), isHangup(err):
			return nil
		case err != nil:
			return err
		case m.Hello != nil || m.Reload != 0 || len(files) > 0:
			closeAll(files)
			return errors.New("it said what a gate does not say here")
		}
		g.told(m)
		if m.Counts != nil {
			g.s.o.Count(g.process(), *m.Counts)
		}
	}
}

// told takes what a gate says it runs.
func (g *gate) told(m *message) {
	if m.Running == nil {
		return
	}
	g.s.mu.Lock()
	g.hello.Running = *m.Running
	g.answered = max(g.answered, min(m.Answer, g.s.reloads))
	g.s.tell()
	g.s.mu.Unlock()
	g.s.o.Changed()
}
