package proxy

import (
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"mirroros.dev/mirroros/controllers/gate/proxy/control"
)

// metrics of a server. Names are those of OpenTelemetry's conventions for generative AI where they have one. No label holds what a caller
// chooses.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	stages   [12]prometheus.Observer
	duration *prometheus.HistogramVec
	first    *prometheus.HistogramVec
	tokens   *prometheus.CounterVec
	// of budgets: reservations that are open, calls that did not fit, and how long calls waited.
	reserved gauges
	exceeded *prometheus.CounterVec
	waits    prometheus.Histogram
	streams  gauges
	routes   sync.Map // of routeName: *series
	gates    sync.Map // of name: *gateCounters
	budgets  sync.Map // of control.BudgetAccount: *exceededCounter, of those that calls did not fit into
}

// exceededCounter counts the calls that did not fit into an account of a limit; last is when, in nanoseconds.
type exceededCounter struct{ n, last atomic.Int64 }

type gateCounters struct{ requests, refused atomic.Int64 }

// gauges count what is open, by gate.
type gauges struct{ by sync.Map }

func (g *gauges) of(name string) *atomic.Int64 {
	if n, ok := g.by.Load(name); ok {
		return n.(*atomic.Int64)
	}
	n, _ := g.by.LoadOrStore(name, &atomic.Int64{})
	return n.(*atomic.Int64)
}

func (g *gauges) add(name string, n int64) { g.of(name).Add(n) }

func newMetrics() *metrics {
	fast := prometheus.ExponentialBuckets(5e-6, 4, 12) // 5 µs to 21 s
	slow := []float64{0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92}
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "mirrorgate_requests_total",
			Help: "Requests by gate, route, reason code and status."}, []string{"gate", "route", "reason", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "gen_ai_server_request_duration_seconds",
			Help: "Time from the head of a request to the end of its answer.", Buckets: slow}, []string{"gate", "route"}),
		first: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "gen_ai_server_time_to_first_token_seconds",
			Help: "Time from the head of a request to the first piece of its answer.", Buckets: slow}, []string{"gate", "route"}),
		tokens: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "gen_ai_client_token_usage_total",
			Help: "Tokens as backends told them."}, []string{"gate", "route", "principal", "gen_ai_token_type"}),
		exceeded: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "mirrorgate_budget_exceeded_total",
			Help: "Calls that did not fit into a budget."}, []string{"gate", "route", "budget", "limit"}),
		waits: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "mirrorgate_budget_wait_seconds",
			Help: "Time that calls waited for their budgets.", Buckets: fast}),
	}
	stages := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "mirrorgate_stage_duration_seconds",
		Help: "Time that each stage of the gate took.", Buckets: fast}, []string{"stage"})
	for i := range m.stages {
		if i > 0 {
			m.stages[i] = stages.WithLabelValues(strconv.Itoa(i))
		}
	}
	m.registry.MustRegister(m.requests, m.duration, m.first, m.tokens, m.exceeded, m.waits, stages, (*openCollector)(m))
	return m
}

// openCollector tells how many answers are being streamed, and how many reservations are open.
type openCollector metrics

var (
	streamsDesc  = prometheus.NewDesc("mirrorgate_open_streams", "Answers that are being passed on piece by piece.", []string{"gate"}, nil)
	reservedDesc = prometheus.NewDesc("mirrorgate_budget_reservations_open", "Calls for which something is set aside.", []string{"gate"}, nil)
)

func (*openCollector) Describe(to chan<- *prometheus.Desc) { to <- streamsDesc; to <- reservedDesc }

func (c *openCollector) Collect(to chan<- prometheus.Metric) {
	c.streams.collect(streamsDesc, to)
	c.reserved.collect(reservedDesc, to)
}

func (g *gauges) collect(desc *prometheus.Desc, to chan<- prometheus.Metric) {
	g.by.Range(func(name, n any) bool {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(n.(*atomic.Int64).Load()), name.(string))
		return true
	})
}

func (m *metrics) gate(name string) *gateCounters {
	if c, ok := m.gates.Load(name); ok {
		return c.(*gateCounters)
	}
	c, _ := m.gates.LoadOrStore(name, &gateCounters{})
	return c.(*gateCounters)
}

// exceed counts a call that did not fit into a budget.
func (x *exchange) exceed(route string, over *Exceeded) {
	m := x.server.metrics
	m.exceeded.WithLabelValues(x.name, route, over.Budget, over.Limit).Inc()
	c, _ := m.budgets.LoadOrStore(control.BudgetAccount{Budget: over.Budget, Limit: over.Limit, Principal: over.Principal}, &exceededCounter{})
	c.(*exceededCounter).n.Add(1)
	c.(*exceededCounter).last.Store(x.now().UnixNano())
}

// ended notes the time that a stage took.
func (x *exchange) ended(stage int) {
	now := x.now()
	x.server.metrics.stages[stage].Observe(now.Sub(x.stage).Seconds())
	if stage == 8 && x.route != nil {
		x.series().first.Observe(now.Sub(x.began).Seconds())
	}
	x.stage = now
}

// count counts a request that ended.
func (x *exchange) count(took time.Duration) {
	defer x.server.o.Counted()
	m, s := x.server.metrics, x.series()
	x.counters.requests.Add(1)
	if !x.decided {
		x.counters.refused.Add(1)
	}
	how := outcomeLabels{x.reason, x.status}
	c, ok := s.requests.get(how)
	if !ok {
		c = s.requests.put(how, m.requests.WithLabelValues(x.name, x.routeName(), string(x.reason), status(x.status)))
	}
	c.Inc()
	s.duration.Observe(took.Seconds())
	if u := &x.usage; u.known() && x.caller != nil {
		t := s.tokensOf(x)
		t.input.Add(float64(u.input()))
		t.output.Add(float64(u.output()))
		if n := u.cached(); n > 0 {
			t.cached.Add(float64(n))
		}
	}
}

// tokensOf are the counters of a caller.
func (s *series) tokensOf(x *exchange) *tokenCounters {
	who := x.caller.principal.Name
	t, ok := s.tokens.get(who)
	if !ok {
		of := func(kind string) prometheus.Counter {
			return x.server.metrics.tokens.WithLabelValues(x.name, x.routeName(), who, kind)
		}
		t = s.tokens.put(who, &tokenCounters{of("input"), of("output"), of("cached")})
	}
	return t
}

// countUnread counts what could not be taken for a request.
func (g *gateServer) countUnread(reason Reason, code int) {
	g.counters.requests.Add(1)
	g.counters.refused.Add(1)
	g.metrics.requests.WithLabelValues(g.name, "", string(reason), status(code)).Inc()
	g.o.Counted()
}

// status bounds what a backend may make of a label.
func status(n int) string {
	if n < 100 || n > 599 {
		return "other"
	}
	return strconv.Itoa(n)
}

// Registry holds the metrics of the server.
func (s *Server) Registry() *prometheus.Registry { return s.metrics.registry }

// Counts gives all counters since the server was made.
func (s *Server) Counts() control.Counts {
	var out control.Counts
	s.metrics.gates.Range(func(name, c any) bool {
		n := c.(*gateCounters)
		out.Gates = append(out.Gates, control.GateCount{Name: name.(string), Requests: n.requests.Load(), Refused: n.refused.Load(),
			Streams: s.metrics.streams.of(name.(string)).Load()})
		return true
	})
	s.metrics.budgets.Range(func(account, c any) bool {
		n := c.(*exceededCounter)
		out.Budgets = append(out.Budgets, control.BudgetCount{BudgetAccount: account.(control.BudgetAccount), Exceeded: n.n.Load(), Last: time.Unix(0, n.last.Load()).UTC()})
		return true
	})
	s.cache.mu.Lock()
	defer s.cache.mu.Unlock()
	for name, c := range s.cache.counters {
		if last := c.last.Load(); last != 0 {
			out.Rules = append(out.Rules, control.RuleCount{Name: name, Hits: c.hits.Load(), Shadow: c.shadow.Load(), Last: time.Unix(0, last).UTC()})
		}
	}
	return out
}
