package proxy_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/gate/proxy"
	"mirroros.dev/mirroros/controllers/gate/proxy/upstream"
	"mirroros.dev/mirroros/reconcile/audit"
)

// book is an audit log in memory, which can be told to fail.
type book struct {
	mu      sync.Mutex
	records []audit.Record
	fail    atomic.Bool
	durable []string // ids of the requests that waited for the disk
	before  func()   // is called by Write first
}

func (b *book) Write(r *audit.Record, durable bool) error {
	if b.before != nil {
		b.before()
	}
	if b.fail.Load() {
		return errors.New("no space left")
	}
	b.Post(r)
	b.mu.Lock()
	defer b.mu.Unlock()
	if durable {
		b.durable = append(b.durable, r.Request)
	}
	return nil
}

func (b *book) Post(r *audit.Record) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.records = append(b.records, *r)
}

// of gives the records of a request.
func (b *book) of(id string) (out []audit.Record) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.records {
		if r.Request == id {
			out = append(out, r)
		}
	}
	return out
}

func (b *book) all() []audit.Record {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]audit.Record{}, b.records...)
}

// model is a backend. It notes what came and answers as handler says.
type model struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []string
	heads  []http.Header
	paths  []string
}

func newModel(handler http.HandlerFunc) *model {
	m := &model{}
	m.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		m.mu.Lock()
		m.bodies, m.heads, m.paths = append(m.bodies, string(body)), append(m.heads, r.Header), append(m.paths, r.URL.RequestURI())
		m.mu.Unlock()
		handler(w, r)
	}))
	DeferCleanup(func() {
		m.CloseClientConnections()
		m.Close()
	})
	return m
}

func (m *model) address() string { return m.Listener.Addr().String() }

func (m *model) calls() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.bodies)
}

func (m *model) last() (body string, head http.Header, path string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := len(m.bodies) - 1
	return m.bodies[n], m.heads[n], m.paths[n]
}

const answer = `{"id":"c1","object":"chat.completion","model":"demo","choices":[{"index":0,"message":{"role":"assistant","content":"hello"}}],` +
	`"usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}}`

func answers(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, answer)
}

func sum(token string) string {
	s := sha256.Sum256([]byte(token))
	return hex.EncodeToString(s[:])
}

// world is a gate with what stands behind it.
type world struct {
	server *proxy.Server
	book   *book
	config *proxy.Config
	ready  *proxy.Endpoints
	who    *proxy.Identities
	addr   string
	client *http.Client
	stop   context.CancelFunc
	served chan error
	now    atomic.Pointer[time.Time]
	// filters compiles those of rules, where a test has its own.
	filters func([]proxy.FilterConfig) (proxy.Filters, error)
	// ledger of budgets, where a test has one; stopped counts what the server tells of stopped routes.
	ledger  proxy.Ledger
	stopped atomic.Int64
	key     []byte // of sessions
}

// world0 is what a world begins with.
func world0(backend string) (config *proxy.Config, ready *proxy.Endpoints, who *proxy.Identities) {
	config = &proxy.Config{Number: 1, Gates: []proxy.GateConfig{{
		Name: "front", Listener: "front", Tokens: true, MaxBodyBytes: 64 << 10, MaxConcurrent: 16, Audit: "Digests",
		Routes: []proxy.RouteConfig{{
			Name: "chat", Protocol: proxy.OpenAI, Locality: proxy.LocalFirst, Models: []string{"house-chat"},
			Backends:   []proxy.BackendConfig{{Name: "process/demo", Endpoints: "demo:http", Model: "demo", Weight: 1}},
			FallbackOn: []string{"NotReady", "ConnectError", "Status5xx", "FirstByteTimeout"},
			Connect:    2 * time.Second, FirstByte: 5 * time.Second, Idle: 5 * time.Second,
		}},
		Rules: []proxy.RuleConfig{{Name: "agents-may-chat", Priority: 100, Place: "gate.yaml:88", Types: []string{"Agent"}, Routes: []string{"chat"}, Action: "Allow"}},
	}}}
	ready = &proxy.Endpoints{Number: 1, Ready: map[string][]string{"demo:http": {backend}}}
	who = &proxy.Identities{Number: 1, Principals: []proxy.PrincipalEntry{
		{Name: "coder", Type: "Agent", Labels: map[string]string{"team": "code"}}, {Name: "scout", Type: "Human"},
	}, Tokens: []proxy.TokenEntry{
		{ID: "t1", SHA256: sum("coder-token"), Principal: "coder", Expires: time.Now().Add(time.Hour)},
		{ID: "t2", SHA256: sum("scout-token"), Principal: "scout", Expires: time.Now().Add(time.Hour)},
	}}
	return config, ready, who
}

// newWorld has one gate, a route chat to a process demo, and the principals coder and scout with their tokens. edit may change all of that.
func newWorld(backend string, edit func(*world)) *world {
	GinkgoHelper()
	w := &world{book: &book{}, served: make(chan error, 1)}
	w.config, w.ready, w.who = world0(backend)
	if edit != nil {
		edit(w)
	}
	client := &upstream.Client{}
	w.server = proxy.New(proxy.Options{Audit: w.book, Client: client, Log: GinkgoLogr, SessionKey: w.key, Ledger: w.ledger,
		Stopped: func() { w.stopped.Add(1) }, Now: func() time.Time {
			if t := w.now.Load(); t != nil {
				return *t
			}
			return time.Now()
		}})
	if w.filters != nil {
		w.server.UseFilters(w.filters)
	}
	Expect(w.server.Update(w.config, w.ready, w.who)).To(Succeed())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	w.addr = l.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	w.stop = stop
	transport := &http.Transport{}
	w.client = &http.Client{Transport: transport}
	go func() { w.served <- w.server.Serve(ctx, map[string]net.Listener{"front": l}) }()
	DeferCleanup(func() {
		stop()
		transport.CloseIdleConnections()
		Eventually(w.served).Should(Receive())
		client.Close()
	})
	return w
}

// gate is the one gate's config.
func (w *world) gate() *proxy.GateConfig { return &w.config.Gates[0] }

// reply is an answer that was read.
type reply struct {
	*http.Response
	body string
}

func (r reply) id() string { return r.Header.Get("X-MirrorGate-Request-Id") }

func (r reply) reason() string { return r.Header.Get("X-MirrorGate-Reason") }

// request makes a request of the coder's.
func (w *world) request(method, path, body string) *http.Request {
	GinkgoHelper()
	req, err := http.NewRequest(method, "http://"+w.addr+path, strings.NewReader(body))
	Expect(err).NotTo(HaveOccurred())
	req.Header.Set("Authorization", "Bearer coder-token")
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	return req
}

func (w *world) do(req *http.Request) reply {
	GinkgoHelper()
	resp, err := w.client.Do(req)
	Expect(err).NotTo(HaveOccurred())
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	Expect(err).NotTo(HaveOccurred())
	return reply{resp, string(body)}
}

const chatPath = "/v1/chat/completions"

// ask sends a chat of the coder's.
func (w *world) ask(body string) reply {
	GinkgoHelper()
	return w.do(w.request("POST", chatPath, body))
}

// askAs sends a chat with another token.
func (w *world) askAs(token, body string) reply {
	GinkgoHelper()
	req := w.request("POST", chatPath, body)
	req.Header.Set("Authorization", "Bearer "+token)
	return w.do(req)
}

const chat = `{"model":"house-chat","messages":[{"role":"user","content":"hi"}]}`

// records waits for the records of a request.
func (w *world) records(id string, n int) []audit.Record {
	GinkgoHelper()
	Eventually(func() []audit.Record { return w.book.of(id) }).Should(HaveLen(n))
	return w.book.of(id)
}

func object(text string) map[string]any {
	GinkgoHelper()
	var m map[string]any
	Expect(json.Unmarshal([]byte(text), &m)).To(Succeed(), text)
	return m
}

// sse answers with events.
func sse(events ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for _, e := range events {
			fmt.Fprintf(w, "data: %s\n\n", e)
			w.(http.Flusher).Flush()
		}
	}
}
