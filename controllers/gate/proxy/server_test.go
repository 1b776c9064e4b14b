package proxy_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/gate/proxy"
	"mirroros.dev/mirroros/controllers/gate/proxy/upstream"
)

// open begins a stream that stays open, and gives what reads on.
func (w *world) open(m *model, token string) (*http.Response, *bufio.Reader) {
	GinkgoHelper()
	req := w.request("POST", chatPath, `{"model":"house-chat","stream":true}`)
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := w.client.Do(req)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { _ = resp.Body.Close() })
	Expect(resp.StatusCode).To(Equal(200))
	r := bufio.NewReader(resp.Body)
	Expect(r.ReadString('\n')).To(ContainSubstring("choices"))
	return resp, r
}

// streaming answers with one event, and the next ones as they are asked for.
func streaming() (*model, chan string) {
	more := make(chan string)
	done := make(chan struct{})
	m := newModel(func(w http.ResponseWriter, r *http.Request) {
		sse(`{"choices":[{}]}`)(w, r)
		for {
			select {
			case e := <-more:
				sse(e)(w, r)
			case <-done:
				return
			case <-r.Context().Done():
				return
			}
		}
	})
	DeferCleanup(func() { close(done) })
	return m, more
}

var _ = Describe("Identities", func() {
	DescribeTable("that go end what was begun under them at once",
		func(change func(*world)) {
			m, _ := streaming()
			w := newWorld(m.address(), func(w *world) { w.gate().Rules[0].Types = []string{"Agent", "Human"} })
			resp, r := w.open(m, "coder-token")
			_, other := w.open(m, "scout-token")
			change(w)
			Expect(w.server.Update(nil, nil, w.who)).To(Succeed())
			rest, err := io.ReadAll(r)
			Expect(err).To(HaveOccurred())
			Expect(string(rest)).To(ContainSubstring("Revoked"))
			Expect(w.records(resp.Header.Get("X-MirrorGate-Request-Id"), 2)[1].Reason).To(Equal("Revoked"))
			Expect(w.server.Counts().Gates[0].Streams).To(Equal(int64(1)), "the other goes on")
			Expect(other.Buffered()).To(BeNumerically("<=", 1))
		},
		Entry("a token is revoked", func(w *world) { w.who.Tokens = w.who.Tokens[1:] }),
		Entry("a principal is suspended", func(w *world) { w.who.Principals[0].Suspended = true }),
		Entry("a principal is gone", func(w *world) { w.who.Principals = w.who.Principals[1:] }),
		Entry("a token is another's", func(w *world) { w.who.Tokens[0].Principal = "scout" }),
	)

	It("let a stream go on whose token has expired since", func() {
		m, more := streaming()
		w := newWorld(m.address(), nil)
		_, r := w.open(m, "coder-token")
		later := time.Now().Add(2 * time.Hour)
		w.now.Store(&later)
		w.who.Tokens = nil
		Expect(w.server.Update(nil, nil, w.who)).To(Succeed())
		more <- `{"choices":[{"x":1}]}`
		_, _ = r.ReadString('\n')
		Expect(r.ReadString('\n')).To(ContainSubstring(`"x":1`))
		Expect(w.ask(chat).reason()).To(Equal("UnknownToken"))
	})

	It("know a workload by its cgroup, else by its pid and inode, and nobody by a pid alone", func() {
		m := newModel(answers)
		peer := &proxy.PeerProcess{}
		w := newWorld(m.address(), func(w *world) {
			w.gate().PeerCredentials = true
			w.who.Workloads = []proxy.WorkloadEntry{{Instance: "a-1", Principal: "coder", Cgroup: "/a-1", CgroupID: 700, PID: 7, Inode: 70},
				{Instance: "b-1", Principal: "scout", PID: 8, Inode: 80}, {Instance: "c-1", Principal: "coder", PID: 9}}
		})
		s := proxy.New(proxy.Options{Audit: w.book, Client: &upstream.Client{}, Peer: func(net.Conn) *proxy.PeerProcess { return peer }})
		Expect(s.Update(w.config, w.ready, w.who)).To(Succeed())
		l, err := net.Listen("unix", GinkgoT().TempDir()+"/s")
		Expect(err).NotTo(HaveOccurred())
		ctx, stop := context.WithCancel(context.Background())
		served := make(chan error, 1)
		go func() { served <- s.Serve(ctx, map[string]net.Listener{"front": l}) }()
		DeferCleanup(func() {
			stop()
			Eventually(served).Should(Receive())
		})
		asks := func(p proxy.PeerProcess, headers ...string) string {
			peer = &p
			t := &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
				return net.Dial("unix", l.Addr().String())
			}}
			req := w.request("POST", chatPath, chat)
			req.Header.Del("Authorization")
			for _, h := range headers {
				req.Header.Set("Authorization", h)
			}
			resp, err := (&http.Client{Transport: t}).Do(req)
			Expect(err).NotTo(HaveOccurred())
			defer resp.Body.Close()
			records := w.book.of(resp.Header.Get("X-MirrorGate-Request-Id"))
			return records[0].Instance + " " + records[0].Reason
		}
		Expect(asks(proxy.PeerProcess{PID: 99, Cgroup: "/a-1"})).To(Equal("a-1 RuleAllowed"))
		Expect(asks(proxy.PeerProcess{CgroupID: 700})).To(Equal("a-1 RuleAllowed"))
		Expect(asks(proxy.PeerProcess{CgroupID: 1})).To(Equal(" NoCredentials"))
		Expect(asks(proxy.PeerProcess{PID: 8, Inode: 80})).To(Equal("b-1 NoRule"))
		Expect(asks(proxy.PeerProcess{PID: 8, Inode: 81})).To(Equal(" NoCredentials"))
		Expect(asks(proxy.PeerProcess{PID: 9})).To(Equal(" NoCredentials"))
		Expect(asks(proxy.PeerProcess{PID: 99, Cgroup: "/a-1"}, "Bearer wrong")).To(Equal(" UnknownToken"), "wrong credentials are not made good by right ones")
	})

	It("know an instance by its door, without a token, and close the door when it is gone", func() {
		m := newModel(answers)
		w := newWorld(m.address(), func(w *world) {
			w.who.Workloads = []proxy.WorkloadEntry{{Instance: "a-1", Principal: "coder", PID: 7}, {Instance: "b-1", Principal: "scout", PID: 8}}
			w.who.Doors = []proxy.DoorEntry{{Listener: "door/a", Gate: w.gate().Name, Instance: "a-1"}, {Listener: "door/b", Gate: w.gate().Name, Instance: "b-1"},
				{Listener: "door/c", Gate: w.gate().Name, Instance: "c-1"}, {Listener: "door/d", Gate: "none", Instance: "a-1"}}
		})
		s := proxy.New(proxy.Options{Audit: w.book, Client: &upstream.Client{}})
		Expect(s.Update(w.config, w.ready, w.who)).To(Succeed())
		listeners := map[string]net.Listener{}
		for _, name := range []string{"front", "door/a", "door/b", "door/c", "door/d"} {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			Expect(err).NotTo(HaveOccurred())
			DeferCleanup(func() { _ = l.Close() }) // the server's, but for those of nobody
			listeners[name] = l
		}
		ctx, stop := context.WithCancel(context.Background())
		served := make(chan error, 1)
		go func() { served <- s.Serve(ctx, listeners) }()
		DeferCleanup(func() {
			stop()
			Eventually(served).Should(Receive())
		})
		asks := func(name string, headers ...string) string {
			req := w.request("POST", chatPath, chat)
			req.URL.Host, req.Host = listeners[name].Addr().String(), ""
			req.Header.Del("Authorization")
			for _, h := range headers {
				req.Header.Set("Authorization", h)
			}
			resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 300 * time.Millisecond}).Do(req)
			if err != nil {
				return "nobody"
			}
			defer resp.Body.Close()
			r := w.book.of(resp.Header.Get("X-MirrorGate-Request-Id"))[0]
			return r.Instance + " " + r.Reason
		}
		Expect(asks("door/a")).To(Equal("a-1 RuleAllowed"))
		Expect(asks("door/b")).To(Equal("b-1 NoRule"))
		Expect(asks("door/a", "Bearer wrong")).To(Equal(" UnknownToken"))
		Expect(asks("front")).To(Equal(" NoCredentials"))
		Expect(asks("door/c")).To(Equal("nobody"), "there is no such instance")
		Expect(asks("door/d")).To(Equal("nobody"), "there is no such gate")
		Expect(s.Running().Missing).To(BeEmpty())
		less := *w.who
		less.Doors = nil
		less.Number++
		Expect(s.Update(nil, nil, &less)).To(Succeed())
		Eventually(func() string { return asks("door/a") }).Should(Equal("nobody"))
		Expect(asks("front")).To(Equal(" NoCredentials"))
	})

	It("have a name for those who bring nothing, where the gate takes them", func() {
		m := newModel(answers)
		w := newWorld(m.address(), func(w *world) {
			w.gate().Anonymous = true
			w.gate().Rules = append(w.gate().Rules, proxy.RuleConfig{Name: "all", Priority: 2, Names: []string{"system/anonymous"}, Action: "Allow"})
		})
		req := w.request("POST", chatPath, chat)
		req.Header.Del("Authorization")
		Expect(w.do(req).StatusCode).To(Equal(200))
		Expect(w.askAs("wrong", chat).reason()).To(Equal("UnknownToken"), "wrong credentials are never nobody's")
	})
})

var _ = Describe("A server", func() {
	It("has requests finish under the view that they began with", func() {
		m, more := streaming()
		w := newWorld(m.address(), nil)
		_, r := w.open(m, "coder-token")
		next := *w.config
		next.Number, next.Gates = 2, []proxy.GateConfig{next.Gates[0]}
		next.Gates[0].Rules = nil
		Expect(w.server.Update(&next, nil, nil)).To(Succeed())
		Expect(w.ask(chat).reason()).To(Equal("NoRule"))
		more <- `{"choices":[{"x":1}]}`
		_, _ = r.ReadString('\n')
		Expect(r.ReadString('\n')).To(ContainSubstring(`"x":1`))
		Expect(w.server.Running().Config).To(Equal(int64(2)))
	})

	DescribeTable("keeps what it has when the new does not compile, and says why",
		func(change func(*proxy.Config), why string) {
			m := newModel(answers)
			w := newWorld(m.address(), nil)
			next := *w.config
			next.Number, next.Gates = 2, []proxy.GateConfig{next.Gates[0]}
			g := &next.Gates[0]
			g.Rules = append([]proxy.RuleConfig{}, g.Rules...)
			g.Routes = append([]proxy.RouteConfig{}, g.Routes...)
			change(&next)
			Expect(w.server.Update(&next, &proxy.Endpoints{Number: 2}, nil)).To(MatchError(ContainSubstring(why)))
			running := w.server.Running()
			Expect(running.Config).To(Equal(int64(1)))
			Expect(running.Endpoints).To(Equal(int64(1)), "all or nothing")
			Expect(running.Error).To(ContainSubstring(why))
			Expect(w.ask(chat).StatusCode).To(Equal(200))
		},
		Entry("a condition", func(c *proxy.Config) { c.Gates[0].Rules[0].When = "llm.modle == 'x'" }, `the condition of rule "agents-may-chat" (gate.yaml:88)`),
		Entry("an action", func(c *proxy.Config) { c.Gates[0].Rules[0].Action = "Maybe" }, `rule "agents-may-chat" (gate.yaml:88) must either`),
		Entry("a protocol", func(c *proxy.Config) { c.Gates[0].Routes[0].Protocol = "Gopher" }, `route "chat"`),
		Entry("a locality", func(c *proxy.Config) { c.Gates[0].Routes[0].Locality = "" }, `no locality ""`),
		Entry("two routes with a model", func(c *proxy.Config) {
			r := c.Gates[0].Routes[0]
			r.Name = "b"
			c.Gates[0].Routes = append(c.Gates[0].Routes, r)
		}, `model "house-chat" is that of route "chat"`),
		Entry("two gates of a name", func(c *proxy.Config) { c.Gates = append(c.Gates, c.Gates[0]) }, "there twice"),
		Entry("a backend", func(c *proxy.Config) {
			c.Gates[0].Routes[0].Backends = []proxy.BackendConfig{{Name: "x", URL: "ftp://user:secret@x"}}
		}, `backend "x"`),
	)

	It("refuses an identity whose hash is none, and names the token by its id", func() {
		w := newWorld("", nil)
		Expect(w.server.Update(nil, nil, &proxy.Identities{Tokens: []proxy.TokenEntry{{ID: "t9", SHA256: "abc"}}})).To(MatchError(ContainSubstring(`token "t9"`)))
		Expect(w.server.Running().Identities).To(Equal(int64(1)))
	})

	It("says which sockets it misses, and serves when they come", func() {
		w := newWorld("", func(w *world) {
			g := w.config.Gates[0]
			g.Name, g.Listener = "back", "back"
			w.config.Gates = append(w.config.Gates, g)
		})
		Eventually(func() []string { return w.server.Running().Missing }).Should(Equal([]string{"back"}))
		l, err := net.Listen("tcp", "127.0.0.1:0")
		Expect(err).NotTo(HaveOccurred())
		Expect(w.server.Listen("back", l)).To(Succeed())
		Expect(w.server.Running().Missing).To(BeEmpty())
		w.addr = l.Addr().String()
		Expect(w.do(w.request("GET", "/v1/models", "")).StatusCode).To(Equal(200))
		Expect(w.server.Update(&proxy.Config{Number: 2, Gates: w.config.Gates[:1]}, nil, nil)).To(Succeed())
		_, err = net.Dial("tcp", w.addr)
		Expect(err).To(HaveOccurred(), "a gate that is gone listens no more")
	})

	It("drains without ending a connection by itself", func() {
		m, more := streaming()
		w := newWorld(m.address(), nil)
		idle := dial(w.addr)
		Expect(idle.ask("GET", "/v1/models").Close).To(BeFalse())
		_, stream := w.open(m, "coder-token")
		w.server.Drain()
		_, err := net.Dial("tcp", w.addr)
		Expect(err).To(HaveOccurred())
		Expect(w.server.Running().Draining).To(BeTrue())
		more <- `{"choices":[{"x":1}]}`
		_, _ = stream.ReadString('\n')
		Expect(stream.ReadString('\n')).To(ContainSubstring(`"x":1`))
		resp := idle.ask("GET", "/v1/models")
		Expect(resp.StatusCode).To(Equal(200), "one more request on a connection that idled")
		Expect(resp.Close).To(BeTrue())
		Expect(w.served).NotTo(Receive())
		w.client.CloseIdleConnections()
		m.CloseClientConnections()
		_, _ = io.ReadAll(stream)
		var end error
		Eventually(w.served).Should(Receive(&end))
		Expect(end).NotTo(HaveOccurred())
		w.served <- nil // for the clean-up
	})

	It("answers 503 to more requests than it takes at once", func() {
		m := hanging()
		w := newWorld(m.address(), func(w *world) { w.gate().MaxConcurrent = 2 })
		ctx, cancel := context.WithCancel(context.Background())
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() {
				req := w.request("POST", chatPath, chat).WithContext(ctx)
				if resp, err := w.client.Do(req); err == nil {
					_ = resp.Body.Close()
				}
			})
		}
		Eventually(m.calls).Should(Equal(2))
		r := w.ask(chat)
		Expect(r.StatusCode).To(Equal(503))
		Expect(r.reason()).To(Equal("Busy"))
		Expect(r.Header.Get("Retry-After")).To(Equal("1"))
		cancel()
		all.Wait()
	})

	It("has metrics that name no token and no model, and who is known by a token's principal alone", func() {
		m := newModel(answers)
		w := newWorld(m.address(), nil)
		w.ask(chat)
		w.ask(`{"model":"secret-name"}`)
		families, err := w.server.Registry().Gather()
		Expect(err).NotTo(HaveOccurred())
		text := fmt.Sprint(families)
		Expect(text).To(And(ContainSubstring("mirrorgate_requests_total"), ContainSubstring("gen_ai_client_token_usage_total"), ContainSubstring("NoModel"),
			ContainSubstring("mirrorgate_stage_duration_seconds")))
		Expect(text).NotTo(Or(ContainSubstring("secret-name"), ContainSubstring("coder-token"), ContainSubstring("house-chat")))
		Expect(text).To(MatchRegexp(`value:"input"}\s+label:{name:"principal"\s+value:"coder"}\s+label:{name:"route"\s+value:"chat"}\s+counter:{value:11`))
	})
})

// line is one connection to a gate.
type line struct {
	net.Conn
	r *bufio.Reader
}

func dial(addr string) *line {
	GinkgoHelper()
	c, err := net.Dial("tcp", addr)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(c.Close)
	return &line{c, bufio.NewReader(c)}
}

func (l *line) ask(method, path string) *http.Response {
	GinkgoHelper()
	_, err := fmt.Fprintf(l, "%s %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer coder-token\r\n\r\n", method, path)
	Expect(err).NotTo(HaveOccurred())
	resp, err := http.ReadResponse(l.r, nil)
	Expect(err).NotTo(HaveOccurred())
	_, err = io.ReadAll(resp.Body)
	Expect(err).NotTo(HaveOccurred())
	return resp
}
