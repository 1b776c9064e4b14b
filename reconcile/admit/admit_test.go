package admit_test

import (
	"crypto/sha256"
	"errors"
	"maps"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/reconcile/admit"
	"mirroros.dev/mirroros/reconcile/source"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

func process(name string, more ...string) string {
	text := "apiVersion: mirroros.dev/v1alpha1\nkind: Process\nmetadata:\n  name: " + name + "\nspec:\n  command: [sleep, \"1\"]\n"
	for _, line := range more {
		text += "  " + line + "\n"
	}
	return text
}

// doc is a document of any kind, with its spec in flow style in its fifth line; more of them make a file.
func doc(kind, name, spec string) string {
	return "apiVersion: mirroros.dev/v1alpha1\nkind: " + kind + "\nmetadata:\n  name: " + name + "\nspec: {" + spec + "}\n---\n"
}

const local = `backends: [{url: "http://127.0.0.1:1"}]`

func file(rel, text string) *source.File {
	return &source.File{Rel: rel, Data: []byte(text), Digest: sha256.Sum256([]byte(text))}
}

// set makes a set of files by path.
func set(files map[string]string) *admit.Set {
	var list []*source.File
	for _, rel := range slices.Sorted(maps.Keys(files)) {
		list = append(list, file(rel, files[rel]))
	}
	return admit.NewSet(admit.LoadAll(list, nil))
}

// world has objects by key.
func world(stack string, objects ...specs.Object) admit.World {
	return admit.World{
		Stack: stack,
		Get: func(k store.Key) (specs.Object, bool) {
			for _, o := range objects {
				if o.GetName() == k.Name && o.GetObjectKind().GroupVersionKind().Kind == k.Kind {
					return o, true
				}
			}
			return nil, false
		},
		List: func(kind string) []specs.Object {
			return slices.DeleteFunc(slices.Clone(objects), func(o specs.Object) bool { return o.GetObjectKind().GroupVersionKind().Kind != kind })
		},
	}
}

func object(text, stack string) specs.Object {
	docs, faults := specs.Load("x.yaml", []byte(text))
	Expect(faults).To(BeEmpty())
	o := specs.Copy(docs[0].Object)
	if stack != "" {
		o.SetLabels(map[string]string{specs.LabelStack: stack})
	}
	return o
}

func lines(faults []specs.Fault) []string {
	var out []string
	for _, f := range faults {
		out = append(out, f.String())
	}
	return out
}

var _ = Describe("Admit", func() {
	DescribeTable("tells all faults of a set at once",
		func(files map[string]string, want ...string) {
			Expect(lines(admit.Admit(set(files), nil, world("home")))).To(HaveExactElements(want))
		},
		Entry("an object declared twice, both places named",
			map[string]string{"a.yaml": process("web"), "b.yaml": "---\n---\n" + process("web"), "c.yaml": process("web")},
			"b.yaml:6:9  metadata.name: process/web is declared in a.yaml:1 already", "c.yaml:4:9  metadata.name: process/web is declared in a.yaml:1 already"),
		Entry("a reference to what is not there", map[string]string{"a.yaml": process("web", "dependsOn: [{process: olama}]"), "b.yaml": process("ollama")},
			`a.yaml:7:25  spec.dependsOn[0].process: no process "olama", did you mean "ollama"?`),
		Entry("a port used twice", map[string]string{"a.yaml": process("a", "ports: [{name: x, port: 8080}]"), "b.yaml": process("b", "ports: [{name: x, port: 8080}]")},
			"b.yaml:7:27  spec.ports[0].port: port 8080 is the port of process/a, in a.yaml:1"),
		Entry("a circle", map[string]string{
			"a.yaml": process("a", "dependsOn: [{process: b}]"), "b.yaml": process("b", "dependsOn: [{process: c}]"), "c.yaml": process("c", "dependsOn: [{process: a}]"),
			"d.yaml": process("d", "dependsOn: [{process: a}]")},
			"a.yaml:7:25  spec.dependsOn[0].process: depends on itself: a -> b -> c -> a"),
		Entry("a document with faults beside others", map[string]string{"a.yaml": process("a", "comand: x"), "b.yaml": process("b", "dependsOn: [{process: a}, {process: q}]")},
			`a.yaml:7:3  spec.comand: unknown field, did you mean "command"?`, `b.yaml:7:39  spec.dependsOn[1].process: no process "q", did you mean "a"?`),
		Entry("a name that is taken over and still declared", map[string]string{
			"a.yaml": process("a"), "b.yaml": strings.Replace(process("b"), "\nspec:", "\n  annotations: {mirroros.dev/renamed-from: a}\nspec:", 1)},
			"b.yaml:5:44  metadata.annotations[mirroros.dev/renamed-from]: process/a is still declared, in a.yaml:1"),
		Entry("a label that is the operator's", map[string]string{"a.yaml": strings.Replace(process("a"), "\nspec:", "\n  labels: {mirroros.dev/stack: x}\nspec:", 1)},
			"a.yaml:5:32  metadata.labels[mirroros.dev/stack]: is written by the operator; remove it from the manifest"),
		Entry("a gate, a principal and a route that are not there", map[string]string{
			"a.yaml": process("a", "args: [$(MIRROROS_GATE_FRNT)]", "principal: scuot", "dependsOn: [{route: chat}]"),
			"b.yaml": doc("Gate", "front", "listen: {unix: a}") + doc("Principal", "scout", "type: Agent"),
			"r.yaml": doc("GateRule", "r", "principals: {names: [scout, nobody, process/b, system/anonymous]}, gates: [frnt], routes: [chat], action: Deny")},
			`a.yaml:7:10  spec.args[0]: no gate "frnt", did you mean "front"?`,
			`a.yaml:8:14  spec.principal: no principal "scuot", did you mean "scout"?`,
			`a.yaml:9:23  spec.dependsOn[0].route: no route "chat"`,
			`r.yaml:5:36  spec.principals.names[1]: no principal "nobody"`,
			`r.yaml:5:44  spec.principals.names[2]: no process "b", did you mean "a"?`,
			`r.yaml:5:83  spec.gates[0]: no gate "frnt", did you mean "front"?`,
			`r.yaml:5:99  spec.routes[0]: no route "chat"`),
		Entry("a port that the process does not have", map[string]string{
			"a.yaml": process("a", "ports: [{name: http}]") + "---\n" + process("b"),
			"r.yaml": doc("Gate", "g", "listen: {unix: a}") + doc("Route", "r", "gate: g, protocol: HTTP, match: {path: /}, backends: [{process: a, port: htp}], fallbacks: [{process: b}]")},
			`r.yaml:11:81  spec.backends[0].port: process/a has no port "htp", did you mean "http"?`,
			`r.yaml:11:110  spec.fallbacks[0].process: process/b has no ports, so nothing can be sent to it`),
		Entry("addresses that two take", map[string]string{
			"a.yaml": process("a", "ports: [{name: x, port: 8088}, {name: z, servicePort: 8089}]"),
			"b.yaml": doc("Gate", "front", `listen: {address: "127.0.0.1:8088"}`), "c.yaml": doc("Gate", "back", `listen: {address: "[::ffff:127.0.0.1]:8089"}`),
			"d.yaml": doc("Gate", "d", "listen: {unix: front.sock}"), "e.yaml": doc("Gate", "e", "listen: {unix: front.sock}"),
			"f.yaml": doc("Gate", "f", `listen: {address: "127.0.0.1:0"}`), "g.yaml": doc("Gate", "g", `listen: {address: "127.0.0.1:0"}`),
			"h.yaml": doc("Gate", "h", `listen: {address: "127.0.0.2:9000"}`), "i.yaml": doc("Gate", "i", `listen: {address: "127.0.0.1:9000"}`),
			"j.yaml": doc("Gate", "j", `listen: {address: "0.0.0.0:9000"}, exposeBeyondHost: true`)},
			"b.yaml:5:26  spec.listen.address: port 8088 is the port of process/a, in a.yaml:1",
			"c.yaml:5:26  spec.listen.address: port 8089 is the port of process/a, in a.yaml:1",
			"e.yaml:5:23  spec.listen.unix: socket front.sock is the socket of gate/d, in d.yaml:1",
			"j.yaml:5:26  spec.listen.address: port 9000 is the port of gate/h, in h.yaml:1"),
		Entry("routes that claim the same", map[string]string{
			"a.yaml": doc("Gate", "g", "listen: {unix: a}") + doc("Gate", "t", "listen: {unix: b}") + doc("Gate", "o", "listen: {unix: c}"),
			"b.yaml": doc("Route", "m1", `gate: g, protocol: OpenAI, match: {models: [a, b]}, `+local) + doc("Route", "m2", `gate: g, protocol: OpenAI, match: {models: [c, b]}, `+local) +
				doc("Route", "m3", `gate: g, protocol: Anthropic, match: {models: [a]}, `+local) + doc("Route", "m4", `gate: o, protocol: OpenAI, match: {models: [a]}, `+local),
			"c.yaml": doc("Route", "p1", `gate: g, protocol: HTTP, match: {path: /a}, `+local) + doc("Route", "p2", `gate: g, protocol: MCP, match: {path: /a}, `+local) +
				doc("Route", "p3", `gate: g, protocol: MCP, match: {path: /a/b}, `+local),
			"d.yaml": doc("Route", "t1", `gate: t, protocol: TCP, backends: [{url: "tcp://127.0.0.1:1"}]`) + doc("Route", "t2", `gate: t, protocol: HTTP, match: {path: /}, `+local)},
			`b.yaml:11:55  spec.match.models[1]: the model "b" is that of route/m1, in b.yaml:1`,
			`c.yaml:11:46  spec.match.path: the path /a is that of route/p1, in c.yaml:1`,
			`d.yaml:11:14  spec.gate: gate/t is taken whole by a TCP route, route/t1, in d.yaml:1`),
		Entry("a circle by way of a route", map[string]string{
			"a.yaml": process("a", "ports: [{name: x}]", "dependsOn: [{route: r}]"), "g.yaml": doc("Gate", "g", "listen: {unix: a}"),
			"r.yaml": doc("Route", "r", "gate: g, protocol: HTTP, match: {path: /}, backends: [{process: a}]")},
			"a.yaml:8:23  spec.dependsOn[0].route: depends on itself: process/a -> route/r -> process/a"),
		Entry("a token that outlives what its principal lets it", map[string]string{
			"a.yaml": process("a", "principal: p", "env: [{name: A, valueFrom: {token: {ttl: 48h}}}, {name: B, valueFrom: {token: {}}}, {name: C, valueFrom: {token: {ttl: 1h}}}]"),
			"p.yaml": doc("Principal", "p", "type: Agent, tokens: {maxTTL: 12h}")},
			"a.yaml:8:44  spec.env[0].valueFrom.token.ttl: 48h is more than the maxTTL of principal/p, which is 12h",
			"a.yaml:8:81  spec.env[1].valueFrom.token: 24h, the default, is more than the maxTTL of principal/p, which is 12h"),
		Entry("a rule that could match nothing", map[string]string{
			"a.yaml": doc("Gate", "g", "listen: {unix: a}") + doc("Gate", "h", "listen: {unix: b}"),
			"r.yaml": doc("Route", "r", `gate: g, protocol: HTTP, match: {path: /}, `+local),
			"s.yaml": doc("GateRule", "s", "gates: [h], routes: [r], mcp: {tools: [a]}, action: Deny")},
			"s.yaml:5:29  spec.routes[0]: route/r is of gate/g, which spec.gates does not name",
			"s.yaml:5:38  spec.mcp: none of the routes is of protocol MCP, so the rule would match nothing"),
		Entry("nothing", map[string]string{"a.yaml": process("a"), "b.yaml": process("b", "dependsOn: [{process: a}]")}),
	)

	It("names a file that cannot be read", func() {
		s := admit.NewSet([]*admit.File{admit.Load(&source.File{Rel: "a.yaml", Err: errors.New("permission denied")})})
		Expect(lines(admit.Admit(s, nil, world("home")))).To(Equal([]string{"a.yaml  cannot be read: permission denied"}))
	})

	It("checks only what changed, and what refers to what went", func() {
		base := set(map[string]string{"a.yaml": process("a"), "b.yaml": process("b", "dependsOn: [{process: a}]"), "c.yaml": process("c")})
		Expect(admit.Admit(base.Edit(nil, []string{"c.yaml"}), base, world("home"))).To(BeEmpty())
		Expect(lines(admit.Admit(base.Edit(nil, []string{"a.yaml"}), base, world("home")))).To(Equal([]string{
			`b.yaml:7:25  spec.dependsOn[0].process: no process "a": it was removed from a.yaml`}))
	})

	It("checks again what refers to what changed", func() {
		base := set(map[string]string{"a.yaml": process("a", "ports: [{name: http}]"), "g.yaml": doc("Gate", "g", "listen: {unix: a}"),
			"r.yaml": doc("Route", "r", "gate: g, protocol: HTTP, match: {path: /}, backends: [{process: a, port: http}]")})
		Expect(admit.Admit(base, nil, world("home"))).To(BeEmpty())
		next := base.Edit([]*admit.File{admit.Load(file("a.yaml", process("a", "ports: [{name: web}]")))}, nil)
		Expect(lines(admit.Admit(next, base, world("home")))).To(Equal([]string{`r.yaml:5:81  spec.backends[0].port: process/a has no port "http"`}))
	})

	It("lets no route of a sealed stack leave the host, whether or not it changed", func() {
		s := set(map[string]string{"a.yaml": doc("Gate", "g", "listen: {unix: a}") + doc("Gate", "o", "listen: {unix: b}"),
			"b.yaml": doc("Route", "b", `gate: g, protocol: OpenAI, match: {models: [a]}, backends: [{url: "http://127.0.0.1:1"}, {url: "https://example.org", remote: true}]`),
			"c.yaml": doc("Route", "c", `gate: o, protocol: CONNECT, match: {hosts: ["example.org:443"]}, remote: true`),
			"d.yaml": doc("Route", "d", `gate: g, protocol: HTTP, match: {path: /}, `+local)})
		w := world("home")
		Expect(admit.Admit(s, nil, w)).To(BeEmpty())
		w.Locality = specs.LocalityOpen
		Expect(admit.Admit(s, nil, w)).To(BeEmpty())
		w.Locality = specs.LocalitySealed
		for _, base := range []*admit.Set{nil, s} {
			Expect(lines(admit.Admit(s, base, w))).To(HaveExactElements(
				HavePrefix("b.yaml:5:134  spec.backends[1].remote: stack/home has locality Sealed, so no route of it leaves the host"),
				HavePrefix("c.yaml:5:81  spec.remote: stack/home has locality Sealed")))
		}
	})

	It("looks at gates and routes that are in force elsewhere", func() {
		w := world("home", object(doc("Gate", "api", `listen: {address: "127.0.0.1:8088"}`), ""), object(doc("Route", "api", `gate: g, protocol: HTTP, match: {path: /a}, `+local), ""))
		w.Others = map[string]*admit.Set{"ex": set(map[string]string{"x/a.yaml": doc("Gate", "x", "listen: {unix: a}") + doc("Route", "x", `gate: g, protocol: HTTP, match: {path: /b}, `+local)})}
		s := set(map[string]string{"a.yaml": doc("Gate", "g", "listen: {unix: a}") + doc("Gate", "h", `listen: {address: "127.0.0.1:8088"}`) +
			doc("Route", "r", `gate: g, protocol: HTTP, match: {path: /a}, `+local) + doc("Route", "s", `gate: g, protocol: HTTP, match: {path: /b}, `+local)})
		Expect(lines(admit.Admit(s, nil, w))).To(Equal([]string{
			"a.yaml:5:23  spec.listen.unix: socket a is the socket of gate/x of stack/ex, in x/a.yaml:1",
			"a.yaml:11:26  spec.listen.address: port 8088 is the port of gate/api, which was made through the API",
			"a.yaml:17:47  spec.match.path: the path /a is that of route/api, which was made through the API",
			"a.yaml:23:47  spec.match.path: the path /b is that of route/x of stack/ex, in x/a.yaml:7"}))
	})

	It("does not tell of references to a file that cannot be parsed any more", func() {
		base := set(map[string]string{"a.yaml": process("a"), "b.yaml": process("b")})
		next := base.Edit([]*admit.File{admit.Load(file("a.yaml", "x: [")), admit.Load(file("b.yaml", process("b", "dependsOn: [{process: a}]")))}, nil)
		faults := admit.Admit(next, base, world("home"))
		Expect(faults).To(HaveLen(1))
		Expect(faults[0].File).To(Equal("a.yaml"))
	})

	It("looks at what else is in force", func() {
		w := world("home", object(process("api", "ports: [{name: x, port: 8080}]"), ""))
		s := set(map[string]string{"a.yaml": process("a", "ports: [{name: x, port: 8080}]", "dependsOn: [{process: api}]")})
		Expect(lines(admit.Admit(s, nil, w))).To(Equal([]string{"a.yaml:7:27  spec.ports[0].port: port 8080 is the port of process/api, which was made through the API"}))
		w = world("home")
		w.Others = map[string]*admit.Set{"ex": set(map[string]string{"x/b.yaml": process("b", "ports: [{name: x, port: 8080}]", "dependsOn: [{process: gone}]")})}
		Expect(lines(admit.Admit(s, nil, w))).To(ConsistOf(
			"a.yaml:7:27  spec.ports[0].port: port 8080 is the port of process/b of stack/ex, in x/b.yaml:1",
			`a.yaml:8:25  spec.dependsOn[0].process: no process "api"`))
		base := set(map[string]string{"gone.yaml": process("gone")})
		Expect(lines(admit.Admit(nil, base, w))).To(Equal([]string{"gone.yaml  process/gone was removed, but process/b of stack/ex needs it, in x/b.yaml:1"}))
	})
})

var _ = Describe("Object", func() {
	It("refuses ports and circles, but no reference to what is not there", func() {
		w := world("", object(process("a", "ports: [{name: x, port: 8080}]", "dependsOn: [{process: b}]"), "home"))
		o := object(process("b", "ports: [{name: x, port: 8080}]", "dependsOn: [{process: a}, {process: nobody}]"), "")
		Expect(admit.Object(o, w).ToAggregate()).To(MatchError(And(ContainSubstring("is the port of process/a"), ContainSubstring("a -> b -> a"))))
		Expect(admit.Object(object(process("b", "dependsOn: [{process: nobody}]"), ""), w)).To(BeEmpty())
	})

	It("refuses what another object has, and what another has not", func() {
		w := world("", object(process("a", "ports: [{name: http}]"), "home"), object(doc("Gate", "g", `listen: {address: "127.0.0.1:8088"}`), "home"),
			object(doc("Route", "r", `gate: g, protocol: HTTP, match: {path: /a}, `+local), "home"))
		refusal := func(text string) error { return admit.Object(object(text, ""), w).ToAggregate() }
		Expect(refusal(doc("Gate", "h", `listen: {address: "127.0.0.1:8088"}`))).To(MatchError("spec.listen.address: Invalid value: 8088: is the port of gate/g"))
		Expect(refusal(doc("Route", "s", `gate: g, protocol: MCP, match: {path: /a}, backends: [{process: a, port: htp}]`))).To(MatchError(And(
			ContainSubstring(`process/a has no port "htp", did you mean "http"?`), ContainSubstring("the path /a is that of route/r"))))
		Expect(refusal(doc("Route", "r", `gate: g, protocol: HTTP, match: {path: /a}, backends: [{process: a}]`))).To(Succeed())
		Expect(refusal(doc("Route", "s", `gate: nowhere, protocol: MCP, match: {path: /a}, backends: [{process: nobody}]`))).To(Succeed())
	})

	It("refuses the name of a document that is not in force yet, and new Stacks", func() {
		w := world("")
		w.Others = map[string]*admit.Set{"home": set(map[string]string{"web.yaml": process("web")})}
		Expect(admit.Object(object(process("web"), ""), w).ToAggregate()).To(MatchError(ContainSubstring(
			`process/web is declared in web.yaml:1 by stack/home; edit the file, or run "mirrorctl edit process/web"`)))
		s := &specs.Stack{}
		s.Name = "x"
		specs.Default(s)
		Expect(admit.Object(s, w)).To(HaveLen(1))
	})
})

var _ = Describe("Set", func() {
	It("has a digest of its content alone", func() {
		all := map[string]string{}
		for _, n := range strings.Fields("a b c d e f g h i j k l m n o p q r s t") {
			all[n+".yaml"] = process(n)
		}
		whole := set(all)
		grown := admit.NewSet(nil)
		for rel, text := range all {
			grown = grown.Edit([]*admit.File{admit.Load(file(rel, text))}, nil)
		}
		Expect(grown.Digest()).To(Equal(whole.Digest()))
		Expect(grown.Edit(nil, []string{"a.yaml"}).Edit([]*admit.File{admit.Load(file("a.yaml", process("a")))}, nil).Digest()).To(Equal(whole.Digest()))
		Expect(grown.Edit([]*admit.File{admit.Load(file("a.yaml", process("a", "why: x")))}, nil).Digest()).NotTo(Equal(whole.Digest()))
		Expect(admit.Diff(grown, whole)).To(BeEmpty())
	})

	It("is restored from what is kept, without parsing, and keeps what was held back", func() {
		kept := map[string][]byte{}
		keep := func(s, had *admit.Set) {
			blobs, err := s.Blobs(had)
			Expect(err).NotTo(HaveOccurred())
			maps.Copy(kept, blobs)
		}
		read := func(name string) ([]byte, bool) { b, ok := kept[name]; return b, ok }
		first := set(map[string]string{"a.yaml": process("a") + "---\n" + process("b", "ports: [{name: x, port: 8080}]"), "c.yaml": process("c", "dependsOn: [{process: a}]")})
		keep(first, nil)
		back, err := admit.Restore(first.Digest(), read)
		Expect(err).NotTo(HaveOccurred())
		Expect(admit.Diff(first, back)).To(BeEmpty())
		b := store.Key{Kind: "Process", Name: "b"}
		Expect(back.Get(b).Place()).To(Equal("a.yaml:8"))
		Expect(back.Get(b).Ports).To(HaveLen(1))
		line, _ := back.Get(b).Document().Position("spec.ports")
		Expect(line).To(Equal(14))

		c := store.Key{Kind: "Process", Name: "c"}
		held := first.Edit([]*admit.File{admit.Load(file("a.yaml", process("a")))}, nil).With(map[store.Key]*admit.Entry{b: back.Get(b), c: nil})
		keep(held, first)
		back, err = admit.Restore(held.Digest(), read)
		Expect(err).NotTo(HaveOccurred())
		Expect(back.Keys()).To(Equal([]store.Key{{Kind: "Process", Name: "a"}, b}))
		line, _ = back.Get(b).Document().Position("spec.ports")
		Expect(line).To(Equal(14))
		Expect(back.Get(b).Document().Object).To(Equal(first.Get(b).Document().Object))
		Expect(admit.Diff(first, back)).To(ConsistOf(HaveField("Key", c)))
		_, err = admit.Restore("0", read)
		Expect(err).To(MatchError(ContainSubstring("not kept")))
	})
})

var _ = DescribeTable("Matcher",
	func(pattern, rel string, dir, want bool) {
		Expect(admit.NewMatcher(strings.Split(pattern, ",")).Match(rel, dir)).To(Equal(want))
	},
	Entry("a name matches at any depth", "docker-compose*.yml", "x/docker-compose.dev.yml", false, true),
	Entry("a star stays within a name", "/x/*.yml", "x/y/a.yml", false, false),
	Entry("a leading slash ties to the directory", "/a.yaml", "x/a.yaml", false, false),
	Entry("a slash within ties too", "x/a.yaml", "y/x/a.yaml", false, false),
	Entry("two stars are any directories", "litellm/**", "litellm/x/a.yaml", false, true),
	Entry("but not the directory itself", "litellm/**", "litellm", true, false),
	Entry("two stars in front", "**/test/a.yaml", "x/y/test/a.yaml", false, true),
	Entry("two stars between", "a/**/b", "a/b", false, true),
	Entry("a trailing slash is for directories", "vendor/", "vendor", false, false),
	Entry("and for all below them", "vendor/", "x/vendor/a.yaml", false, true),
	Entry("a later pattern brings back", "*.yaml,!a.yaml", "x/a.yaml", false, false),
	Entry("a comment excludes nothing", "# x", "# x", false, false),
	Entry("the root is never excluded", "*", ".", true, false),
)

var _ = DescribeTable("Governors.Owner",
	func(rel, stack string) {
		g := admit.Governors{"x": {Stack: "ex", Dir: "x"}, "x/y": {Stack: "why", Dir: "x/y"}}
		got, _ := g.Owner(rel)
		Expect(got).To(Equal(stack))
	},
	Entry("nobody's is the default's", "a.yaml", "default"),
	Entry("the nearest owns", "x/y/z/a.yaml", "why"),
	Entry("above it the next", "x/z/a.yaml", "ex"),
	Entry("a name is no directory", "xx/a.yaml", "default"),
)
