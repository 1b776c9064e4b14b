package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/specs"
)

// withToken adds a token to each request.
type withToken struct {
	token string
	next  http.RoundTripper
}

func (t withToken) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+t.token)
	return t.next.RoundTrip(r)
}

// mcpSession connects the official client, with a token and a version of the protocol.
func mcpSession(ctx context.Context, url, token, version string) (*mcp.ClientSession, error) {
	transport := &http.Transport{}
	DeferCleanup(transport.CloseIdleConnections)
	c := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	s, err := c.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: url, HTTPClient: &http.Client{Transport: withToken{token, transport}},
		MaxRetries: -1}, &mcp.ClientSessionOptions{ProtocolVersion: version})
	if err == nil {
		DeferCleanup(func() { _ = s.Close() }) // its server may have gone before
	}
	return s, err
}

var _ = Describe("the official MCP client", func() {
	DescribeTable("lists and calls what rules allow, and a denied tool looks unknown", func(ctx SpecContext, version string, stateless bool) {
		h := newHost()
		h.write("gate.yaml",
			object("Gate", "front", `listen: {address: "127.0.0.1:0"}`, "durability: Process"),
			object("Process", "tools", fmt.Sprintf("command: [%s/demotools, --listen, \"127.0.0.1:$(PORT)\", --stateless=%t]", bin, stateless),
				"ports: [{name: http}]", "readinessProbe: {httpGet: {path: /health, port: http}, periodSeconds: 1}"),
			object("Route", "tools", "gate: front", "protocol: MCP", "match: {path: /mcp/tools}", "backends: [{process: tools, port: http, path: /mcp}]"),
			object("Principal", "scout", "type: Agent"),
			object("GateRule", "scout-may-look", "routes: [tools]", "principals: {names: [scout]}",
				"mcp: {tools: [clock, weather]}", "action: Allow", "reason: read-only tools"))
		h.start()
		h.ready()
		url := h.serving("front") + "/mcp/tools"
		session, err := mcpSession(ctx, url, h.token("scout"), version)
		Expect(err).NotTo(HaveOccurred())
		Expect(session.InitializeResult().ProtocolVersion).To(Equal(version))
		list, err := session.ListTools(ctx, nil)
		Expect(err).NotTo(HaveOccurred())
		Expect(list.Tools).To(ConsistOf(HaveField("Name", "clock"), HaveField("Name", "weather")))

		answer, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "clock"})
		Expect(err).NotTo(HaveOccurred())
		Expect(answer.IsError).To(BeFalse())
		_, err = session.CallTool(ctx, &mcp.CallToolParams{Name: "wipe"})
		Expect(err).To(HaveOccurred())
		_, unknown := session.CallTool(ctx, &mcp.CallToolParams{Name: "nosuch"})
		Expect(unknown).To(HaveOccurred())
		Expect(strings.ReplaceAll(err.Error(), "wipe", "X")).To(Equal(strings.ReplaceAll(unknown.Error(), "nosuch", "X")), "the same words for both")

		_, err = mcpSession(ctx, url, "mgt_guess", version)
		Expect(err).To(HaveOccurred())
		h.recorded(ConsistOf(And(HaveKeyWithValue("operation", "tools/call"), HaveKeyWithValue("target", "wipe")), HaveKeyWithValue("target", "nosuch")),
			"--kind", "decision", "--decision", "Refused", "--principal", "scout")
		out, _, code := h.ctl("can-i", "call", "tools:wipe", "--as", "scout")
		Expect(code).To(Equal(1), out)
		Expect(h.must("can-i", "call", "tools:clock", "--as", "scout")).To(ContainSubstring("scout-may-look"))
	},
		Entry("with initialize and a session", "2025-06-18", false),
		Entry("with server/discover and headers", "2026-07-28", true),
	)

	It("has sessions that outlive the gate and are nobody else's", func() {
		h := newHost()
		h.write("gate.yaml",
			object("Gate", "front", `listen: {address: "127.0.0.1:0"}`, "durability: Process"),
			object("Process", "tools", fmt.Sprintf("command: [%s/demotools, --listen, \"127.0.0.1:$(PORT)\"]", bin),
				"ports: [{name: http}]", "readinessProbe: {httpGet: {path: /health, port: http}, periodSeconds: 1}"),
			object("Route", "tools", "gate: front", "protocol: MCP", "match: {path: /mcp/tools}", "backends: [{process: tools, port: http, path: /mcp}]"),
			object("Principal", "scout", "type: Agent"), object("Principal", "coder", "type: Agent"),
			object("GateRule", "all-may", "principals: {all: true}", "action: Allow", "reason: a test"))
		h.start()
		h.ready()
		url := h.serving("front")
		ask := func(c *client, session, body string) answer {
			r := c.request("POST", "/mcp/tools", body)
			r.Header.Set("Accept", "application/json, text/event-stream")
			if session != "" {
				r.Header.Set("Mcp-Session-Id", session)
			}
			return c.send(r)
		}
		scout, coder := newClient(url, h.token("scout")), newClient(url, h.token("coder"))
		begun := ask(scout, "", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},`+
			`"clientInfo":{"name":"test","version":"1"}}}`)
		Expect(begun.Status).To(Equal(http.StatusOK), begun.Body)
		session := begun.Header.Get("Mcp-Session-Id")
		Expect(ask(scout, session, `{"jsonrpc":"2.0","method":"notifications/initialized"}`).Status).To(Equal(http.StatusAccepted))
		list := `{"jsonrpc":"2.0","id":2,"method":"tools/list"}`
		Expect(ask(coder, session, list).Status).To(Equal(http.StatusNotFound))

		pid := h.pidOf(specs.SystemProcess)
		kill(pid)
		Eventually(func() int { return h.pidOf(specs.SystemProcess) }).ShouldNot(Equal(pid))
		h.serving("front")
		Eventually(func() answer { return ask(scout, session, list) }).Should(And(HaveField("Status", http.StatusOK), HaveField("Body", ContainSubstring("wipe"))))
		Expect(ask(coder, session, list).Status).To(Equal(http.StatusNotFound))
		Eventually(func() []map[string]any { return h.records("--kind", "decision", "--principal", "coder") }).Should(
			And(Not(BeEmpty()), HaveEach(HaveKeyWithValue("reason", "UnknownSession"))))
	})
})
