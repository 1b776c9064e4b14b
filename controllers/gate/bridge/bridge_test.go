package bridge_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	"github.com/onsi/gomega/gleak"

	"mirroros.dev/mirroros/controllers/gate/bridge"
)

// The test binary is the stdio server too.
func TestMain(m *testing.M) {
	switch os.Getenv("BRIDGE_TEST_SERVER") {
	case "official":
		official()
	case "legacy":
		legacy()
	default:
		os.Exit(m.Run())
	}
}

func TestBridge(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(10 * time.Second)
	cfg, rep := GinkgoConfiguration()
	cfg.RandomizeAllSpecs = true
	RunSpecs(t, "bridge", cfg, rep)
}

var _ = BeforeEach(func() {
	before := gleak.Goroutines()
	DeferCleanup(func() {
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		Eventually(gleak.Goroutines).ShouldNot(gleak.HaveLeaked(before))
	})
})

type say struct {
	Text string `json:"text"`
}

// official is a server made with the official SDK.
func official() {
	s := mcp.NewServer(&mcp.Implementation{Name: "official", Version: "1"}, nil)
	mcp.AddTool(s, &mcp.Tool{Name: "echo"}, func(ctx context.Context, r *mcp.CallToolRequest, in say) (*mcp.CallToolResult, any, error) {
		if token := r.Params.GetProgressToken(); token != nil {
			r.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: token, Progress: 1})
		}
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: in.Text}}}, nil, nil
	})
	mcp.AddTool(s, &mcp.Tool{Name: "pid"}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: fmt.Sprint(os.Getpid())}}}, nil, nil
	})
	mcp.AddTool(s, &mcp.Tool{Name: "die"}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
		fmt.Fprintln(os.Stderr, "dying as told")
		os.Exit(3)
		return nil, nil, nil
	})
	if err := s.Run(context.Background(), &mcp.StdioTransport{}); err != nil {
		os.Exit(1)
	}
}

// legacy is a server of the era of sessions, written by hand: what it is asked it answers in its own order.
func legacy() {
	in := bufio.NewScanner(os.Stdin)
	var held string
	for in.Scan() {
		line := in.Text()
		_, rest, _ := strings.Cut(line, `"id":`)
		id, _, _ := strings.Cut(rest, ",")
		switch {
		case strings.Contains(line, `"initialize"`):
			fmt.Printf(`{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"2025-06-18","capabilities":{},"serverInfo":{"name":"l","version":"1"}}}`+"\n", id)
		case strings.Contains(line, `"hold"`):
			held = id
			fmt.Println(`{"jsonrpc":"2.0","method":"notifications/held"}`)
		case strings.Contains(line, `"ping"`):
			fmt.Printf(`{"jsonrpc":"2.0","id":%s,"result":{}}`+"\n", id)
		case strings.Contains(line, `"release"`):
			fmt.Printf("no message\n"+`{"jsonrpc":"2.0","id":%s,"result":{"held":true}}`+"\n"+`{"jsonrpc":"2.0","id":%s,"result":{"held":false}}`+"\n", held, id)
		case strings.Contains(line, `"notifications/cancelled"`):
			fmt.Printf(`{"jsonrpc":"2.0","id":%s,"error":{"code":-1,"message":%q}}`+"\n", held, line)
		case id != "":
			fmt.Printf(`{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no"}}`+"\n", id)
		}
	}
}

// run has the bridge run with a server of that kind, and gives its URL and stderr.
func run(kind string, flags ...string) (url string, stderr *gbytes.Buffer) {
	GinkgoHelper()
	ctx, cancel := context.WithCancel(context.Background())
	out, in := io.Pipe()
	stderr = gbytes.NewBuffer()
	code := make(chan int, 1)
	args := append(append([]string{"--listen", "127.0.0.1:0"}, flags...), "--", "/usr/bin/env", "BRIDGE_TEST_SERVER="+kind, os.Args[0])
	go func() { code <- bridge.Run(ctx, args, nil, in, stderr) }()
	line, err := bufio.NewReader(out).ReadString('\n')
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() {
		cancel()
		Eventually(code).Should(Receive(BeZero()))
	})
	return strings.TrimSpace(line), stderr
}

func connect(url string, o *mcp.ClientOptions) *mcp.ClientSession {
	GinkgoHelper()
	s, err := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, o).Connect(context.Background(), &mcp.StreamableClientTransport{Endpoint: url}, nil)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { _ = s.Close() })
	return s
}

func text(s *mcp.ClientSession, tool string, args any) (string, error) {
	r, err := s.CallTool(context.Background(), &mcp.CallToolParams{Name: tool, Arguments: args})
	if err != nil {
		return "", err
	}
	return r.Content[0].(*mcp.TextContent).Text, nil
}

// post sends a message by hand.
func post(url, session, body string) (int, string, http.Header) {
	GinkgoHelper()
	r, _ := http.NewRequest("POST", url, strings.NewReader(body))
	r.Header = http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"}}
	if session != "" {
		r.Header.Set("Mcp-Session-Id", session)
	}
	resp, err := http.DefaultClient.Do(r)
	Expect(err).NotTo(HaveOccurred())
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	Expect(err).NotTo(HaveOccurred())
	return resp.StatusCode, string(b), resp.Header
}

const initialize = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`

var _ = Describe("The bridge", func() {
	It("serves the official client, whatever era they agree on", func() {
		url, _ := run("official")
		progress := make(chan struct{}, 10)
		s := connect(url, &mcp.ClientOptions{ProgressNotificationHandler: func(context.Context, *mcp.ProgressNotificationClientRequest) { progress <- struct{}{} }})
		tools, err := s.ListTools(context.Background(), nil)
		Expect(err).NotTo(HaveOccurred())
		Expect(tools.Tools).To(HaveLen(3))
		Expect(text(s, "echo", say{"hello\nworld"})).To(Equal("hello\nworld"))
		p := &mcp.CallToolParams{Name: "echo", Arguments: say{"x"}}
		p.SetProgressToken("tok")
		_, err = s.CallTool(context.Background(), p)
		Expect(err).NotTo(HaveOccurred())
		Eventually(progress).Should(Receive())
		_, err = text(s, "nothing", nil)
		Expect(err).To(MatchError(ContainSubstring("unknown tool")))
	})

	It("gives each session a child of its own, and ends it with the session", func() {
		url, _ := run("legacy", "--max-sessions", "2")
		ids := map[string]bool{}
		for range 2 {
			status, _, h := post(url, "", initialize)
			Expect(status).To(Equal(200))
			ids[h.Get("Mcp-Session-Id")] = true
		}
		Expect(ids).To(HaveLen(2))
		status, _, _ := post(url, "", initialize)
		Expect(status).To(Equal(503))
		for id := range ids {
			r, _ := http.NewRequest("DELETE", url, nil)
			r.Header.Set("Mcp-Session-Id", id)
			resp, err := http.DefaultClient.Do(r)
			Expect(err).NotTo(HaveOccurred())
			resp.Body.Close()
			Expect(resp.StatusCode).To(Equal(204))
			status, _, _ = post(url, id, `{"jsonrpc":"2.0","id":1,"method":"ping"}`)
			Expect(status).To(Equal(404))
		}
		status, _, _ = post(url, "", initialize)
		Expect(status).To(Equal(200))
	})

	It("matches answers by id, also of equal ids, and passes on what is no answer", func() {
		url, stderr := run("legacy")
		_, _, h := post(url, "", initialize)
		id := h.Get("Mcp-Session-Id")
		held := make(chan string, 1)
		go func() {
			defer GinkgoRecover()
			_, body, _ := post(url, id, "{\"jsonrpc\":\"2.0\",\n\"id\":\"same\",\"method\":\"hold\"}")
			held <- body
		}()
		got := ""
		Eventually(func(g Gomega) { // until the first has come to the child
			_, body, _ := post(url, id, `{"jsonrpc":"2.0","id":"same","method":"release"}`)
			g.Expect(body).To(ContainSubstring(`{"jsonrpc":"2.0","id":"same","result":{"held":false}}`))
			select {
			case got = <-held:
			default:
			}
			g.Expect(got).To(ContainSubstring(`{"jsonrpc":"2.0","id":"same","result":{"held":true}}`))
		}).Should(Succeed())
		Eventually(stderr).Should(gbytes.Say("no message"))
	})

	It("tells the child its own id of a request that is cancelled", func() {
		url, _ := run("legacy")
		_, _, h := post(url, "", initialize)
		id := h.Get("Mcp-Session-Id")
		held := make(chan string, 1)
		go func() {
			defer GinkgoRecover()
			_, body, _ := post(url, id, `{"jsonrpc":"2.0","id":77,"method":"hold"}`)
			held <- body
		}()
		Eventually(func() string {
			post(url, id, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":77}}`)
			select {
			case body := <-held:
				return body
			default:
				return ""
			}
		}).Should(And(ContainSubstring(`"id":77,"error"`), ContainSubstring(`\"requestId\":2`)))
	})

	It("ends the session of a child that dies, with an error", func() {
		url, stderr := run("official")
		_, _, h := post(url, "", initialize)
		id := h.Get("Mcp-Session-Id")
		post(url, id, `{"jsonrpc":"2.0","method":"notifications/initialized"}`)
		status, body, _ := post(url, id, `{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"die","arguments":{}}}`)
		Expect(status).To(Equal(200))
		Expect(body).To(And(ContainSubstring(`"id":5,"error"`), ContainSubstring("exit status 3")))
		Eventually(func() int { status, _, _ := post(url, id, `{"jsonrpc":"2.0","id":6,"method":"ping"}`); return status }).Should(Equal(404))
		Eventually(stderr).Should(gbytes.Say("dying as told"))
	})

	It("ends a session that nobody uses", func() {
		url, _ := run("legacy", "--session-idle", "50ms")
		_, _, h := post(url, "", initialize)
		id := h.Get("Mcp-Session-Id")
		r, _ := http.NewRequest("GET", url, nil)
		r.Header.Set("Mcp-Session-Id", id)
		Eventually(func() int {
			resp, err := http.DefaultClient.Do(r)
			Expect(err).NotTo(HaveOccurred())
			defer resp.Body.Close()
			if resp.StatusCode == 200 { // the stream keeps it, so leave it
				return 200
			}
			return resp.StatusCode
		}, "5s", "200ms").Should(Equal(404))
	})

	It("sends modern requests back to the beginning of a session when the server knows no better", func() {
		url, _ := run("legacy")
		r, _ := http.NewRequest("POST", url, strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}`))
		r.Header = http.Header{"Mcp-Protocol-Version": {"2026-07-28"}, "Mcp-Method": {"tools/list"}}
		resp, err := http.DefaultClient.Do(r)
		Expect(err).NotTo(HaveOccurred())
		defer resp.Body.Close()
		Expect(resp.StatusCode).To(Equal(400))
		Expect(resp.Header.Get("Content-Type")).To(HavePrefix("text/plain"))
	})

	It("refuses what a web page sends", func() {
		url, _ := run("legacy")
		for name, value := range map[string]string{"Origin": "https://evil.test", "Host": "evil.test"} {
			r, _ := http.NewRequest("POST", url, strings.NewReader(initialize))
			if name == "Host" {
				r.Host = value
			} else {
				r.Header.Set(name, value)
			}
			resp, err := http.DefaultClient.Do(r)
			Expect(err).NotTo(HaveOccurred())
			resp.Body.Close()
			Expect(resp.StatusCode).To(Equal(403))
		}
	})

	DescribeTable("refuses to begin", func(code int, args ...string) {
		Expect(bridge.Run(context.Background(), args, nil, io.Discard, GinkgoWriter)).To(Equal(code))
	},
		Entry("without a command", 2, "--listen", "127.0.0.1:0"),
		Entry("without an address", 2, "--", "true"),
		Entry("where others could reach it", 2, "--listen", "0.0.0.0:0", "--", "true"),
		Entry("with a flag that there is not", 2, "--x"),
	)

	It("answers 503 when the command cannot be started", func() {
		ctx, cancel := context.WithCancel(context.Background())
		out, in := io.Pipe()
		code := make(chan int, 1)
		go func() {
			code <- bridge.Run(ctx, []string{"--listen", "127.0.0.1:0", "--", "/nonexistent"}, nil, in, GinkgoWriter)
		}()
		line, err := bufio.NewReader(out).ReadString('\n')
		Expect(err).NotTo(HaveOccurred())
		status, body, _ := post(strings.TrimSpace(line), "", initialize)
		Expect(status).To(Equal(503))
		Expect(body).To(ContainSubstring("cannot start"))
		cancel()
		Eventually(code).Should(Receive(BeZero()))
	})
})
