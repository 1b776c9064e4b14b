package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"mirroros.dev/mirroros/controllers/budget/ledger"
	"mirroros.dev/mirroros/controllers/gate/proxy"
	"mirroros.dev/mirroros/controllers/gate/proxy/control"
	"mirroros.dev/mirroros/controllers/gate/proxy/upstream"
	"mirroros.dev/mirroros/reconcile/audit"
)

// gate is this process.
type gate struct {
	options
	began     time.Time
	audit     *audit.Log
	server    *proxy.Server
	client    *control.Client
	files     files
	budgets   budgets
	listeners listeners
	fault     atomic.Pointer[string] // why a file could not be loaded
	// leaving: there are addresses that the operator waits for; with the end of a request there may be none any more.
	leaving atomic.Bool
	// ready is closed when the operator was heard: from then on this gate serves all that it can.
	ready     chan struct{}
	readyOnce sync.Once
}

// serve is the gate's life: it takes up what the operator wrote down, serves it on the sockets that the operator gives it, and ends when it
// was told to and the last request has ended.
func serve(ctx context.Context, o options) error {
	log, err := audit.Open(audit.Options{Dir: filepath.Join(o.State, "audit"), Writer: "gate", KeyFile: filepath.Join(o.State, "audit.key")})
	if err != nil {
		return err // nothing is allowed that cannot be recorded
	}
	g := &gate{options: o, began: time.Now(), audit: log, ready: make(chan struct{})}
	defer func() {
		if err := log.Close(); err != nil {
			o.Log.Error(err, "The audit log may lack its end")
		}
	}()
	key, err := sessionKey(filepath.Join(o.State, "gate", "session.key"))
	if err != nil {
		return err
	}
	client := &upstream.Client{}
	defer client.Close()
	g.server = proxy.New(proxy.Options{Audit: log, Client: client, Log: o.Log, Peer: newPeers(o.Log).of, Counted: g.counted, Stopped: g.tell, SessionKey: key})
	g.budgets = budgets{dir: filepath.Join(o.State, "gate", "ledger"), log: o.Log.WithName("ledger"), changed: g.tell}
	defer g.budgets.close()
	g.files = files{dir: filepath.Join(o.State, "gate"), loaded: map[string][]byte{}}
	g.listeners = listeners{listen: g.server.Listen, log: o.Log, held: map[string]*os.File{}}
	g.client = control.NewClient(control.ClientOptions{Path: filepath.Join(o.Run, "gate.sock"), Hello: g.hello, Take: g.listeners.take,
		Reload: g.reload, Running: g.running, Counts: g.server.Counts, Log: o.Log})
	g.load()
	status, err := g.openStatus()
	if err != nil {
		return err
	}
	defer status.close()

	ctx, cancel := context.WithCancel(ctx)
	var parts sync.WaitGroup
	defer parts.Wait()
	defer cancel()
	parts.Go(func() { g.client.Run(ctx) })
	parts.Go(func() { g.obey(ctx, cancel) })
	o.Log.Info("Serving", "config", g.running().Config, "after", time.Since(g.began).String())
	return g.server.Serve(ctx, nil)
}

// obey drains on the first signal, and ends at once on the second.
func (g *gate) obey(ctx context.Context, end context.CancelFunc) {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	select {
	case <-ctx.Done():
		return
	case s := <-signals:
		g.Log.Info("Draining: no connections are taken any more, those that there are go on to their end", "signal", s.String())
	}
	g.listeners.close()
	g.server.Drain()
	g.client.Tell()
	select {
	case <-ctx.Done():
	case <-signals:
		g.Log.Info("Asked to end twice: ending now")
		end()
	}
}

// hello is what the operator hears first.
func (g *gate) hello() (control.Hello, []*os.File) {
	names, files := g.listeners.copies()
	return control.Hello{Instance: os.Getenv("MIRROROS_INSTANCE"), PID: os.Getpid(), Began: g.began, Version: version,
		Sockets: names, Running: g.running()}, files
}

// reload is the operator's word that files changed. It gives the sockets before it.
func (g *gate) reload() {
	g.load()
	g.readyOnce.Do(func() { close(g.ready) })
}

// load takes up what changed in the files.
func (g *gate) load() {
	was, known := g.files.config, g.files.identities
	err := g.files.load(g.update)
	if g.files.budgets == nil && g.files.known(ledger.ConfigFile) {
		g.server.SetLedger(&g.budgets) // there are budgets, and nobody knows which: nothing may pass
	}
	if c := g.files.config; c != nil && (c != was || g.files.identities != known) {
		g.listeners.keepOnly(c, g.files.identities)
	}
	if g.files.config != was {
		g.audit.SetRetention(retention(g.files.config))
	}
	text := ""
	if err != nil {
		text = err.Error()
		g.Log.Error(errors.New(text), "Not everything that is declared is in force")
	}
	g.fault.Store(&text)
}

// update takes new content. The budgets come first: no route is served before what bounds it.
func (g *gate) update(c *proxy.Config, e *proxy.Endpoints, ids *proxy.Identities, b *ledger.Config) error {
	if b != nil {
		if err := g.budgets.configure(b); err != nil {
			return err
		}
		if len(b.Budgets) == 0 {
			g.server.SetLedger(nil)
		} else {
			g.server.SetLedger(&g.budgets)
		}
	}
	return g.server.Update(c, e, ids)
}

// tell has the operator told what runs.
func (g *gate) tell() { g.client.Tell() }

// running is what is in force.
func (g *gate) running() control.Running {
	r := g.server.Running()
	g.leaving.Store(len(r.Leaving) > 0)
	r.Error = ""
	r.Budgets, r.LedgerError = g.budgets.running()
	if f := g.fault.Load(); f != nil {
		r.Error = *f
	}
	return r
}

// counted is called after each request.
func (g *gate) counted() {
	g.client.Count()
	if g.leaving.Load() {
		g.client.Tell()
	}
}

// retention of the log: the shortest and smallest of all gates.
func retention(c *proxy.Config) (retain time.Duration, maxBytes int64) {
	for i := range c.Gates {
		g := &c.Gates[i]
		if g.Retain > 0 && (retain == 0 || g.Retain < retain) {
			retain = g.Retain
		}
		if g.MaxAuditBytes > 0 && (maxBytes == 0 || g.MaxAuditBytes < maxBytes) {
			maxBytes = g.MaxAuditBytes
		}
	}
	return retain, maxBytes
}
