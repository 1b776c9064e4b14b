// Package service serves service ports: stable ports on loopback with the ready instances of a process behind them. There are no rules and no
// authentication: whoever can reach the port could reach an instance. Instances take turns; connections and requests that are under way stay
// where they are when the instances change.
package service

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"

	"mirroros.dev/mirroros/controllers/gate/proxy/forward"
	"mirroros.dev/mirroros/controllers/gate/proxy/tunnel"
	"mirroros.dev/mirroros/controllers/gate/proxy/upstream"
)

// Protocols of a port.
const (
	HTTP = "HTTP"
	H2C  = "H2C"
	TCP  = "TCP"
)

// connect bounds opening a connection to an instance, which is on this host, and headPatience the head of a request.
const (
	connect      = 2 * time.Second
	headPatience = time.Minute
)

// Options of a port.
type Options struct {
	// Name of the port, for the log.
	Name string
	// Protocol: HTTP, H2C or TCP.
	Protocol string
	// Ready gives the addresses of the instances that are ready, as host:port. It is asked for each request, and each connection of TCP.
	Ready func() []string
	// Client sends the requests of HTTP.
	Client *upstream.Client
	// Log of the port. Default: nothing is logged.
	Log logr.Logger
}

// Server serves one port.
type Server struct {
	o        Options
	l        net.Listener
	turns    forward.Turns
	http     *http.Server // of HTTP and H2C
	draining atomic.Bool
	served   chan struct{} // closed when no connection is taken any more
	ctx      context.Context
	cut      context.CancelCauseFunc // ends ctx, and with it every request and connection

	mu    sync.Mutex // guards what follows
	conns map[net.Conn]*conn
	none  *sync.Cond // conns became empty
}

// conn is one that the server has.
type conn struct {
	net.Conn
	// switched: it speaks another protocol, and the handler that joined it is who ends it.
	switched atomic.Bool
}

type connKey struct{}

var errClosed = errors.New("the gate ends")

// Serve serves a port on a listener, which is the server's from then on, until Drain or Close.
func Serve(l net.Listener, o Options) (*Server, error) {
	s := &Server{o: o, l: l, served: make(chan struct{}), conns: map[net.Conn]*conn{}}
	s.none = sync.NewCond(&s.mu)
	s.ctx, s.cut = context.WithCancelCause(context.Background())
	if o.Log.GetSink() == nil {
		s.o.Log = logr.Discard()
	}
	var run func() error
	switch o.Protocol {
	case HTTP:
		run = s.serveHTTP(&forward.Port{Client: o.Client, Ready: s.ready, Connect: connect, Failed: s.failed})
	case H2C:
		h := upstream.NewH2C(s.pick, connect, log.New(writer{s.o.Log}, "", 0))
		context.AfterFunc(s.ctx, h.Close)
		run = s.serveHTTP(h)
	case TCP:
		run = s.serveTCP
	default:
		return nil, fmt.Errorf("cannot serve port %q: there is no protocol %q", o.Name, o.Protocol)
	}
	go func() {
		defer close(s.served)
		if err := run(); err != nil && !s.draining.Load() {
			s.o.Log.Error(err, "Service port no longer takes connections", "port", o.Name)
		}
	}()
	return s, nil
}

func (s *Server) ready() []string { return s.turns.Of(s.o.Ready()) }

func (s *Server) pick() (string, bool) {
	if all := s.ready(); len(all) > 0 {
		return all[0], true
	}
	return "", false
}

func (s *Server) failed(err error) {
	s.o.Log.V(1).Info("Instance failed", "port", s.o.Name, "error", err.Error())
}

// serveHTTP makes the server of HTTP and H2C.
func (s *Server) serveHTTP(h http.Handler) func() error {
	s.http = &http.Server{
		Handler: s.polite(h), ReadHeaderTimeout: headPatience, DisableGeneralOptionsHandler: true,
		ErrorLog:    log.New(writer{s.o.Log}, "", 0),
		BaseContext: func(net.Listener) context.Context { return s.ctx },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, s.add(c))
		},
		ConnState: func(c net.Conn, state http.ConnState) {
			switch state {
			case http.StateHijacked:
				s.of(c).switched.Store(true)
			case http.StateClosed:
				s.remove(c)
			}
		},
	}
	if s.o.Protocol == H2C {
		s.http.Protocols = upstream.Protocols()
	}
	return func() error { return s.http.Serve(s.l) }
}

// polite asks clients to go when the server drains: of HTTP/1 after the answer; of HTTP/2 to begin no more streams.
func (s *Server) polite(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		c := r.Context().Value(connKey{}).(*conn)
		defer func() {
			if c.switched.Load() {
				s.remove(c.Conn)
			}
		}()
		h.ServeHTTP(w, r)
	})
}

// serveTCP joins each connection and one to an instance.
func (s *Server) serveTCP() error {
	for {
		c, err := s.l.Accept()
		if err != nil {
			var busy net.Error
			if errors.As(err, &busy) && busy.Temporary() { //nolint:staticcheck // there is no other word for: out of descriptors
				select {
				case <-time.After(50 * time.Millisecond):
				case <-s.ctx.Done():
				}
				continue
			}
			return err
		}
		s.add(c)
		go func() {
			defer s.remove(c)
			s.join(c)
		}()
	}
}

// join tries one instance after the other. A client without any is told by a reset.
func (s *Server) join(c net.Conn) {
	for _, address := range s.ready() {
		to, err := (&net.Dialer{Timeout: connect}).DialContext(s.ctx, "tcp", address)
		if err == nil {
			_, err = tunnel.Join(s.ctx, tunnel.End{Conn: c}, tunnel.End{Conn: to}, 0)
			s.o.Log.V(1).Info("Connection ended", "port", s.o.Name, "instance", address, "error", err)
			return
		}
		s.failed(err)
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	c.Close()
}

// Drain takes no more connections and returns when the last has ended. Until the context ends it closes none: it asks the clients of HTTP to go
// with their next answer. Then it cuts what there is.
func (s *Server) Drain(ctx context.Context) {
	s.draining.Store(true)
	_ = s.l.Close()
	<-s.served
	stop := context.AfterFunc(ctx, s.end)
	defer stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.conns) > 0 {
		s.none.Wait()
	}
	s.cut(errClosed)
}

// Close cuts every connection at once.
func (s *Server) Close() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s.Drain(ctx)
}

func (s *Server) end() {
	s.cut(errClosed)
	if s.http != nil {
		_ = s.http.Close()
	}
}

func (s *Server) add(c net.Conn) *conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := &conn{Conn: c}
	s.conns[c] = n
	return n
}

func (s *Server) of(c net.Conn) *conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.conns[c]; known != nil {
		return known
	}
	return &conn{Conn: c} // closed meanwhile
}

func (s *Server) remove(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if delete(s.conns, c); len(s.conns) == 0 {
		s.none.Broadcast()
	}
}

// writer is where net/http tells of clients that it cannot understand.
type writer struct{ log logr.Logger }

func (w writer) Write(p []byte) (int, error) {
	w.log.V(1).Info("Connection failed", "error", string(p))
	return len(p), nil
}
