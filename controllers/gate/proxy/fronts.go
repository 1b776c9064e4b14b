package proxy

import (
	"context"
	"net"
	"sync/atomic"

	"mirroros.dev/mirroros/controllers/gate/proxy/service"
	"mirroros.dev/mirroros/controllers/gate/proxy/upstream"
)

// front is what serves a listener.
type front interface {
	// stop takes no more connections; wait returns when the last has ended; close ends all.
	stop()
	wait()
	close() error
}

// frontKind says what a listener is for. Two that are equal need no other front.
type frontKind struct {
	gate    string // by name; or
	raw     bool   // of a gate: its route is of TCP
	door    string // of a gate: in the network of this instance
	service string // by name, with
	speaks  string // this protocol
	ready   string // to these endpoints
}

// fronted is a front with what it was made for.
type fronted struct {
	front
	kind     frontKind
	listener string
}

// fronts are what a view needs, by listener.
func (v *View) fronts() map[string]frontKind {
	out := make(map[string]frontKind, len(v.gates)+len(v.config.Services))
	for _, g := range v.gates {
		out[g.Listener] = frontKind{gate: g.Name, raw: g.raw != nil}
	}
	for _, p := range v.config.Services {
		out[p.Listener] = frontKind{service: p.Name, speaks: p.Protocol, ready: p.Endpoints}
	}
	for _, d := range v.identities.doors {
		if g := v.gates[d.Gate]; g != nil && g.raw == nil && v.identities.instances[d.Instance] != nil {
			out[d.Listener] = frontKind{gate: d.Gate, door: d.Instance}
		}
	}
	return out
}

// open makes the front of a listener.
func (s *Server) open(listener string, k frontKind, l net.Listener) (front, error) {
	switch {
	case k.raw:
		return s.serveRaw(k.gate, listener, l), nil
	case k.gate != "":
		return s.serveGate(k.gate, listener, k.door, l), nil
	}
	client, ok := s.o.Client.(*upstream.Client)
	if !ok {
		client = &upstream.Client{}
	}
	srv, err := service.Serve(l, service.Options{Name: k.service, Protocol: k.speaks, Client: client, Log: s.o.Log.WithName("service"), Ready: func() []string {
		var out []string
		for _, e := range s.view.Load().endpoints.ready[k.ready] {
			out = append(out, e.target.Address)
		}
		return out
	}})
	if err != nil {
		return nil, err
	}
	f := &serviceFront{Server: srv, done: make(chan struct{})}
	f.ctx, f.cut = context.WithCancel(context.Background())
	return f, nil
}

// serviceFront is a service port as a front.
type serviceFront struct {
	*service.Server
	ctx  context.Context
	cut  context.CancelFunc
	once atomic.Bool
	done chan struct{}
}

func (f *serviceFront) stop() {
	if !f.once.Swap(true) {
		go func() {
			defer close(f.done)
			f.Drain(f.ctx)
		}()
	}
}

func (f *serviceFront) wait() { <-f.done }

func (f *serviceFront) close() error {
	f.cut()
	f.stop()
	f.wait()
	return nil
}
