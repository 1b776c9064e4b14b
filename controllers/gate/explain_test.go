package gate

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/gate/proxy"
	"mirroros.dev/mirroros/reconcile/audit"
	"mirroros.dev/mirroros/specs"
)

var _ = Describe("explaining a decision", func() {
	var w *world
	ctx := context.Background()
	records := map[string]*audit.Record{}
	BeforeEach(func() {
		w = newWorld()
		w.o.Find = func(_ context.Context, id string) (*audit.Record, *audit.Record, error) { return records[id], nil, nil }
		w.o.Place = func(_, name string) string { return name + ".yaml:1" }
		w.put(aGate("front"), aProcess("tools"), aPrincipal("coder"), aPrincipal("scout"),
			&specs.Route{ObjectMeta: aRoute("fs", "tools").ObjectMeta, Spec: specs.RouteSpec{Gate: "front", Protocol: specs.ProtocolMCP,
				Match: specs.RouteMatch{Path: "/mcp/fs"}, Backends: []specs.RouteBackend{{Process: "tools", Port: "http"}}}},
			aRule("fs-read", func(s *specs.GateRuleSpec) {
				s.Principals, s.Routes, s.MCP = &specs.PrincipalSelector{Names: []string{"coder"}}, []string{"fs"}, &specs.MCPMatch{Tools: []string{"read_file"}}
			}))
		w.reconcile()
	})

	It("says whether somebody could call, by the gate's own code", func() {
		e, err := w.CanI(ctx, Question{Principal: "coder", Route: "fs", Target: "read_file"})
		Expect(err).NotTo(HaveOccurred())
		Expect(e.Trace.Allowed).To(BeTrue())
		Expect(e.Trace.Rule).To(Equal("fs-read"))
		e, err = w.CanI(ctx, Question{Principal: "coder", Route: "fs", Target: "write_file"})
		Expect(err).NotTo(HaveOccurred())
		Expect(e.Trace.Allowed).To(BeFalse())
		Expect(e.Trace.Nearest.Rule).To(Equal("fs-read"))
		Expect(e.Trace.Nearest.Place).To(Equal("fs-read.yaml:1"))
		e, err = w.CanI(ctx, Question{Principal: "scout", Route: "fs", Target: "read_file"})
		Expect(err).NotTo(HaveOccurred())
		Expect(e.Trace.Allowed).To(BeFalse())
		_, err = w.CanI(ctx, Question{Principal: "coder", Route: "nope"})
		Expect(err).To(MatchError(ContainSubstring(`no route "nope"`)))
	})

	It("explains a request by the configuration that decided it", func() {
		records["r1"] = &audit.Record{Request: "r1", Principal: "coder", Gate: "front", Route: "fs", Operation: "tools/call", Target: "write_file",
			Decision: audit.Refused, Stage: 4, Snapshot: w.docs.config.Number}
		w.put(aRule("all", func(s *specs.GateRuleSpec) { s.Principals = &specs.PrincipalSelector{All: true} }))
		w.reconcile()
		e, err := w.Why(ctx, "r1")
		Expect(err).NotTo(HaveOccurred())
		Expect(e.Trace.Allowed).To(BeFalse())
		Expect(e.Lost).To(BeFalse())
		Expect(e.Then).To(BeNumerically("<", e.Now))
		records["r1"].Snapshot = 9999
		e, err = w.Why(ctx, "r1")
		Expect(err).NotTo(HaveOccurred())
		Expect(e.Lost).To(BeTrue())
		Expect(e.Trace.Allowed).To(BeTrue(), "by the configuration in force, which it says")
		_, err = w.Why(ctx, "nobody")
		Expect(err).To(MatchError(ContainSubstring("no record knows")))
	})

	DescribeTable("reading what a question is about", func(target, method, name string) {
		m, n := operation(target)
		Expect([]string{m, n}).To(Equal([]string{method, name}))
		in := inputOf(&audit.Record{Operation: m, Target: n})
		Expect(in.MCP.Tool + in.MCP.Resource + in.MCP.Prompt).To(Equal(name))
	},
		Entry("a tool", "clock", "tools/call", "clock"),
		Entry("a resource", "resource:file:///x", "resources/read", "file:///x"),
		Entry("a prompt", "prompt:hello", "prompts/get", "hello"),
	)

	It("takes a list for what an Allow implies", func() {
		Expect(inputOf(&audit.Record{Operation: "tools/list"}).List).To(BeTrue())
		Expect(proxy.MCP).To(Equal("MCP"))
	})
})
