package proxy_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"mirroros.dev/mirroros/controllers/gate/proxy"
	"mirroros.dev/mirroros/controllers/gate/proxy/upstream"
	"mirroros.dev/mirroros/reconcile/audit"
)

// at once is a client whose backend answers without a network.
type atOnce struct{}

func (atOnce) Do(context.Context, upstream.Target, *upstream.Request) (*upstream.Response, error) {
	return &upstream.Response{Status: 200, Header: http.Header{"Content-Type": {"application/json"}}, Length: int64(len(answer)),
		Body: io.NopCloser(strings.NewReader(answer))}, nil
}

// nowhere is an audit log that keeps nothing.
type nowhere struct{}

func (nowhere) Write(*audit.Record, bool) error { return nil }
func (nowhere) Post(*audit.Record)              {}

// BenchmarkStages is what the gate's own stages cost: no network, no disk.
func BenchmarkStages(b *testing.B) { benchmarkStages(b, nil) }

// BenchmarkMetered is the same under a budget, with a ledger that does nothing.
func BenchmarkMetered(b *testing.B) { benchmarkStages(b, granting{}) }

// granting is a ledger that grants all.
type granting struct{}

func (granting) Reserve(context.Context, *proxy.Ask) (proxy.Reservation, *proxy.Exceeded, error) {
	return granting{}, nil, nil
}
func (granting) Held() bool           { return true }
func (granting) Output() int64        { return 1 << 40 }
func (granting) Commit(bool) error    { return nil }
func (granting) Settle(...proxy.Used) {}
func (granting) Cancel()              {}
func (granting) Left() (tokens, requests proxy.Left) {
	return proxy.Left{Known: true, Limit: 1, Remaining: 1}, proxy.Left{}
}

func benchmarkStages(b *testing.B, l proxy.Ledger) {
	w := &world{}
	w.config, w.ready, w.who = world0("127.0.0.1:1")
	w.gate().Rules = append(w.gate().Rules, proxy.RuleConfig{Name: "small", Priority: 1, All: true, Action: "Deny", When: `llm.maxTokens > 4096`},
		proxy.RuleConfig{Name: "human", Priority: 2, All: true, Action: "Deny", When: `principal.type == "Human" && time.getHours() < 25`})
	s := proxy.New(proxy.Options{Audit: nowhere{}, Client: atOnce{}, Ledger: l})
	if err := s.Update(w.config, w.ready, w.who); err != nil {
		b.Fatal(err)
	}
	h := s.Handler("front")
	body := `{"model":"house-chat","max_tokens":10,"messages":[{"role":"user","content":"` + strings.Repeat("all work and no play ", 49) + `"}]}`
	req := httptest.NewRequest("POST", chatPath, nil)
	req.Host, req.ContentLength = "127.0.0.1:80", int64(len(body))
	req.Header.Set("Authorization", "Bearer coder-token")
	req.Header.Set("Content-Type", "application/json")
	b.ReportAllocs()
	for b.Loop() {
		req.Body = io.NopCloser(strings.NewReader(body))
		rec := &sink{h: http.Header{}}
		if h.ServeHTTP(rec, req); rec.status != 200 {
			b.Fatal(rec.status)
		}
	}
}

type sink struct {
	h      http.Header
	status int
}

func (s *sink) Header() http.Header         { return s.h }
func (s *sink) WriteHeader(n int)           { s.status = n }
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }

// BenchmarkSwap is what a config of 10,000 rules costs of which a few have changed.
func BenchmarkSwap(b *testing.B) {
	w := &world{}
	w.config, w.ready, w.who = world0("127.0.0.1:1")
	for i := range 10_000 {
		w.gate().Rules = append(w.gate().Rules, proxy.RuleConfig{Name: fmt.Sprintf("rule-%d", i), Priority: int32(i % 1000), Action: "Allow",
			Names: []string{fmt.Sprintf("agent-%d", i%500)}, Routes: []string{"chat"}, When: fmt.Sprintf(`llm.maxTokens < %d`, i)})
	}
	s := proxy.New(proxy.Options{Audit: nowhere{}, Client: atOnce{}})
	begin := time.Now()
	if err := s.Update(w.config, w.ready, w.who); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(time.Since(begin).Milliseconds()), "ms-first")
	for n := 0; b.Loop(); n++ {
		for i := range 10 {
			w.gate().Rules[1+i*900].When = fmt.Sprintf("llm.maxTokens < %d", 20_000+10*n+i)
		}
		if err := s.Update(w.config, nil, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkStart is what a config of 1,000 conditions costs a gate that has just begun, new and as one that was in force before.
func BenchmarkStart(b *testing.B) {
	for _, proven := range []bool{false, true} {
		b.Run(fmt.Sprintf("proven=%t", proven), func(b *testing.B) {
			w := &world{}
			w.config, w.ready, w.who = world0("127.0.0.1:1")
			w.config.Proven = proven
			for i := range 1000 {
				w.gate().Rules = append(w.gate().Rules, proxy.RuleConfig{Name: fmt.Sprintf("rule-%d", i), Priority: int32(i), Action: "Allow",
					Names: []string{fmt.Sprintf("agent-%d", i%50)}, When: fmt.Sprintf(`llm.maxTokens < %d && !(principal.labels["team"] in ["a", "b"])`, i)})
			}
			for b.Loop() {
				s := proxy.New(proxy.Options{Audit: nowhere{}, Client: atOnce{}})
				if err := s.Update(w.config, w.ready, w.who); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
