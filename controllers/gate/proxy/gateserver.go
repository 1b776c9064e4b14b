package proxy

import (
	"context"
	"log"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
)

const (
	// headPatience is how long the head of a request may take. A connection that never said anything ends after it too.
	headPatience = 15 * time.Second
	// idlePatience is how long a connection may idle: longer than clients keep theirs, so that it is they who close.
	idlePatience = 15 * time.Minute
	maxHead      = 64 << 10
	// maxConnections of a gate. One more takes the place of the one that has idled longest.
	maxConnections = 4096
)

// gateServer serves one gate on one listener.
type gateServer struct {
	*Server
	server   *Server
	name     string
	listener string
	log      logr.Logger
	http     *http.Server
	l        net.Listener
	counters *gateCounters

	running atomic.Int64 // requests
	held    atomic.Int64 // bytes of their bodies
	conns   conns
	served  chan struct{} // closed when no connection is taken any more
}

type connKey struct{}

func (s *Server) newGate(name string) *gateServer {
	return &gateServer{Server: s, server: s, name: name, log: s.o.Log.WithName("gate"), counters: s.metrics.gate(name), served: make(chan struct{})}
}

func (s *Server) serveGate(name, listener, door string, l net.Listener) *gateServer {
	g := s.newGate(name)
	g.listener, g.l = listener, l
	g.conns.most, g.conns.door = maxConnections, door
	g.http = &http.Server{
		Handler: http.HandlerFunc(g.handle), ReadHeaderTimeout: headPatience, IdleTimeout: idlePatience, MaxHeaderBytes: maxHead, DisableGeneralOptionsHandler: true,
		ConnState: g.conns.changed, ErrorLog: log.New(logWriter{g.log}, "", 0),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, c)
		},
	}
	go func() {
		defer close(g.served)
		if err := g.http.Serve(taking{l, g}); err != nil && !g.conns.closing.Load() {
			g.log.Error(err, "Gate no longer takes connections", "gate", name)
		}
	}()
	return g
}

// handle takes a request that net/http could read.
func (g *gateServer) handle(w http.ResponseWriter, r *http.Request) {
	r.Context().Value(connKey{}).(*conn).handled.Store(true)
	g.ServeHTTP(w, r)
}

func (g *gateServer) now() time.Time { return g.server.o.Now() }

// stop takes no more connections; those that there are go on.
func (g *gateServer) stop() {
	if !g.conns.closing.Swap(true) {
		_ = g.l.Close()
	}
}

// wait returns when the gate takes no connections and has none. Serve must have returned first: what it took just before counts only then.
func (g *gateServer) wait() {
	<-g.served
	g.conns.wait()
}

// close ends all connections.
func (g *gateServer) close() error {
	g.stop()
	err := g.http.Close()
	g.wait()
	return err
}

// logWriter is where net/http tells of clients that it cannot understand.
type logWriter struct{ log logr.Logger }

func (w logWriter) Write(p []byte) (int, error) {
	w.log.V(1).Info("Connection failed", "error", string(p))
	return len(p), nil
}
