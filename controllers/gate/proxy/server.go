package proxy

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"

	"mirroros.dev/mirroros/controllers/gate/proxy/control"
	"mirroros.dev/mirroros/reconcile/audit"
)

// Options of a Server. Audit and Client must be set.
type Options struct {
	// Audit takes the records. A decision that it does not take is refused.
	Audit audit.Writer
	// Client sends requests to backends.
	Client Client
	// Log of the server. Default: nothing is logged.
	Log logr.Logger
	// Now is the wall clock. Default time.Now.
	Now func() time.Time
	// Peer finds the process at the other end of a connection, or nil. It is asked at most once for each connection. Default: nobody is known.
	Peer func(net.Conn) *PeerProcess
	// Ledger holds calls to budgets. Default: there are none, and nothing is metered. See SetLedger.
	Ledger Ledger
	// Stopped is called when a route was stopped because a backend broke its bounds; Running tells which. Default: nobody is told.
	Stopped func()
	// SessionKey is what names of MCP sessions are bound with to whom they were given, 32 bytes that nobody else knows; sessions end with it.
	// Default: a random one, which ends with the server.
	SessionKey []byte
	// Counted is called after each request, when Counts has changed. Default: nobody is told.
	Counted func()
}

// Server is the data plane. Update says what it serves; Serve serves it.
type Server struct {
	ledger   atomic.Pointer[Ledger] // nil for none
	o        Options
	cache    *Cache
	metrics  *metrics
	secrets  secrets
	sessions sessions
	active   active
	view     atomic.Pointer[View]

	draining atomic.Bool
	// mu guards updates, listeners and fronts.
	mu        sync.Mutex
	listeners map[string]net.Listener
	fronts    map[string]*fronted // by listener
	retired   map[*fronted]bool   // they take no connections any more
	serving   bool
	failed    error         // of the last update
	ended     chan struct{} // closed when a drained server has no connection any more
}

// New makes a server that serves nothing yet.
func New(o Options) *Server {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Counted == nil {
		o.Counted = func() {}
	}
	if o.Stopped == nil {
		o.Stopped = func() {}
	}
	if o.Log.GetSink() == nil {
		o.Log = logr.Discard()
	}
	if len(o.SessionKey) == 0 {
		o.SessionKey = make([]byte, 32)
		_, _ = rand.Read(o.SessionKey) // it never fails
	}
	s := &Server{o: o, sessions: sessions{o.SessionKey}, cache: NewCache(), metrics: newMetrics(), listeners: map[string]net.Listener{}, fronts: map[string]*fronted{},
		retired: map[*fronted]bool{}, ended: make(chan struct{})}
	s.SetLedger(o.Ledger)
	s.view.Store(&View{compiled: &compiled{config: &Config{}}, endpoints: &endpoints{}, identities: &identities{}})
	return s
}

// SetLedger has calls that begin now held to the budgets of a ledger; nil is none. Calls under way end with the one that they began with.
func (s *Server) SetLedger(l Ledger) {
	if l == nil {
		s.ledger.Store(nil)
		return
	}
	s.ledger.Store(&l)
}

// Update replaces what is given; nil stays as it is. All of it is in force at once for requests that begin now, or on an error none of it.
// Requests of callers who are nobody any more end.
func (s *Server) Update(c *Config, e *Endpoints, ids *Identities) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next, err := s.compile(c, e, ids)
	if s.failed = err; err != nil {
		return err
	}
	s.view.Store(next)
	if ids != nil {
		s.active.end(next.identities, s.o.Now())
	}
	if c != nil || e != nil {
		s.active.replaced(next)
		s.cache.keep(next.turn, next.used())
	}
	s.arrange()
	return nil
}

func (s *Server) compile(c *Config, e *Endpoints, ids *Identities) (*View, error) {
	next := *s.view.Load()
	var err error
	if c != nil {
		if next.compiled, err = compileConfig(c, s.cache); err != nil {
			return nil, err
		}
		s.metrics.resolve(next.compiled)
	}
	if e != nil {
		next.endpoints = compileEndpoints(e, s.cache)
	}
	if ids != nil {
		if next.identities, err = compileIdentities(ids); err != nil {
			return nil, err
		}
	}
	return &next, nil
}

// used are the addresses of a view.
func (v *View) used() map[string]bool {
	all := map[string]bool{}
	for a := range v.addresses {
		all[a] = true
	}
	for _, list := range v.endpoints.ready {
		for _, e := range list {
			all[e.target.Address] = true
		}
	}
	return all
}

// View is what requests are decided under now.
func (s *Server) View() *View { return s.view.Load() }

// Running tells what the server runs. The error is that of the last update.
func (s *Server) Running() control.Running {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.view.Load()
	r := control.Running{Config: v.config.Number, Endpoints: v.endpoints.number, Identities: v.identities.number, Draining: s.draining.Load()}
	if s.failed != nil {
		r.Error = s.failed.Error()
	}
	r.Leaving = s.active.leaving(v)
	r.Stopped = v.stopped()
	for _, name := range v.wanted() {
		if s.listeners[name] == nil {
			r.Missing = append(r.Missing, name)
		}
	}
	return r
}

// stopped are the routes that serve nothing, because a backend broke its bounds.
func (v *View) stopped() (out []control.Stopped) {
	for _, name := range slices.Sorted(maps.Keys(v.gates)) {
		g := v.gates[name]
		for _, route := range slices.Sorted(maps.Keys(g.routes)) {
			if b := g.routes[route].state.stopped(g.routes[route].RouteConfig); b != nil {
				out = append(out, control.Stopped{Gate: name, Route: route, Why: b.why})
			}
		}
	}
	return out
}

// wanted are the names of the listeners that a view needs; a door may be gone with its instance.
func (v *View) wanted() []string {
	all := v.fronts()
	maps.DeleteFunc(all, func(_ string, k frontKind) bool { return k.door != "" })
	return slices.Sorted(maps.Keys(all))
}

// Listen gives the server a listener by name, instead of one of that name that it had: that is closed, and connections that came by it go
// on. What serves it begins when the config has it. The server closes it when it drains, or when the config has it no more.
func (s *Server) Listen(name string, l net.Listener) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining.Load() {
		return fmt.Errorf("cannot listen on %q: the server drains", name)
	}
	if f := s.fronts[name]; f != nil {
		s.retire(f)
	}
	s.listeners[name] = l
	s.arrange()
	return nil
}

// Serve serves until the context ends, and then ends every request and connection. When the server was told to drain it returns nil after the
// last connection ended. It may be called once.
func (s *Server) Serve(ctx context.Context, listeners map[string]net.Listener) error {
	for name, l := range listeners {
		if err := s.Listen(name, l); err != nil {
			return err
		}
	}
	s.mu.Lock()
	s.serving = true
	s.arrange()
	s.mu.Unlock()
	warm, cool := context.WithCancel(ctx)
	var warming sync.WaitGroup
	defer warming.Wait()
	defer cool()
	warming.Go(func() { s.warm(warm) })
	select {
	case <-s.ended:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	s.draining.Store(true)
	s.arrange()
	gates := s.all()
	s.mu.Unlock()
	s.active.endAll(errEnded)
	var errs []error
	for _, g := range gates {
		errs = append(errs, g.close())
	}
	return errors.Join(errs...)
}

// Drain has the server take no more connections: it closes its listeners, answers each further request on those that there are with
// Connection: close, and closes none by itself, since a request may be on its way. Serve returns after the last ended.
func (s *Server) Drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining.Swap(true) {
		return
	}
	s.arrange()
	waiting := s.all()
	go func() {
		for _, g := range waiting {
			g.wait()
		}
		close(s.ended)
	}()
}

// retire has a front take no more connections; those that there are go on, and are waited for at the end. The caller holds mu.
func (s *Server) retire(f *fronted) {
	f.stop()
	delete(s.fronts, f.listener)
	s.retired[f] = true
	go func() {
		f.wait()
		s.mu.Lock()
		delete(s.retired, f)
		s.mu.Unlock()
	}()
}

// all are the fronts that may have connections. The caller holds mu.
func (s *Server) all() []*fronted {
	return slices.AppendSeq(slices.Collect(maps.Values(s.fronts)), maps.Keys(s.retired))
}

// arrange has each listener that the view needs served, and no other. The caller holds mu.
func (s *Server) arrange() {
	wanted := s.view.Load().fronts()
	for listener, f := range s.fronts {
		kind, want := wanted[listener]
		switch {
		case s.draining.Load():
			f.stop()
		case !want || kind != f.kind: // its listener goes with it
			s.retire(f)
			delete(s.listeners, listener)
		}
	}
	if !s.serving || s.draining.Load() {
		return
	}
	for listener, kind := range wanted {
		l := s.listeners[listener]
		if l == nil || s.fronts[listener] != nil {
			continue
		}
		f, err := s.open(listener, kind, l)
		if err != nil {
			s.o.Log.Error(err, "Cannot serve a listener", "listener", listener)
			continue
		}
		s.fronts[listener] = &fronted{f, kind, listener}
	}
}
