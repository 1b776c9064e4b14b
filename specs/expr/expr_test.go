package expr_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/specs/expr"
)

// call is a tool call by an agent, with the model call's variables set too so that each is looked at.
func call() *expr.Vars {
	return &expr.Vars{
		Request: expr.Request{Method: "POST", Path: "/mcp/files", Host: "127.0.0.1:8088", Size: 512,
			Headers: map[string]string{"x-trace": "7"}, Peer: "127.0.0.1:4711"},
		Principal: expr.Principal{Name: "helper", Type: "Agent", Labels: map[string]string{"team": "house"}, Instance: "helper-0123456789-0"},
		Route:     expr.Route{Name: "files", Protocol: "MCP", Gate: "front", Remote: true},
		LLM:       expr.LLM{Model: "small", MaxTokens: 512, Stream: true, Tools: []string{"search", "read"}, Messages: 3},
		MCP: expr.MCP{Method: "tools/call", Tool: "read", Resource: "file:///a", Prompt: "p", Arguments: map[string]any{
			"path": "/srv/house/a.txt", "depth": float64(3), "count": json.Number("4"), "share": json.Number("0.5"), "force": true,
			"none": nil, "paths": []any{"/srv/a", "/srv/b"}, "nested": map[string]any{"list": []any{map[string]any{"id": int64(7)}}},
			"big": json.Number("1e999"),
		}},
		Time: time.Date(2026, 11, 27, 22, 30, 0, 0, time.FixedZone("", 3600)),
	}
}

var _ = Describe("Eval", func() {
	DescribeTable("tells", func(src string, want bool) {
		p, err := expr.Compile(src)
		Expect(err).NotTo(HaveOccurred())
		Expect(p.Eval(call())).To(Equal(want))
		Expect(p.String()).To(Equal(src))
	}, EntryDescription("%s is %t"),
		Entry(nil, `true`, true),
		Entry(nil, `request.method == "POST" && request.path == "/mcp/files" && request.host == "127.0.0.1:8088"`, true),
		Entry(nil, `request.size > 511 && request.size <= 512`, true),
		Entry(nil, `request.headers["x-trace"] == "7" && request.peer.startsWith("127.")`, true),
		Entry(nil, `request.headers[?"x-none"].orValue("") == ""`, true),
		Entry(nil, `has(request.headers.none) || "none" in request.headers`, false),
		Entry(nil, `principal.name == "helper" && principal.type == "Agent" && principal.instance.endsWith("-0")`, true),
		Entry(nil, `principal.labels.team in ["house", "garden"]`, true),
		Entry(nil, `has(principal.labels.team) && !has(principal.labels.role)`, true),
		Entry(nil, `route.name == "files" && route.protocol == "MCP" && route.gate == "front" && route.remote`, true),
		Entry(nil, `llm.model == "small" && llm.maxTokens <= 512 && llm.stream && llm.messages == 3`, true),
		Entry(nil, `llm.tools.all(t, t in ["search", "read"])`, true),
		Entry(nil, `llm.tools.exists(t, t == "delete") || size(llm.tools) > 2`, false),
		Entry(nil, `llm.maxTokens > 511.5`, true),
		Entry(nil, `mcp.method == "tools/call" && mcp.tool == "read" && mcp.resource == "file:///a" && mcp.prompt == "p"`, true),
		Entry(nil, `mcp.arguments.path.startsWith("/srv/house/") && !mcp.arguments.path.contains("..")`, true),
		Entry(nil, `mcp.arguments.path.split("/").exists(part, part == "..")`, false),
		Entry(nil, `mcp.arguments.path.lowerAscii().substring(1, 4) == "srv" && mcp.arguments.path.indexOf("house") == 5`, true),
		Entry(nil, `mcp.arguments.depth == 3 && mcp.arguments.depth < 4 && mcp.arguments.count == 4 && mcp.arguments.share < 1`, true),
		Entry(nil, `mcp.arguments.force == true && mcp.arguments.none == null`, true),
		Entry(nil, `mcp.arguments.paths.all(p, p.matches("^/srv/[a-z]$"))`, true),
		Entry(nil, `mcp.arguments.nested.list[0].id == 7`, true),
		Entry(nil, `mcp.arguments[?"nope"].hasValue()`, false),
		Entry(nil, `has(mcp.tool) && has(mcp.arguments) && has(request.size)`, true),
		Entry(nil, `llm.tools.exists(mcp, mcp == "read")`, true),
		Entry(nil, `time.getHours() == 21 && time.getHours("Europe/Berlin") == 22`, true),
		Entry(nil, `time < timestamp("2027-01-01T00:00:00Z") && time - duration("1h") < time`, true),
		Entry(nil, "request.method == 'POST' &&\n  llm.stream\n", true),
	)

	It("has every variable when nothing is set: zero, and absent to has()", func() {
		for _, src := range []string{
			`request.method == "" && request.path == "" && request.host == "" && request.size == 0 && request.headers == {} && request.peer == ""`,
			`principal.name == "" && principal.type == "" && principal.labels == {} && principal.instance == ""`,
			`route.name == "" && route.protocol == "" && route.gate == "" && !route.remote`,
			`llm.model == "" && llm.maxTokens == 0 && !llm.stream && llm.tools == [] && llm.messages == 0`,
			`mcp.method == "" && mcp.tool == "" && mcp.resource == "" && mcp.prompt == "" && mcp.arguments == {}`,
			`time == timestamp("0001-01-01T00:00:00Z")`,
			`!has(request.method) && !has(llm.stream) && !has(llm.tools) && !has(mcp.arguments) && !has(principal.labels) && !has(request.size)`,
		} {
			p, err := expr.Compile(src)
			Expect(err).NotTo(HaveOccurred(), src)
			Expect(p.Eval(&expr.Vars{})).To(BeTrue(), src)
		}
	})

	DescribeTable("is an error, never true, for", func(src, why string) {
		p, err := expr.Compile(src)
		Expect(err).NotTo(HaveOccurred())
		v := call()
		v.MCP.Arguments["long"] = strings.Repeat("secret", 1<<18)
		v.MCP.Arguments["wide"] = make([]any, 1<<20)
		ok, err := p.Eval(v)
		Expect(ok).To(BeFalse())
		Expect(err).To(MatchError("cannot evaluate the condition: " + why))
	}, func(src, _ string) string { return src },
		Entry(nil, `principal.labels.role == "cook"`, `there is no "role"; ask with has() or `+"`in`"+` before`),
		Entry(nil, `mcp.arguments[mcp.arguments.path] == 1`, "there is no such key"),
		Entry(nil, `mcp.arguments.path > 3`, "a value has another type than the expression needs"),
		Entry(nil, `int(mcp.arguments.path) > 3`, "a value cannot be converted"),
		Entry(nil, `mcp.arguments.paths[9] == ""`, "a list has no such item"),
		Entry(nil, `1 / (llm.messages - 3) == 1`, "division by zero"),
		Entry(nil, `llm.messages * 9223372036854775807 > 0`, "a number is out of range"),
		Entry(nil, `mcp.arguments.big > 1`, "a number is out of range"),
		Entry(nil, `mcp.arguments.long.contains("x")`, "a text is longer than 1048576 bytes"),
		Entry(nil, `mcp.arguments.wide.all(w, w == null)`, "it costs too much on this request"),
		Entry(nil, `time.getHours("Nowhere/Land") == 1`, "a value cannot be converted"),
	)

	It("is the same for many at once", func() {
		p, err := expr.Compile(`llm.tools.exists(t, t == mcp.tool) && mcp.arguments.depth == 3`)
		Expect(err).NotTo(HaveOccurred())
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				defer GinkgoRecover()
				for range 200 {
					Expect(p.Eval(call())).To(BeTrue())
				}
			})
		}
		wg.Wait()
	})
})

var _ = Describe("Compile", func() {
	DescribeTable("refuses", func(src string, line, column int, message string) {
		_, err := expr.Compile(src)
		Expect(err).To(Equal(&expr.Error{Line: line, Column: column, Message: message}))
		Expect(err).To(MatchError(fmt.Sprintf("line %d, column %d: %s", line, column, message)))
	}, func(src string, _, _ int, _ string) string { return src },
		Entry(nil, " ", 1, 1, "is empty: write a condition, or leave it out"),
		Entry(nil, `requets.method == ""`, 1, 1, "there is no variable requets, did you mean request?"),
		Entry(nil, `user == ""`, 1, 1, "there is no variable user: there are llm, mcp, principal, request, route, time"),
		Entry(nil, "true &&\n  llm.maxTokns < 3", 2, 6, "llm has no field maxTokns, did you mean llm.maxTokens?"),
		Entry(nil, `route.backend == ""`, 1, 6, "route has no field backend: it has gate, name, protocol, remote"),
		Entry(nil, `request.path.startWith("a")`, 1, 23, "there is no function startWith, did you mean startsWith?"),
		Entry(nil, `request.method == 1`, 1, 16, "cannot apply == to (string, int)"),
		Entry(nil, `request.size`, 1, 8, "must be true or false, and is int"),
		Entry(nil, `mcp.arguments.force`, 1, 14, "may be of any type: compare it, as in `mcp.arguments.force == true`"),
		Entry(nil, `request == request`, 1, 1, "request is no value by itself: name a field of it, such as request.headers"),
		Entry(nil, `[mcp].size() == 1`, 1, 2, "mcp is no value by itself: name a field of it, such as mcp.arguments"),
		Entry(nil, `request.method ==`, 1, 18, "syntax error: mismatched input 'the end'"),
		Entry(nil, `request.path.matches("(")`, 1, 22, "invalid matches argument"),
		Entry(nil, `request.path.matches(mcp.arguments.re)`, 1, 35,
			"must be a regular expression in quotes: one that is taken from a request could be anything"),
		Entry(nil, `mcp.arguments.a.replace("a", "b") == ""`, 1, 24,
			"replace is not for conditions, its result may be of any length: use matches()"),
		Entry(nil, `mcp.arguments.a.all(x, mcp.arguments.b.all(y, x == y))`, 1, 20,
			"may cost too much: it goes through a list for each item of another, or builds long texts; make it simpler"),
	)

	It("has no limit on a list within a short list that is written out", func() {
		_, err := expr.Compile(`["a", "b"].all(x, llm.tools.exists(t, t == x))`)
		Expect(err).NotTo(HaveOccurred())
	})

	It("counts the costs of what goes through lists or texts of a request, and ends it", func() {
		v := call()
		v.LLM.Tools = make([]string, 1<<18)
		for _, src := range []string{`llm.tools.all(t, t == "")`, `llm.tools.exists(t, t.matches("a+"))`, `llm.tools.map(t, t + "a").size() > 1`} {
			p, err := expr.Compile(src)
			Expect(err).NotTo(HaveOccurred())
			_, err = p.Eval(v)
			Expect(err).To(MatchError("cannot evaluate the condition: it costs too much on this request"))
		}
	})

	DescribeTable("counts them for all but what the owner's words alone make long", func(src string, counts bool) {
		p, err := expr.Compile(src)
		Expect(err).NotTo(HaveOccurred())
		Expect(p.Counts()).To(Equal(counts))
	},
		func(src string, _ bool) string { return src },
		Entry(nil, `llm.maxTokens > 4096 || llm.model.startsWith("big")`, false),
		Entry(nil, `"code" in principal.labels.map(k, principal.labels[k])`, false),
		Entry(nil, `principal.labels.exists(k, k == "team" && principal.labels[k] == "house")`, false),
		Entry(nil, `principal.labels.filter(k, k == "team").size() > 0 && llm.stream`, false),
		Entry(nil, `principal.labels.all(k, principal.labels[k] == llm.model)`, true),
		Entry(nil, `principal.labels.map(k, llm.tools).size() > 1`, true),
		Entry(nil, `principal.labels.exists(k, llm.?tools.hasValue())`, true),
		Entry(nil, `["a"].all(x, principal.labels.exists(j, j == x))`, true),
		Entry(nil, `principal.labels.map(k, k + k).size() > 1`, true),
		Entry(nil, `llm.tools.exists(principal, principal == "a")`, true),
		Entry(nil, `["a", "b"].exists(x, llm.model.contains(x))`, true),
		Entry(nil, `mcp.arguments.a == 1`, true),
	)

	It("looks at no text that is too long, wherever it stands", func() {
		v := call()
		long := strings.Repeat("a", 1<<20+1)
		v.LLM.Tools, v.MCP.Resource = []string{"a", long}, long
		for _, src := range []string{`"a" in llm.tools`, `mcp.resource.split("").size() > 0`} {
			p, err := expr.Compile(src)
			Expect(err).NotTo(HaveOccurred())
			_, err = p.Eval(v)
			Expect(err).To(MatchError("cannot evaluate the condition: a text is longer than 1048576 bytes"))
		}
	})

	It("refuses what is too long or too deep, and does not hang on it", func() {
		for _, src := range []string{strings.Repeat("(", 8000), strings.Repeat("true || ", 8000) + "true", strings.Repeat("a.", 4000) + "a",
			strings.Repeat("[", 4000) + strings.Repeat("]", 4000), strings.Repeat("(", 300) + "true" + strings.Repeat(")", 300)} {
			_, err := expr.Compile(src)
			Expect(err).To(HaveOccurred())
		}
	})
})

// FuzzCompile: any text compiles or is an error with a place, and what compiles evaluates to a value or an error.
func FuzzCompile(f *testing.F) {
	for _, src := range []string{`true`, `request.method == "GET"`, `llm.tools.exists(t, t == "a")`, `mcp.arguments.a[?0].b.orValue(1) == 1`,
		"a.b(\n'", `request{method: "a"}`, `{"a": 1}.all(k, k in [1])`, `time.getHours("x") > 1u`, `b"\xff" == bytes("a")`, "`a`.b", `"%s".format([1])`,
		`mcp.arguments.map(k, k + k).size() > 1`, `[[1]].map(x, x.map(y, y * 2)) == [[2]]`, `type(1) == int`, `optional.of(1).value() == 1`} {
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src string) {
		p, err := expr.Compile(src)
		if err != nil {
			if e, ok := err.(*expr.Error); !ok || e.Line < 1 || e.Column < 1 || e.Message == "" {
				t.Fatalf("error without a place: %#v", err)
			}
			return
		}
		for _, v := range []*expr.Vars{call(), {}} {
			if ok, err := p.Eval(v); ok && err != nil {
				t.Fatalf("both true and an error: %v", err)
			}
		}
	})
}

func BenchmarkEval(b *testing.B) {
	for _, c := range []struct{ name, src string }{
		{"simple", `request.method == "POST" && llm.maxTokens <= 4096 && principal.labels["team"] == "house"`},
		{"one", `mcp.tool == "read"`},
		{"arguments", `mcp.arguments.path.startsWith("/srv/house/") && !mcp.arguments.path.contains("..")`},
		{"macro", `llm.tools.all(t, t in ["search", "read"])`},
	} {
		b.Run(c.name, func(b *testing.B) {
			p, err := expr.Compile(c.src)
			if err != nil {
				b.Fatal(err)
			}
			v := call()
			b.ReportAllocs()
			for b.Loop() {
				if ok, err := p.Eval(v); !ok || err != nil {
					b.Fatal(ok, err)
				}
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := expr.Compile(`request.method == "POST" && llm.maxTokens <= 4096 && principal.labels["team"] == "house"`); err != nil {
			b.Fatal(err)
		}
	}
}
