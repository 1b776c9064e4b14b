package proxy

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// series are the metrics of one route of a gate, or of what no route was found for, with their labels resolved: a request looks none up but in
// maps of its own route.
type series struct {
	duration, first prometheus.Observer
	requests        memo[outcomeLabels, prometheus.Counter]
	tokens          memo[string, *tokenCounters] // by principal
}

type outcomeLabels struct {
	reason Reason
	status int
}

type tokenCounters struct{ input, output, cached prometheus.Counter }

// series of a route, which are the same for as long as there are metrics. Route is empty for none.
func (m *metrics) series(gate, route string) *series {
	at := routeName{gate, route}
	if s, ok := m.routes.Load(at); ok {
		return s.(*series)
	}
	s, _ := m.routes.LoadOrStore(at, &series{duration: m.duration.WithLabelValues(gate, route), first: m.first.WithLabelValues(gate, route)})
	return s.(*series)
}

// resolve gives each gate and route of a config its series, before it is in force.
func (m *metrics) resolve(c *compiled) {
	for name, g := range c.gates {
		g.series = m.series(name, "")
		for route, r := range g.routes {
			r.series = m.series(name, route)
		}
	}
}

// series of what a request is of, so far.
func (x *exchange) series() *series {
	switch {
	case x.route != nil && x.route.series != nil:
		return x.route.series
	case x.route == nil && x.gate != nil && x.gate.series != nil:
		return x.gate.series
	}
	return x.server.metrics.series(x.name, x.routeName()) // a gate that is not there any more
}

func (x *exchange) routeName() string {
	if x.route == nil {
		return ""
	}
	return x.route.Name
}

// memo keeps what was made for a key. To find what is there takes no lock and no memory.
type memo[K comparable, V any] struct {
	all atomic.Pointer[map[K]V]
	mu  sync.Mutex // of put
}

func (m *memo[K, V]) get(k K) (v V, ok bool) {
	if all := m.all.Load(); all != nil {
		v, ok = (*all)[k]
	}
	return v, ok
}

// put keeps a value, unless there is one already, and gives the one that is there then.
func (m *memo[K, V]) put(k K, v V) V {
	m.mu.Lock()
	defer m.mu.Unlock()
	if have, ok := m.get(k); ok {
		return have
	}
	next := map[K]V{}
	if all := m.all.Load(); all != nil {
		next = maps.Clone(*all)
	}
	next[k] = v
	m.all.Store(&next)
	return v
}
