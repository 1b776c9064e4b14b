package e2e

import (
	"fmt"
	"os"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// children lists the processes of this host that run a program of the tests.
func (h *host) children(program string) (pids []int) {
	for _, pid := range h.ours() {
		if exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); exe == bin+"/"+program && alive(pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

var _ = Describe("a tool server on standard streams, behind mirrorgate bridge", func() {
	DescribeTable("shows and runs exactly the tools that a rule allows, and comes back when it is killed", func(ctx SpecContext, version string) {
		h := newHost()
		h.write("gate.yaml",
			object("Gate", "front", `listen: {address: "127.0.0.1:0"}`, "durability: Process"),
			object("Process", "tools", fmt.Sprintf("command: [%s/mirrorgate, bridge, --listen, \"127.0.0.1:$(PORT)\", --, %[1]s/demotools, --stdio]", bin),
				"ports: [{name: http}]", "readinessProbe: {tcpSocket: {port: http}, periodSeconds: 1}", "restartBackoff: {initial: 100ms}"),
			object("Route", "tools", "gate: front", "protocol: MCP", "match: {path: /mcp/tools}", "backends: [{process: tools, port: http, path: /}]"),
			object("Principal", "scout", "type: Agent"),
			object("GateRule", "scout-may-look", "routes: [tools]", "principals: {names: [scout]}",
				"mcp: {tools: [clock, weather, notes]}", "action: Allow", "reason: all but wipe"))
		h.start()
		h.ready()
		url, token := h.serving("front")+"/mcp/tools", h.token("scout")
		session, err := mcpSession(ctx, url, token, version)
		Expect(err).NotTo(HaveOccurred())
		Expect(session.InitializeResult().ProtocolVersion).To(Equal(version))
		list, err := session.ListTools(ctx, nil)
		Expect(err).NotTo(HaveOccurred())
		Expect(list.Tools).To(ConsistOf(HaveField("Name", "clock"), HaveField("Name", "weather"), HaveField("Name", "notes")))
		call := func(tool string, arguments map[string]any) string {
			GinkgoHelper()
			answer, err := session.CallTool(ctx, &mcp.CallToolParams{Name: tool, Arguments: arguments})
			Expect(err).NotTo(HaveOccurred())
			Expect(answer.IsError).To(BeFalse())
			return answer.Content[0].(*mcp.TextContent).Text
		}
		Expect(call("clock", nil)).To(ContainSubstring("UTC"))
		Expect(call("weather", map[string]any{"place": "Berlin"})).To(HavePrefix("Berlin: "))
		Expect(call("notes", map[string]any{"add": "milk"})).To(Equal(`1 notes: ["milk"]`))
		_, wipe := session.CallTool(ctx, &mcp.CallToolParams{Name: "wipe"})
		_, unknown := session.CallTool(ctx, &mcp.CallToolParams{Name: "nosuch"})
		Expect(wipe).To(MatchError(strings.ReplaceAll(unknown.Error(), "nosuch", "wipe")), "the same words for both")
		Expect(call("notes", nil)).To(Equal(`1 notes: ["milk"]`), "it was not called")

		old, servers := h.pidOf("tools"), h.children("demotools")
		Expect(servers).NotTo(BeEmpty())
		kill(old)
		for _, pid := range servers {
			Eventually(func() bool { return alive(pid) }).Should(BeFalse(), "a server ends with its bridge")
		}
		Eventually(func() int { return h.pidOf("tools") }).ShouldNot(Equal(old))
		Eventually(func() error {
			session, err = mcpSession(ctx, url, token, version)
			return err
		}).Should(Succeed())
		Expect(call("notes", nil)).To(HavePrefix("0 notes"), "a new server has nothing of the old one")
		Expect(session.Close()).To(Succeed()) // or its stream is waited for
		h.must("suspend", "process/tools")
		Eventually(func() []int { return h.children("demotools") }).Should(BeEmpty())
	},
		Entry("with initialize and a session", "2025-06-18"),
		Entry("with server/discover and headers", "2026-07-28"),
	)
})
