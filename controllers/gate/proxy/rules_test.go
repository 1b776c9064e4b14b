package proxy_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/gate/proxy"
	"mirroros.dev/mirroros/specs/expr"
)

var now = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// input of the coder's for route chat.
func input(edit ...func(*proxy.Input)) *proxy.Input {
	in := &proxy.Input{Gate: "front"}
	in.Time = now
	in.Route.Name, in.Route.Gate = "chat", "front"
	in.Principal = expr.Principal{Name: "coder", Type: "Agent", Labels: map[string]string{"team": "code"}}
	in.LLM = expr.LLM{Model: "house-chat", MaxTokens: 100}
	for _, e := range edit {
		e(in)
	}
	return in
}

func viewOf(rules ...proxy.RuleConfig) *proxy.View {
	GinkgoHelper()
	v, err := proxy.Compile(&proxy.Config{Gates: []proxy.GateConfig{{Name: "front", Rules: rules}}}, &proxy.Endpoints{}, &proxy.Identities{}, proxy.NewCache())
	Expect(err).NotTo(HaveOccurred())
	return v
}

func allow(name string, edit func(*proxy.RuleConfig)) proxy.RuleConfig {
	r := proxy.RuleConfig{Name: name, Priority: 100, All: true, Action: "Allow"}
	if edit != nil {
		edit(&r)
	}
	return r
}

func deny(name string, edit func(*proxy.RuleConfig)) proxy.RuleConfig {
	r := allow(name, edit)
	r.Action = "Deny"
	return r
}

func tool(name string) func(*proxy.Input) {
	return func(in *proxy.Input) { in.MCP.Method, in.MCP.Tool = "tools/call", name }
}

func list(in *proxy.Input) { in.MCP.Method, in.List = "tools/list", true }

var _ = Describe("Rules", func() {
	DescribeTable("decide",
		func(rules []proxy.RuleConfig, in *proxy.Input, reason proxy.Reason, rule string) {
			v := viewOf(rules...)
			allowed, why, by := proxy.Decide(v, in)
			Expect(why).To(Equal(reason))
			Expect(by).To(Equal(rule))
			Expect(allowed).To(Equal(reason == proxy.RuleAllowed))
			trace, err := proxy.Explain(v, in)
			Expect(err).NotTo(HaveOccurred())
			Expect(trace.Allowed).To(Equal(allowed))
			Expect(trace.Reason).To(Equal(reason))
			Expect(trace.Rule).To(Equal(rule))
		},
		Entry("no rule is a refusal", nil, input(), proxy.NoRule, ""),
		Entry("the lowest priority first", []proxy.RuleConfig{deny("b", nil), allow("a", func(r *proxy.RuleConfig) { r.Priority = 1 })}, input(), proxy.RuleAllowed, "a"),
		Entry("Deny before Allow at the same number", []proxy.RuleConfig{allow("a", nil), deny("b", nil)}, input(), proxy.RuleDenied, "b"),
		Entry("an Allow that names nobody is for nobody", []proxy.RuleConfig{allow("a", func(r *proxy.RuleConfig) { r.All = false })}, input(), proxy.NoRule, ""),
		Entry("a Deny that names nobody is for all", []proxy.RuleConfig{deny("a", func(r *proxy.RuleConfig) { r.All = false })}, input(), proxy.RuleDenied, "a"),
		Entry("a name", []proxy.RuleConfig{allow("a", func(r *proxy.RuleConfig) { r.All, r.Names = false, []string{"x", "coder"} })}, input(), proxy.RuleAllowed, "a"),
		Entry("a name and another type", []proxy.RuleConfig{allow("a", func(r *proxy.RuleConfig) {
			r.All, r.Names, r.Types = false, []string{"coder"}, []string{"Human"}
		})}, input(), proxy.NoRule, ""),
		Entry("labels, all of them", []proxy.RuleConfig{allow("a", func(r *proxy.RuleConfig) {
			r.All, r.Labels = false, map[string]string{"team": "code", "x": ""}
		})}, input(), proxy.NoRule, ""),
		Entry("another route", []proxy.RuleConfig{allow("a", func(r *proxy.RuleConfig) { r.Routes = []string{"other"} })}, input(), proxy.NoRule, ""),
		Entry("a rule that ends now", []proxy.RuleConfig{allow("a", func(r *proxy.RuleConfig) { r.Expires = now })}, input(), proxy.NoRule, ""),
		Entry("a rule that ends later", []proxy.RuleConfig{allow("a", func(r *proxy.RuleConfig) { r.Expires = now.Add(1) })}, input(), proxy.RuleAllowed, "a"),
		Entry("a Shadow never ends the search", []proxy.RuleConfig{deny("a", func(r *proxy.RuleConfig) { r.Shadow, r.Priority = true, 1 }), allow("b", nil)}, input(), proxy.RuleAllowed, "b"),
		Entry("a Shadow allows nothing", []proxy.RuleConfig{allow("a", func(r *proxy.RuleConfig) { r.Shadow = true })}, input(), proxy.NoRule, ""),
		Entry("an error in an Allow refuses, whatever comes after", []proxy.RuleConfig{
			allow("a", func(r *proxy.RuleConfig) { r.When, r.Priority = `principal.labels["x"] == ""`, 1 }), allow("b", nil)}, input(), proxy.RuleError, "a"),
		Entry("an error in a rule for others does not", []proxy.RuleConfig{
			deny("a", func(r *proxy.RuleConfig) {
				r.When, r.Priority, r.All, r.Names = `principal.labels["x"] == ""`, 1, false, []string{"y"}
			}), allow("b", nil)}, input(), proxy.RuleAllowed, "b"),
		Entry("an error in Shadow does not", []proxy.RuleConfig{
			deny("a", func(r *proxy.RuleConfig) { r.When, r.Priority, r.Shadow = `principal.labels["x"] == ""`, 1, true }), allow("b", nil)}, input(), proxy.RuleAllowed, "b"),
		Entry("a tool by name", []proxy.RuleConfig{allow("a", func(r *proxy.RuleConfig) { r.MCP, r.Tools = true, []string{"read"} })}, input(tool("read")), proxy.RuleAllowed, "a"),
		Entry("a tool by pattern", []proxy.RuleConfig{allow("a", func(r *proxy.RuleConfig) { r.MCP, r.Tools = true, []string{"read_*"} })}, input(tool("read_x")), proxy.RuleAllowed, "a"),
		Entry("another tool", []proxy.RuleConfig{allow("a", func(r *proxy.RuleConfig) { r.MCP, r.Tools = true, []string{"read"} })}, input(tool("write")), proxy.NoRule, ""),
		Entry("a list is implied", []proxy.RuleConfig{allow("a", func(r *proxy.RuleConfig) { r.MCP, r.Tools = true, []string{"read"} })}, input(list), proxy.RuleAllowed, "a"),
		Entry("a list is not denied with a tool", []proxy.RuleConfig{deny("b", func(r *proxy.RuleConfig) { r.MCP, r.Tools, r.Priority = true, []string{"read"}, 1 }), allow("a", nil)},
			input(list), proxy.RuleAllowed, "a"),
		Entry("a rule of MCP is for nothing else", []proxy.RuleConfig{allow("a", func(r *proxy.RuleConfig) { r.MCP, r.Tools = true, []string{"*"} })}, input(), proxy.NoRule, ""),
	)

	It("tell the nearest miss and its place", func() {
		v := viewOf(
			allow("other-route", func(r *proxy.RuleConfig) { r.Routes = []string{"x"} }),
			allow("nearest", func(r *proxy.RuleConfig) { r.When, r.Place = "llm.maxTokens < 50", "gate.yaml:88" }),
			allow("others", func(r *proxy.RuleConfig) { r.All, r.Names = false, []string{"scout"} }),
			allow("shadow", func(r *proxy.RuleConfig) { r.Shadow = true }))
		trace, err := proxy.Explain(v, input())
		Expect(err).NotTo(HaveOccurred())
		Expect(trace.Tried).To(HaveLen(4))
		Expect(*trace.Nearest).To(Equal(proxy.Tried{Rule: "nearest", Place: "gate.yaml:88", Action: "Allow", Priority: 100, Miss: proxy.MissCondition,
			Why: "its condition is false: llm.maxTokens < 50"}))
		Expect(trace.Tried[2].Why).To(Equal("it is for scout, not coder"))
		_, err = proxy.Explain(v, &proxy.Input{Gate: "none"})
		Expect(err).To(MatchError(ContainSubstring("there are front")))
	})

	It("decide by the index as they do one by one, and as a plain reading of them says", func() {
		rng := rand.New(rand.NewPCG(uint64(GinkgoRandomSeed()), 1))
		for range 200 {
			rules := randomRules(rng)
			v := viewOf(rules...)
			for range 20 {
				in := input(func(in *proxy.Input) {
					in.Principal.Name, in.Route.Name = oneOf(rng, "a", "b", "c"), oneOf(rng, "x", "y", "z")
					in.Principal.Type, in.LLM.MaxTokens = oneOf(rng, "Agent", "Human"), rng.Int64N(3)
				})
				_, reason, rule := proxy.Decide(v, in)
				trace, err := proxy.Explain(v, in)
				Expect(err).NotTo(HaveOccurred())
				told := fmt.Sprintf("%+v\n%+v", rules, in)
				Expect(trace.Reason).To(Equal(reason), told)
				Expect(trace.Rule).To(Equal(rule), told)
				Expect(plain(rules, in)).To(Equal(rule), told)
			}
		}
	})
})

func oneOf(rng *rand.Rand, of ...string) string { return of[rng.IntN(len(of))] }

func some(rng *rand.Rand, of ...string) (out []string) {
	for _, s := range of {
		if rng.IntN(3) == 0 {
			out = append(out, s)
		}
	}
	return out
}

func randomRules(rng *rand.Rand) (rules []proxy.RuleConfig) {
	for i := range rng.IntN(12) {
		r := proxy.RuleConfig{Name: fmt.Sprintf("r%02d", i), Priority: rng.Int32N(4), Action: oneOf(rng, "Allow", "Deny"), Shadow: rng.IntN(4) == 0,
			Routes: some(rng, "x", "y", "z"), When: oneOf(rng, "", "", "llm.maxTokens > 0", "llm.maxTokens == 2")}
		if r.All = rng.IntN(3) == 0; !r.All {
			r.Names, r.Types = some(rng, "a", "b", "c", "a"), some(rng, "Agent", "Human")
		}
		rules = append(rules, r)
	}
	return rules
}

// plain reads rules one after the other, as a person would.
func plain(rules []proxy.RuleConfig, in *proxy.Input) string {
	sorted := slices.Clone(rules)
	slices.SortFunc(sorted, func(a, b proxy.RuleConfig) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), -strings.Compare(a.Action, b.Action), cmp.Compare(a.Name, b.Name))
	})
	for _, r := range sorted {
		someone := len(r.Names)+len(r.Types) > 0 || r.Action == "Deny"
		who := r.All || someone && (len(r.Names) == 0 || slices.Contains(r.Names, in.Principal.Name)) && (len(r.Types) == 0 || slices.Contains(r.Types, in.Principal.Type))
		where := len(r.Routes) == 0 || slices.Contains(r.Routes, in.Route.Name)
		when := r.When == "" || r.When == "llm.maxTokens > 0" && in.LLM.MaxTokens > 0 || r.When == "llm.maxTokens == 2" && in.LLM.MaxTokens == 2
		if who && where && when && !r.Shadow {
			return r.Name
		}
	}
	return ""
}

var _ = Describe("A request id", func() {
	It("has 16 characters, sorts by time, and is hardly ever there twice", func() {
		seen := map[string]bool{}
		for range 1000 {
			seen[proxy.NewRequestID(now)] = true
		}
		Expect(seen).To(HaveLen(1000))
		Expect(proxy.NewRequestID(now)).To(MatchRegexp("^[0-9A-HJKMNP-TV-Z]{16}$"))
		Expect(proxy.NewRequestID(now) < proxy.NewRequestID(now.Add(time.Millisecond))).To(BeTrue())
	})
})

var _ = Describe("A config that was in force before", func() {
	It("is taken up without compiling it, and refuses where a condition does not compile after all", func() {
		w := newWorld("127.0.0.1:1", func(w *world) {
			w.config.Proven = true
			w.gate().Rules = append(w.gate().Rules, deny("gone", func(r *proxy.RuleConfig) { r.Priority, r.When = 1, `request.nothing == 1` }))
		})
		r := w.ask(chat)
		Expect(r.StatusCode).To(Equal(403))
		Expect(r.reason()).To(Equal("RuleError"))
		Expect(w.records(r.id(), 1)[0].Rule).To(Equal("gone"))
		next := *w.config
		next.Proven = false
		Expect(w.server.Update(&next, nil, nil)).To(MatchError(ContainSubstring(`the condition of rule "gone" does not compile`)))
	})

	It("decides as one that is compiled at once, headers and arguments too", func() {
		for _, when := range []string{`request.headers["x-a"] == "1"`, `mcp.arguments.path == "/b"`, `has(mcp.arguments.path)`, `mcp.?arguments.path.hasValue()`,
			`llm.maxTokens == 100`} {
			c := &proxy.Config{Proven: true, Gates: []proxy.GateConfig{{Name: "front", Rules: []proxy.RuleConfig{allow("a", func(r *proxy.RuleConfig) { r.When = when })}}}}
			v, err := proxy.Compile(c, &proxy.Endpoints{}, &proxy.Identities{}, proxy.NewCache())
			Expect(err).NotTo(HaveOccurred())
			headers, arguments := v.LooksAt("front")
			Expect(headers).To(Equal(strings.Contains(when, "request.headers")), when)
			Expect(arguments).To(Equal(strings.Contains(when, "arguments")), when)
			allowed, _, _ := proxy.Decide(v, input(func(in *proxy.Input) {
				in.Request.Headers, in.MCP.Arguments = map[string]string{"x-a": "1"}, map[string]any{"path": "/b"}
			}))
			Expect(allowed).To(BeTrue(), when)
		}
	})
})
