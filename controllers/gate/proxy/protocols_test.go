package proxy_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/gate/proxy"
	"mirroros.dev/mirroros/reconcile/audit"
)

// route makes the gate's one route another.
func route(r proxy.RouteConfig, rules ...proxy.RuleConfig) func(*world) {
	return func(w *world) {
		r.Name, r.Locality = "r", proxy.LocalFirst
		if r.Backends == nil && r.Protocol != proxy.CONNECT {
			r.Backends = []proxy.BackendConfig{{Name: "process/demo", Endpoints: "demo:http", Weight: 1, Path: "/inner"}}
		}
		w.gate().Routes, w.gate().Rules = []proxy.RouteConfig{r}, rules
	}
}

var everybody = proxy.RuleConfig{Name: "all", All: true, Action: "Allow"}

var _ = Describe("a route of HTTP", func() {
	plain := func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "s", Value: "1"})
		fmt.Fprintf(w, "%s %s", r.Method, r.URL.RequestURI())
	}

	It("goes to the backend's path, with cookies and without the caller's credentials", func() {
		m := newModel(plain)
		w := newWorld(m.address(), route(proxy.RouteConfig{Protocol: proxy.HTTP, Path: "/app"}, everybody))
		r := w.do(w.request("GET", "/app/x%20y?q=1", ""))
		Expect(r.StatusCode).To(Equal(200))
		Expect(r.body).To(Equal("GET /inner/x%20y?q=1"))
		Expect(r.Header.Get("Set-Cookie")).To(Equal("s=1"))
		_, head, _ := m.last()
		Expect(head).NotTo(HaveKey("Authorization"))
		Expect(w.records(r.id(), 2)[1].Decision).To(Equal(audit.Allowed))
	})

	It("passes a large body on as it comes, and refuses one that is too large", func() {
		m := newModel(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "ok") })
		w := newWorld(m.address(), route(proxy.RouteConfig{Protocol: proxy.HTTP, Path: "/app"}, everybody))
		Expect(w.do(w.request("POST", "/app", strings.Repeat("x", 60<<10))).StatusCode).To(Equal(200))
		body, _, _ := m.last()
		Expect(body).To(HaveLen(60 << 10))
		Expect(w.do(w.request("POST", "/app", strings.Repeat("x", 70<<10))).reason()).To(Equal("BodyTooLarge"))
	})

	It("is decided by rules", func() {
		m := newModel(plain)
		w := newWorld(m.address(), route(proxy.RouteConfig{Protocol: proxy.HTTP, Path: "/app"},
			proxy.RuleConfig{Name: "reads", All: true, Action: "Allow", When: `request.method == "GET"`}))
		Expect(w.do(w.request("GET", "/app", "")).StatusCode).To(Equal(200))
		Expect(w.do(w.request("POST", "/app", "x")).reason()).To(Equal("NoRule"))
		Expect(w.do(w.request("GET", "/other", "")).reason()).To(Equal("NoRoute"))
		Expect(m.calls()).To(Equal(1))
	})

	It("joins client and backend after an upgrade, until the caller is revoked", func() {
		m := newModel(func(w http.ResponseWriter, _ *http.Request) {
			c, rw, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			defer c.Close()
			_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
			_, _ = io.Copy(c, rw)
		})
		w := newWorld(m.address(), route(proxy.RouteConfig{Protocol: proxy.HTTP, Path: "/app"}, everybody))
		c, err := net.Dial("tcp", w.addr)
		Expect(err).NotTo(HaveOccurred())
		defer c.Close()
		fmt.Fprintf(c, "GET /app HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer coder-token\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n", w.addr)
		rd := bufio.NewReader(c)
		resp, err := http.ReadResponse(rd, nil)
		Expect(err).NotTo(HaveOccurred())
		Expect(resp.StatusCode).To(Equal(101))
		fmt.Fprint(c, "hello\n")
		Expect(rd.ReadString('\n')).To(Equal("hello\n"))
		gone := *w.who
		gone.Number, gone.Tokens = 2, nil
		Expect(w.server.Update(nil, nil, &gone)).To(Succeed())
		_, err = rd.ReadString('\n')
		Expect(err).To(HaveOccurred())
	})
})

// toolServer is an MCP server with two tools, a resource and a prompt.
func toolServer() *httptest.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "t", Version: "1"}, nil)
	say := func(text string) mcp.ToolHandlerFor[struct{}, any] {
		return func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
			return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}, nil, nil
		}
	}
	mcp.AddTool(s, &mcp.Tool{Name: "read", Description: "d"}, say("read"))
	mcp.AddTool(s, &mcp.Tool{Name: "write", Description: "d"}, say("written"))
	s.AddPrompt(&mcp.Prompt{Name: "hidden"}, func(context.Context, *mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
		return &mcp.GetPromptResult{}, nil
	})
	srv := httptest.NewServer(http.StripPrefix("/inner", mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s }, nil)))
	DeferCleanup(func() { srv.CloseClientConnections(); srv.Close() })
	return srv
}

type bearer struct{ token string }

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return http.DefaultTransport.RoundTrip(r)
}

var _ = Describe("a route of MCP", func() {
	reads := proxy.RuleConfig{Name: "reads", All: true, Action: "Allow", MCP: true, Tools: []string{"read"}}

	It("shows and lets call what rules allow; the rest looks unknown", func(ctx SpecContext) {
		s := toolServer()
		w := newWorld(s.Listener.Addr().String(), route(proxy.RouteConfig{Protocol: proxy.MCP, Path: "/mcp"}, reads))
		session, err := mcp.NewClient(&mcp.Implementation{Name: "c", Version: "1"}, nil).Connect(ctx, &mcp.StreamableClientTransport{
			Endpoint: "http://" + w.addr + "/mcp", HTTPClient: &http.Client{Transport: bearer{"coder-token"}}, MaxRetries: -1}, nil)
		Expect(err).NotTo(HaveOccurred())
		defer session.Close()
		list, err := session.ListTools(ctx, nil)
		Expect(err).NotTo(HaveOccurred())
		Expect(list.Tools).To(HaveLen(1))
		Expect(list.Tools[0].Name).To(Equal("read"))
		prompts, err := session.ListPrompts(ctx, nil)
		Expect(err).NotTo(HaveOccurred())
		Expect(prompts.Prompts).To(BeEmpty())
		answer, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "read"})
		Expect(err).NotTo(HaveOccurred())
		Expect(answer.Content[0].(*mcp.TextContent).Text).To(Equal("read"))
		_, err = session.CallTool(ctx, &mcp.CallToolParams{Name: "write"})
		Expect(err).To(MatchError(ContainSubstring("Unknown tool: write")))
		_, err = session.CallTool(ctx, &mcp.CallToolParams{Name: "no-such-tool"})
		Expect(err).To(MatchError(ContainSubstring("Unknown tool: no-such-tool")))
		Expect(w.book.all()).To(ContainElement(And(HaveField("Decision", audit.Refused), HaveField("Target", "write"), HaveField("Stage", 4))))
	}, SpecTimeout(5e9))

	DescribeTable("refuses what can be read in two ways, as JSON-RPC", func(body, reason string) {
		s := toolServer()
		w := newWorld(s.Listener.Addr().String(), route(proxy.RouteConfig{Protocol: proxy.MCP, Path: "/mcp"}, reads))
		r := w.do(w.request("POST", "/mcp", body))
		Expect(r.Header.Get("X-MirrorGate-Decision")).To(Equal("Refused"))
		Expect(r.reason()).To(Equal(reason))
		Expect(object(r.body)).To(HaveKey("error"))
	},
		Entry("a name twice", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","name":"write"}}`, "BadRequest"),
		Entry("a batch", `[{"jsonrpc":"2.0","id":1,"method":"ping"}]`, "BadRequest"),
		Entry("a method that has no name to judge by", `{"jsonrpc":"2.0","id":1,"method":"tools/erase","params":{}}`, "NoRule"),
	)

	It("decides by the arguments of a call", func() {
		s := toolServer()
		byPath := proxy.RuleConfig{Name: "docs", All: true, Action: "Allow", MCP: true, Tools: []string{"read"}, When: `mcp.arguments.path.startsWith("/docs/")`}
		w := newWorld(s.Listener.Addr().String(), route(proxy.RouteConfig{Protocol: proxy.MCP, Path: "/mcp"}, byPath))
		call := func(arguments string) reply {
			return w.do(w.request("POST", "/mcp", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","arguments":`+arguments+`}}`))
		}
		Expect(call(`{"path":"/etc/passwd"}`).Header.Get("X-MirrorGate-Decision")).To(Equal("Refused"))
		Expect(call(`{}`).Header.Get("X-MirrorGate-Decision")).To(Equal("Refused"))
		Expect(call(`{"path":"/docs/a"}`).Header.Get("X-MirrorGate-Decision")).To(Equal("Allowed"))
	})
})

var _ = Describe("a route of CONNECT", func() {
	// echo answers what it is sent.
	echo := func() string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(l.Close)
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() { defer c.Close(); _, _ = io.Copy(c, c) }()
			}
		}()
		return l.Addr().String()
	}
	connect := func(w *world, to, credentials string) (*http.Response, net.Conn, *bufio.Reader) {
		c, err := net.Dial("tcp", w.addr)
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(c.Close)
		fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n", to, to)
		if credentials != "" {
			fmt.Fprintf(c, "Proxy-Authorization: Basic %s\r\n", base64.StdEncoding.EncodeToString([]byte(credentials)))
		}
		fmt.Fprint(c, "\r\n")
		rd := bufio.NewReader(c)
		resp, err := http.ReadResponse(rd, &http.Request{Method: "CONNECT"})
		Expect(err).NotTo(HaveOccurred())
		return resp, c, rd
	}

	It("opens a tunnel to hosts that the route names, for who may", func() {
		at := echo()
		w := newWorld("", route(proxy.RouteConfig{Protocol: proxy.CONNECT, Hosts: []string{at, "*.example.com:443"}}, everybody))
		resp, c, rd := connect(w, at, "agent:coder-token")
		Expect(resp.StatusCode).To(Equal(200))
		fmt.Fprint(c, "hello\n")
		Expect(rd.ReadString('\n')).To(Equal("hello\n"))
		resp, _, _ = connect(w, at, "")
		Expect(resp.StatusCode).To(Equal(407))
		Expect(resp.Header.Get("Proxy-Authenticate")).To(HavePrefix("Basic"))
		resp, _, _ = connect(w, "127.0.0.1:1", "agent:coder-token")
		Expect(resp.StatusCode).To(Equal(404))
		resp, _, _ = connect(w, "api.example.com:443", "agent:coder-token")
		Expect(resp.Header.Get("X-MirrorGate-Reason")).To(Equal("SealedRoute"), "the route is not remote")
	})

	It("leaves the host only where a rule says so, and never by a name that leads back", func() {
		remote := proxy.RouteConfig{Protocol: proxy.CONNECT, Remote: true, Hosts: []string{"localhost.localdomain:80", "*.example.com:443"}}
		w := newWorld("", route(remote, everybody))
		resp, _, _ := connect(w, "api.example.com:443", "agent:coder-token")
		Expect(resp.Header.Get("X-MirrorGate-Reason")).To(Equal("RemoteNotAllowed"))
	})
})

var _ = Describe("a route of TCP", func() {
	It("takes connections of who may, and records each", func() {
		m := newModel(answers)
		w := newWorld(m.address(), func(w *world) {
			route(proxy.RouteConfig{Protocol: proxy.TCP}, everybody)(w)
			w.gate().Tokens, w.gate().Anonymous = false, true
		})
		resp, err := http.Get("http://" + w.addr + "/x") // whatever it speaks
		Expect(err).NotTo(HaveOccurred())
		resp.Body.Close()
		http.DefaultClient.CloseIdleConnections()
		Expect(resp.StatusCode).To(Equal(200))
		Eventually(w.book.all).Should(ContainElement(And(HaveField("Kind", audit.KindOutcome), HaveField("Principal", "system/anonymous"))))
	})

	It("closes connections of who may not", func() {
		m := newModel(answers)
		w := newWorld(m.address(), route(proxy.RouteConfig{Protocol: proxy.TCP}, everybody))
		_, err := http.Get("http://" + w.addr + "/x")
		Expect(err).To(HaveOccurred())
		Expect(m.calls()).To(BeZero())
		Eventually(w.book.all).Should(ContainElement(And(HaveField("Decision", audit.Refused), HaveField("Reason", "NoCredentials"))))
	})
})

var _ = Describe("a service port", func() {
	It("leads to the ready instances, and follows them", func() {
		a, b := newModel(answers), newModel(answers)
		w := newWorld(a.address(), func(w *world) {
			w.config.Services = []proxy.ServiceConfig{{Name: "demo:http", Listener: "service/demo:http", Protocol: "HTTP", Endpoints: "demo:http"}}
		})
		Eventually(func() []string { return w.server.Running().Missing }).Should(Equal([]string{"service/demo:http"}))
		l, err := net.Listen("tcp", "127.0.0.1:0")
		Expect(err).NotTo(HaveOccurred())
		Expect(w.server.Listen("service/demo:http", l)).To(Succeed())
		Expect(w.server.Running().Missing).To(BeEmpty())
		get := func() int {
			resp, err := w.client.Get("http://" + l.Addr().String() + "/")
			Expect(err).NotTo(HaveOccurred())
			defer resp.Body.Close()
			_, _ = io.Copy(io.Discard, resp.Body)
			return resp.StatusCode
		}
		Expect(get()).To(Equal(200))
		Expect(w.server.Update(nil, &proxy.Endpoints{Number: 2, Ready: map[string][]string{"demo:http": {b.address()}}}, nil)).To(Succeed())
		Expect(get()).To(Equal(200))
		Expect([]int{a.calls(), b.calls()}).To(Equal([]int{1, 1}))
		Expect(w.server.Update(nil, &proxy.Endpoints{Number: 3, Ready: map[string][]string{}}, nil)).To(Succeed())
		Expect(get()).To(Equal(503))
	})
})
