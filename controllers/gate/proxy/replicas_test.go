package proxy_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/gate/proxy"
)

// replica is one of several MCP servers behind a route. It counts the requests of each method of HTTP, and its tool tells its name.
type replica struct {
	*httptest.Server
	posts, gets, deletes atomic.Int64
	// open is told when the stream of a client is open; what comes of hold holds a call up.
	open chan struct{}
	hold chan struct{}
}

func newReplica(name string) *replica {
	r := &replica{open: make(chan struct{}, 10), hold: make(chan struct{}, 10)}
	s := mcp.NewServer(&mcp.Implementation{Name: name, Version: "1"}, nil)
	mcp.AddTool(s, &mcp.Tool{Name: "who"}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: name}}}, nil, nil
	})
	mcp.AddTool(s, &mcp.Tool{Name: "slow"}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
		r.open <- struct{}{}
		<-r.hold
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: name}}}, nil, nil
	})
	inner := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s }, nil)
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch req.Method {
		case http.MethodGet:
			r.gets.Add(1)
		case http.MethodPost:
			r.posts.Add(1)
		default:
			r.deletes.Add(1)
		}
		inner.ServeHTTP(w, req)
	}))
	DeferCleanup(func() {
		for session := range s.Sessions() { // of clients that were told that it is gone
			_ = session.Close()
		}
		r.CloseClientConnections()
		r.Close()
	})
	return r
}

func (r *replica) at() string { return r.Listener.Addr().String() }

// client asks with a token.
func client(token string) *http.Client { return &http.Client{Transport: bearer{token}} }

var _ = Describe("several replicas of an MCP server", func() {
	everything := proxy.RuleConfig{Name: "all", All: true, Action: "Allow"}
	gate := func(replicas ...*replica) *world {
		w := newWorld(replicas[0].at(), func(w *world) {
			route(proxy.RouteConfig{Protocol: proxy.MCP, Path: "/mcp"}, everything)(w)
		})
		ready(w, 2, replicas...)
		return w
	}
	connect := func(ctx context.Context, w *world) *mcp.ClientSession {
		GinkgoHelper()
		s, err := mcp.NewClient(&mcp.Implementation{Name: "c", Version: "1"}, nil).Connect(ctx, &mcp.StreamableClientTransport{
			Endpoint: "http://" + w.addr + "/mcp", HTTPClient: client("coder-token")}, nil)
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func() { _ = s.Close() })
		return s
	}
	who := func(ctx context.Context, s *mcp.ClientSession) (string, error) {
		a, err := s.CallTool(ctx, &mcp.CallToolParams{Name: "who"})
		if err != nil {
			return "", err
		}
		return a.Content[0].(*mcp.TextContent).Text, nil
	}

	It("have each session to themselves, with its stream and its end", func(ctx SpecContext) {
		a, b := newReplica("a"), newReplica("b")
		w := gate(a, b)
		seen := map[string]int{}
		var sessions []*mcp.ClientSession
		for range 12 { // which one begins a session is chance
			s := connect(ctx, w)
			sessions = append(sessions, s)
			first, err := who(ctx, s)
			Expect(err).NotTo(HaveOccurred())
			for range 4 {
				Expect(who(ctx, s)).To(Equal(first))
			}
			seen[first]++
		}
		Expect(seen).To(HaveLen(2), "both serve sessions")
		Eventually(func() int64 { return a.gets.Load() + b.gets.Load() }).Should(Equal(int64(12)))
		Expect(a.gets.Load()).To(Equal(int64(seen["a"])))
		for _, s := range sessions {
			Expect(s.Close()).To(Succeed())
		}
		Expect([]int64{a.deletes.Load(), b.deletes.Load()}).To(Equal([]int64{int64(seen["a"]), int64(seen["b"])}))
	}, SpecTimeout(20e9))

	It("have their sessions unknown when they are gone, and a client begins anew with another", func(ctx SpecContext) {
		a, b := newReplica("a"), newReplica("b")
		w := gate(a, b)
		s := connect(ctx, w)
		first, err := who(ctx, s)
		Expect(err).NotTo(HaveOccurred())
		other := map[string]*replica{"a": b, "b": a}[first]
		id, before := s.ID(), other.posts.Load()
		ready(w, 3, other)
		for _, method := range []string{"POST", "GET", "DELETE"} {
			body := ""
			if method == "POST" {
				body = `{"jsonrpc":"2.0","id":9,"method":"tools/list"}`
			}
			r := w.request(method, "/mcp", body)
			r.Header.Set("Accept", "application/json, text/event-stream")
			r.Header.Set("Mcp-Session-Id", id)
			got := w.do(r)
			Expect(got.StatusCode).To(Equal(404), method)
			Expect(got.reason()).To(Equal("UnknownSession"))
		}
		Expect(other.posts.Load()).To(Equal(before), "the other one hears nothing of it")
		_, err = who(ctx, s)
		Expect(err).To(MatchError(ContainSubstring("session not found")))
		again := connect(ctx, w)
		Expect(who(ctx, again)).NotTo(Equal(first))
		ready(w, 4) // nobody is ready, which says nothing of sessions
		r := w.request("POST", "/mcp", `{"jsonrpc":"2.0","id":9,"method":"tools/list"}`)
		r.Header.Set("Mcp-Session-Id", again.ID())
		Expect(w.do(r).reason()).To(Equal("BackendNotReady"))
		ready(w, 5, other)
		Expect(who(ctx, again)).NotTo(Equal(first))
	}, SpecTimeout(20e9))

	It("let calls end when they are drained, and then the streams", func(ctx SpecContext) {
		a, b := newReplica("a"), newReplica("b")
		w := gate(a)
		s := connect(ctx, w)
		answered := make(chan error, 1)
		go func() {
			_, err := s.CallTool(ctx, &mcp.CallToolParams{Name: "slow"})
			answered <- err
		}()
		Eventually(a.open).Should(Receive())
		connect(ctx, w)
		Eventually(a.gets.Load).Should(Equal(int64(2)), "the streams of both clients")
		ready(w, 3, b)
		Expect(w.server.Running().Leaving).To(ConsistOf(a.at()), "the call")
		a.hold <- struct{}{}
		Eventually(answered).Should(Receive(BeNil()))
		Eventually(func() []string { return w.server.Running().Leaving }).Should(BeEmpty())
		Eventually(func() (out []string) {
			for _, r := range w.book.all() {
				if r.Reason == "BackendLeft" {
					out = append(out, r.Kind+" "+r.Operation+r.Decision)
				}
			}
			return out
		}).Should(Equal([]string{"outcome Allowed", "outcome Allowed"}))
	}, SpecTimeout(20e9))

	It("end a stream so that its client sees an end and no fault", func(ctx SpecContext) {
		a, b := newReplica("a"), newReplica("b")
		w := gate(a)
		raw := newModel(func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(rw, "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\"}\n\n")
			rw.(http.Flusher).Flush()
			<-r.Context().Done()
		})
		Expect(w.server.Update(nil, &proxy.Endpoints{Number: 3, Ready: map[string][]string{"demo:http": {raw.address()}}}, nil)).To(Succeed())
		req := w.request("GET", "/mcp", "")
		req.Header.Set("Accept", "text/event-stream")
		resp, err := w.client.Do(req.WithContext(ctx))
		Expect(err).NotTo(HaveOccurred())
		defer resp.Body.Close()
		rd := bufio.NewReader(resp.Body)
		line, err := rd.ReadString('\n')
		Expect(err).NotTo(HaveOccurred())
		Expect(line).To(ContainSubstring("notifications/message"))
		ready(w, 4, b)
		rest, err := io.ReadAll(rd)
		Expect(err).NotTo(HaveOccurred(), "it ends as streams end")
		Expect(strings.TrimSpace(string(rest))).To(BeEmpty())
	}, SpecTimeout(20e9))
})

// ready has replicas behind a gate.
func ready(w *world, number int64, replicas ...*replica) {
	GinkgoHelper()
	var at []string
	for _, r := range replicas {
		at = append(at, r.at())
	}
	Expect(w.server.Update(nil, &proxy.Endpoints{Number: number, Ready: map[string][]string{"demo:http": at}}, nil)).To(Succeed())
}

var _ = Describe("an upgraded connection", func() {
	It("is not waited for when its instance is drained, and goes on until that closes it", func(ctx SpecContext) {
		m := newModel(func(rw http.ResponseWriter, r *http.Request) {
			c, b, err := rw.(http.Hijacker).Hijack()
			if err != nil {
				return
			}
			defer c.Close()
			_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
			for {
				line, err := b.ReadString('\n')
				if err != nil || line == "bye\n" {
					_, _ = io.WriteString(c, "bye\n")
					return
				}
				_, _ = io.WriteString(c, line)
			}
		})
		w := newWorld(m.address(), route(proxy.RouteConfig{Protocol: proxy.HTTP, Path: "/up"}, proxy.RuleConfig{Name: "all", All: true, Action: "Allow"}))
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", w.addr)
		Expect(err).NotTo(HaveOccurred())
		defer c.Close()
		_, err = io.WriteString(c, "GET /up HTTP/1.1\r\nHost: "+w.addr+"\r\nAuthorization: Bearer coder-token\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		Expect(err).NotTo(HaveOccurred())
		rd := bufio.NewReader(c)
		until := func(want string) {
			GinkgoHelper()
			for {
				line, err := rd.ReadString('\n')
				GinkgoWriter.Printf("%q\n", line)
				Expect(err).NotTo(HaveOccurred())
				if line == want {
					return
				}
			}
		}
		until("\r\n")
		_, err = io.WriteString(c, "hello\n")
		Expect(err).NotTo(HaveOccurred())
		until("hello\n")
		Expect(w.server.Update(nil, &proxy.Endpoints{Number: 2, Ready: map[string][]string{"demo:http": {newModel(answers).address()}}}, nil)).To(Succeed())
		Expect(w.server.Running().Leaving).To(BeEmpty())
		_, err = io.WriteString(c, "still here\nbye\n")
		Expect(err).NotTo(HaveOccurred())
		until("still here\n")
		until("bye\n")
		_, err = rd.ReadByte()
		Expect(err).To(Equal(io.EOF), "as the instance closes it")
	}, SpecTimeout(20e9))
})
