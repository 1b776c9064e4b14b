package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
)

// object is a manifest of a kind; lines are its spec.
func object(kind, name string, lines ...string) string {
	doc := fmt.Sprintf("apiVersion: mirroros.dev/v1alpha1\nkind: %s\nmetadata: {name: %s}\nspec:\n", kind, name)
	for _, l := range lines {
		doc += "  " + strings.ReplaceAll(l, "\n", "\n  ") + "\n"
	}
	return doc
}

// model is a Process that runs the demo model; delay is what it waits before each token of a stream.
func model(name, delay string, more ...string) string {
	return object("Process", name, append([]string{
		fmt.Sprintf("command: [%s/demomodel, --listen, \"127.0.0.1:$(PORT)\", --model, tiny-1, --delay, %s]", bin, delay),
		"ports: [{name: http}]",
		"readinessProbe: {httpGet: {path: /health, port: http}, periodSeconds: 1}",
		"startupProbe: {httpGet: {path: /health, port: http}, periodSeconds: 1, failureThreshold: 30}"}, more...)...)
}

// front is a gate on any free port with one route to one process, and a principal that may use it.
func front(process string) []string {
	return []string{
		object("Gate", "front", `listen: {address: "127.0.0.1:0"}`, "durability: Process"),
		chatRoute(process),
		object("Principal", "scout", "type: Agent"),
		object("GateRule", "scout-may-chat", "routes: [chat]", "principals: {names: [scout]}", "when: llm.maxTokens <= 1000", "action: Allow", "reason: within bounds"),
	}
}

func chatRoute(process string) string {
	return object("Route", "chat", "gate: front", "protocol: OpenAI", "match: {models: [house-chat]}",
		fmt.Sprintf("backends: [{process: %s, port: http, model: tiny}]", process), "limits: {defaultOutputTokens: 256}")
}

// serving waits until a gate serves the newest configuration, and tells its URL.
func (h *host) serving(name string) string {
	GinkgoHelper()
	h.must("wait", "gate/"+name, "--timeout", "15s")
	return "http://" + strings.TrimSpace(h.must("get", "gate", name, "-o", "jsonpath={.status.address}"))
}

// token makes a token of a principal.
func (h *host) token(principal string, more ...string) string {
	GinkgoHelper()
	return strings.TrimSpace(h.must(append([]string{"token", "create", principal}, more...)...))
}

// client talks to a gate with a token. Its connections are its own.
type client struct {
	url, token string
	http       *http.Client
}

func newClient(url, token string) *client {
	c := &client{url: url, token: token, http: &http.Client{Transport: &http.Transport{}, Timeout: 20 * time.Second}}
	DeferCleanup(c.http.CloseIdleConnections)
	return c
}

// answer is what a client got. Error is of the connection.
type answer struct {
	Status int
	Header http.Header
	Body   string
	Err    error
}

// ID of the request, as the gate tells it.
func (a answer) ID() string { return a.Header.Get("X-Mirrorgate-Request-Id") }

// Code is the error's code in a body of OpenAI's shape.
func (a answer) Code() string {
	var e struct{ Error struct{ Code string } }
	_ = json.Unmarshal([]byte(a.Body), &e)
	return e.Error.Code
}

const chatPath = "/v1/chat/completions"

// ask is the body of a question for the model of front; more are further fields.
func ask(prompt string, more ...string) string {
	return fmt.Sprintf(`{"model":"house-chat","messages":[{"role":"user","content":%q}]%s}`, prompt, strings.Join(append([]string{""}, more...), ","))
}

func (c *client) request(method, path, body string) *http.Request {
	r, err := http.NewRequest(method, c.url+path, bytes.NewReader([]byte(body)))
	if err != nil {
		panic(err) // a fault of the test
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	return r
}

func (c *client) send(r *http.Request) answer {
	res, err := c.http.Do(r)
	if err != nil {
		return answer{Err: err}
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, string(b), err}
}

func (c *client) post(path, body string) answer { return c.send(c.request("POST", path, body)) }

// word asks the model for a word, and tells what is wrong with the answer, if anything is.
func (c *client) word(w string) error {
	a := c.post(chatPath, ask("Say the word "+w+"."))
	if a.Err == nil && (a.Status != http.StatusOK || !strings.Contains(a.Body, w)) {
		a.Err = fmt.Errorf("status %d: %s", a.Status, a.Body)
	}
	return a.Err
}

// stream is an answer under way.
type stream struct {
	cancel context.CancelFunc
	first  chan struct{} // closed with the first data line
	ended  chan struct{} // closed at the end
	text   string        // all of it, once ended
	err    error         // of the connection
}

// long is a question with an answer of 51 tokens.
var long = ask("Tell me everything about the house", `"seed":7`, `"max_tokens":400`, `"stream":true`)

// open begins a stream and waits for its first piece.
func (c *client) open(body string) *stream {
	GinkgoHelper()
	ctx, cancel := context.WithCancel(context.Background())
	DeferCleanup(cancel)
	s := &stream{cancel: cancel, first: make(chan struct{}), ended: make(chan struct{})}
	go s.read(c.http, c.request("POST", chatPath, body).WithContext(ctx))
	Eventually(s.first).Should(BeClosed())
	return s
}

func (s *stream) read(c *http.Client, r *http.Request) {
	defer close(s.ended)
	first := sync.OnceFunc(func() { close(s.first) })
	defer first()
	res, err := c.Do(r)
	if err != nil {
		s.err = err
		return
	}
	defer res.Body.Close()
	var b strings.Builder
	for in := bufio.NewReader(res.Body); s.err == nil; {
		var line string
		line, s.err = in.ReadString('\n')
		b.WriteString(line)
		if strings.HasPrefix(line, "data: ") {
			first()
		}
	}
	if s.err == io.EOF {
		s.err = nil
	}
	s.text = b.String()
}

// whole tells whether a stream has its end and what is wrong, if anything is. It must have ended.
func (s *stream) whole() error {
	if s.err != nil || !strings.HasSuffix(s.text, "data: [DONE]\n\n") {
		return fmt.Errorf("the stream was cut: %w: %s", s.err, s.text)
	}
	return nil
}

// load is clients that ask again and again.
type load struct {
	stop     chan struct{}
	workers  sync.WaitGroup
	mu       sync.Mutex // guards the fields below
	answered int
	failures []error
}

// hammer has n clients ask for words, each on a connection of its own, until stop is called or the spec ends.
func hammer(n int, url, token string) *load {
	l := &load{stop: make(chan struct{})}
	for i := range n {
		c := newClient(url, token)
		l.workers.Go(func() {
			for k := 0; ; k++ {
				select {
				case <-l.stop:
					return
				default:
				}
				err := c.word(fmt.Sprintf("w%dx%d", i, k))
				l.mu.Lock()
				if l.answered++; err != nil {
					l.failures = append(l.failures, err)
				}
				l.mu.Unlock()
			}
		})
	}
	DeferCleanup(l.end)
	return l
}

func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.answered
}

// more waits until n further requests have been answered.
func (l *load) more(n int) {
	GinkgoHelper()
	from := l.count()
	Eventually(l.count).Should(BeNumerically(">=", from+n))
}

// end stops the clients and tells what failed.
func (l *load) end() []error {
	select {
	case <-l.stop:
	default:
		close(l.stop)
	}
	l.workers.Wait()
	return l.failures
}

// why is what mirrorctl says of a request. A refusal is answered without waiting until it is in the log.
func (h *host) why(request string) (said string) {
	GinkgoHelper()
	Eventually(func() int {
		out, _, code := h.ctl("why", request)
		said = out
		return code
	}).Should(BeZero(), "request %s is not in the log", request)
	return said
}

// recorded waits until the audit log has records that fit to fit.
func (h *host) recorded(fit types.GomegaMatcher, args ...string) {
	GinkgoHelper()
	Eventually(func() []map[string]any { return h.records(args...) }).Should(fit)
}

// records of the audit log that fit.
func (h *host) records(args ...string) []map[string]any {
	GinkgoHelper()
	var out []map[string]any
	for line := range strings.Lines(h.must(append([]string{"audit", "query", "-o", "json"}, args...)...)) {
		var r map[string]any
		Expect(json.Unmarshal([]byte(line), &r)).To(Succeed(), line)
		out = append(out, r)
	}
	return out
}
