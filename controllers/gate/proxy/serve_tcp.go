package proxy

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"mirroros.dev/mirroros/controllers/gate/proxy/tunnel"
	"mirroros.dev/mirroros/reconcile/audit"
)

// rawServer serves a gate whose one route is of TCP: each connection is a request. Who calls is known by its process, or is anonymous.
type rawServer struct {
	*gateServer
	mu  sync.Mutex // guards all
	all map[net.Conn]context.CancelCauseFunc
	end sync.WaitGroup
	// closing: no connection is taken any more.
	closing atomic.Bool
}

func (s *Server) serveRaw(name, listener string, l net.Listener) *rawServer {
	g := &rawServer{gateServer: s.newGate(name), all: map[net.Conn]context.CancelCauseFunc{}}
	g.listener, g.l = listener, l
	go func() {
		defer close(g.served)
		for {
			c, err := l.Accept()
			if err != nil {
				if !g.closing.Load() {
					g.log.Error(err, "Gate no longer takes connections", "gate", name)
				}
				return
			}
			g.end.Go(func() { g.take(c) })
		}
	}()
	return g
}

func (g *rawServer) stop() {
	if !g.closing.Swap(true) {
		_ = g.l.Close()
	}
}

func (g *rawServer) wait() {
	<-g.served
	g.end.Wait()
}

func (g *rawServer) close() error {
	g.stop()
	g.mu.Lock()
	for _, cancel := range g.all {
		cancel(errEnded)
	}
	g.mu.Unlock()
	g.wait()
	return nil
}

// take takes a connection through the stages. There is nothing to say to who is refused: it is closed.
func (g *rawServer) take(c net.Conn) {
	defer c.Close()
	x := &exchange{gateServer: g.gateServer, view: g.view.Load(), began: g.now()}
	x.stage, x.id = x.began, requestID(x.began)
	g.mu.Lock()
	g.all[c] = x.ctx.cancel
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		delete(g.all, c)
		g.mu.Unlock()
		g.finish(x)
	}()
	running := g.running.Add(1)
	if x.gate = x.view.gates[g.name]; x.gate == nil || x.gate.raw == nil {
		x.gate = &gate{GateConfig: &GateConfig{Name: g.name}}
		g.refuse(x, c, refuse(Gone, ""))
		return
	}
	if running > int64(x.gate.MaxConcurrent) {
		g.refuse(x, c, refuse(Busy, ""))
		return
	}
	if bad := g.pass(x, c); bad != nil {
		g.refuse(x, c, bad)
	}
}

func (g *rawServer) pass(x *exchange, c net.Conn) *refusal {
	var bad *refusal
	x.caller, bad = x.gate.authenticate(x.view.identities, nil, x.began, "", func() *PeerProcess {
		if g.o.Peer == nil {
			return nil
		}
		return g.o.Peer(c)
	})
	if bad != nil {
		return bad
	}
	x.active.add(x)
	if !x.stillKnown() {
		return refuse(Revoked, "")
	}
	x.route = x.gate.raw
	if !x.caller.good(x.route.Name) {
		return refuse(TokenScope, "")
	}
	x.tunnelInput(c)
	if bad := x.decide(); bad != nil {
		return bad
	}
	plan, bad := x.choose()
	if bad != nil {
		return bad
	}
	if bad := x.reserve(plan); bad != nil {
		return bad
	}
	if bad := x.recordRaw(c); bad != nil {
		return bad
	}
	to, at, bad := x.dialPlan(plan)
	if bad != nil {
		return bad
	}
	defer at.busy.Add(-1)
	x.begun = true
	x.meter.answer(http.StatusOK)
	g.server.metrics.streams.add(g.name, 1)
	defer g.server.metrics.streams.add(g.name, -1)
	moved, err := tunnel.Join(&x.ctx, tunnel.End{Conn: c}, tunnel.End{Conn: to}, x.route.Idle)
	x.sent = moved.BToA
	x.tunnelled(err)
	return nil
}

// tunnelInput is what rules look at of a connection.
func (x *exchange) tunnelInput(c net.Conn) {
	in, p := &x.in, x.caller.principal
	in.Gate, in.Time = x.gate.Name, x.began.UTC()
	in.Request.Peer = c.RemoteAddr().String()
	in.Principal.Name, in.Principal.Type, in.Principal.Labels, in.Principal.Instance = p.Name, p.Type, p.Labels, x.caller.instance
	in.Route.Name, in.Route.Protocol, in.Route.Gate, in.Route.Remote = x.route.Name, x.route.Protocol, x.gate.Name, x.route.remote
}

// recordRaw is stage 7 of a connection.
func (x *exchange) recordRaw(c net.Conn) *refusal {
	if bad := x.keep(x.rawDecision(c, audit.Allowed)); bad != nil {
		return bad
	}
	x.decided = true
	return nil
}

func (x *exchange) rawDecision(c net.Conn, outcome string) *audit.Record {
	r := x.recordOf(audit.KindDecision)
	r.Decision, r.Reason, r.Stage, r.Peer = outcome, string(x.reason), reasons[x.reason].stage, c.RemoteAddr().String()
	for _, s := range x.shadow {
		r.Shadow = append(r.Shadow, s.Name)
	}
	return r
}

// dialPlan connects to the first of a plan that can be reached.
func (x *exchange) dialPlan(plan []attempt) (net.Conn, *endpoint, *refusal) {
	bad := refuse(BackendNotReady, "")
	d := net.Dialer{Timeout: x.route.Connect}
	for i, a := range plan {
		x.backend = a.backend
		for _, at := range leastBusy(a.endpoints) {
			at.busy.Add(1)
			x.going.Store(at)
			c, err := d.DialContext(&x.ctx, "tcp", at.target.Address)
			if err == nil {
				return c, at, nil
			}
			at.busy.Add(-1)
			bad = &refusal{reason: ConnectError, err: err}
		}
		if i < len(plan)-1 && !x.route.onConnect {
			break
		}
	}
	return nil, nil, bad
}

// refuse records why a connection goes no further.
func (g *rawServer) refuse(x *exchange, c net.Conn, bad *refusal) {
	if bad.rule != nil {
		x.rule = bad.rule
	}
	x.reason, x.failed = bad.reason, true
	x.status = reasons[bad.reason].status
	if x.decided || errors.Is(bad.err, context.Canceled) {
		return // the outcome says it
	}
	outcome := audit.Refused
	if reasons[bad.reason].stage > 5 && bad.exceeded == nil {
		outcome = audit.Failed
	}
	r := x.rawDecision(c, outcome)
	r.Text = clip(bad.text, 1024)
	if bad.exceeded != nil {
		r.Budget = bad.exceeded.Budget
	}
	g.o.Audit.Post(r)
}

// finish is called once for each connection.
func (g *rawServer) finish(x *exchange) {
	x.active.remove(x, g.view.Load())
	x.ctx.cancel(nil)
	g.running.Add(-1)
	took := x.now().Sub(x.began)
	x.settle()
	if x.decided {
		g.o.Audit.Post(x.ending(took))
	}
	x.count(took)
}
