package specs_test

import (
	"os"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/equality"

	"mirroros.dev/mirroros/specs"
)

// kindFaults are the faults of an object named a with a spec in flow style in line 4, as lines.
func kindFaults(kind, spec string) []string {
	return faultsOf("apiVersion: mirroros.dev/v1alpha1\nkind: " + kind + "\nmetadata: {name: a}\nspec: " + spec + "\n")
}

// expectFaults looks for the one fault that there must be; empty for none.
func expectFaults(got []string, want string) {
	GinkgoHelper()
	if want == "" {
		Expect(got).To(BeEmpty())
		return
	}
	Expect(strings.Join(got, "\n")).To(ContainSubstring(want))
	Expect(got).To(HaveLen(1), "one thing is wrong, so one fault is told")
}

var _ = DescribeTable("Validate of a Principal", func(spec, want string) { expectFaults(kindFaults("Principal", spec), want) },
	Entry("takes a type", "{type: Agent}", ""),
	Entry("takes everything", "{why: a, type: Human, suspend: true, tokens: {maxTTL: 24h}}", ""),
	Entry("refuses no type", "{}", "spec.type: is missing: write Agent, Human or Process"),
	Entry("refuses a type that is none", "{type: agent}", `must be Agent, Human or Process, did you mean "Agent"?`),
	Entry("refuses tokens that hardly live", "{type: Agent, tokens: {maxTTL: 1s}}", `a.yaml:4:38  spec.tokens.maxTTL: "1s": must be at least 1m0s`),
	Entry("refuses tokens that live for ever", "{type: Agent, tokens: {maxTTL: 9000h}}", "must be at most 8760h0m0s"),
	Entry("advises on roles", "{type: Agent, role: admin}", "write metadata.labels"),
)

var _ = It("Validate refuses a Principal of the operator's own", func() {
	expectFaults(faultsOf("apiVersion: mirroros.dev/v1alpha1\nkind: Principal\nmetadata: {name: system/check}\nspec: {type: Agent}\n"),
		`a.yaml:3:18  metadata.name: "system/check": is one of the operator's own`)
})

var _ = It("Validate keeps the operator's own process for the operator", func() {
	p := &specs.Process{Spec: specs.ProcessSpec{Command: []string{"a"}}}
	p.Name = specs.SystemProcess
	specs.Default(p)
	Expect(specs.Validate(p).ToAggregate()).To(MatchError(ContainSubstring("is the operator's own process; choose another name")))
	p.Labels = map[string]string{specs.LabelSystem: "true"}
	Expect(specs.Validate(p)).To(BeEmpty())
})

var _ = DescribeTable("Validate of a Gate", func(spec, want string) { expectFaults(kindFaults("Gate", spec), want) },
	Entry("takes an address", `{listen: {address: "127.0.0.1:8088"}}`, ""),
	Entry("takes any port of IPv6", `{listen: {address: "[::1]:0"}}`, ""),
	Entry("takes a socket", `{listen: {unix: front.sock}}`, ""),
	Entry("takes an address beyond the host that says so", `{listen: {address: "0.0.0.0:8088"}, exposeBeyondHost: true}`, ""),
	Entry("takes everything", `{listen: {address: "127.0.0.1:1"}, authentication: {tokens: false, peerCredentials: true, anonymous: true}, limits: {maxBodyBytes: 1Ki, `+
		`maxConcurrentRequests: 1}, durability: Process, audit: {level: Bodies, retain: 720h, maxBytes: 1Mi}}`, ""),
	Entry("refuses no address", "{listen: {}}", "spec.listen: is missing: write address: 127.0.0.1:PORT, or unix: NAME"),
	Entry("refuses two addresses", `{listen: {address: "127.0.0.1:1", unix: a}}`, "spec.listen.unix: there is an address already"),
	Entry("refuses a name as address", `{listen: {address: "localhost:8088"}}`, `did you mean "127.0.0.1:8088"?`),
	Entry("refuses a port alone", `{listen: {address: ":8088"}}`, `did you mean "127.0.0.1:8088"?`),
	Entry("refuses no port", `{listen: {address: "127.0.0.1"}}`, `spec.listen.address: "127.0.0.1": must be an IP address and a port`),
	Entry("refuses a port out of range", `{listen: {address: "127.0.0.1:70000"}}`, "must be an IP address and a port"),
	Entry("refuses an address beyond the host", `{listen: {address: "0.0.0.0:8088"}}`, `a.yaml:4:26  spec.listen.address: "0.0.0.0:8088": is reached from beyond this host`),
	Entry("refuses to expose loopback", `{listen: {address: "[::ffff:127.0.0.1]:1"}, exposeBeyondHost: true}`, "spec.exposeBeyondHost: is for an address that is not loopback"),
	Entry("refuses to expose a socket", `{listen: {unix: a}, exposeBeyondHost: true}`, "spec.exposeBeyondHost: is for an address"),
	Entry("refuses a socket elsewhere", `{listen: {unix: ../front.sock}}`, `spec.listen.unix: "../front.sock": must be the plain name of a socket`),
	Entry("refuses an absolute socket", `{listen: {unix: /tmp/a}}`, "must be the plain name of a socket"),
	Entry("refuses a long socket", `{listen: {unix: `+strings.Repeat("a", 65)+`}}`, "must be the plain name of a socket"),
	Entry("refuses the operator's socket", `{listen: {unix: api.sock}}`, "is the operator's own socket"),
	Entry("refuses to know nobody", `{listen: {unix: a}, authentication: {tokens: false}}`, "spec.authentication: with all of it false nobody can pass"),
	Entry("refuses bodies of nothing", `{listen: {unix: a}, limits: {maxBodyBytes: 1}}`, `spec.limits.maxBodyBytes: "1": must be at least 1Ki`),
	Entry("refuses bodies without end", `{listen: {unix: a}, limits: {maxBodyBytes: 2Gi}}`, "must be at most 1Gi"),
	Entry("refuses no request at once", `{listen: {unix: a}, limits: {maxConcurrentRequests: 0}}`, "must be from 1 to 1000000"),
	Entry("refuses a durability that is none", `{listen: {unix: a}, durability: Disk}`, "must be Power or Process"),
	Entry("refuses a level that is none", `{listen: {unix: a}, audit: {level: All}}`, "must be Metadata, Digests or Bodies"),
	Entry("refuses a time that is none", `{listen: {unix: a}, audit: {retain: 3w}}`, `spec.audit.retain: "3w": must be days, as 90d, or a duration, as 720h`),
	Entry("refuses to forget at once", `{listen: {unix: a}, audit: {retain: 0d}}`, "must be at least 1h"),
	Entry("refuses a log of nothing", `{listen: {unix: a}, audit: {maxBytes: 1Ki}}`, "must be at least 1Mi"),
	Entry("advises on Gateway API", `{listen: {unix: a}, listeners: []}`, "spec.listeners: unknown field: a Gate is one listener"),
	Entry("advises on TLS", `{listen: {unix: a}, tls: {}}`, "spec.tls: is not in this version yet"),
)

// A good route of each protocol, to which a table adds.
const (
	openAI  = `gate: g, protocol: OpenAI, match: {models: [m]}`
	httpTo  = `gate: g, protocol: HTTP, match: {path: /a}`
	oneBack = `, backends: [{process: p}]`
)

var _ = DescribeTable("Validate of a Route", func(spec, want string) { expectFaults(kindFaults("Route", "{"+spec+"}"), want) },
	Entry("takes a model", openAI+oneBack, ""),
	Entry("takes a path", httpTo+oneBack, ""),
	Entry("takes everything of a model", `why: a, gate: g, protocol: Anthropic, match: {models: [m, "m-*", "*"]}, backends: [{process: p, port: http, model: "q:8b", weight: 0}, `+
		`{url: "https://api.example.org/v1", remote: true, model: big, weight: 5, auth: {header: x-api-key, valueFrom: {file: {path: k}}}}], `+
		`fallbacks: [{url: "https://other.example.org", remote: true}], fallbackOn: [NotReady], timeouts: {connect: 1s, firstByte: 0s, idle: 5m, request: 1h}, `+
		`limits: {defaultOutputTokens: 5, maxOutputTokens: 5}`, ""),
	Entry("takes MCP with another path behind", `gate: g, protocol: MCP, match: {path: /mcp/fs}, backends: [{process: p, path: /mcp}]`, ""),
	Entry("takes TCP", `gate: g, protocol: TCP, backends: [{url: "tcp://127.0.0.1:5432"}], fallbacks: [{process: p}]`, ""),
	Entry("takes CONNECT", `gate: g, protocol: CONNECT, match: {hosts: ["api.example.org:443", "*.example.org:443", "10.0.0.1:80"]}, remote: true`, ""),
	Entry("takes CONNECT to this host", `gate: g, protocol: CONNECT, match: {hosts: ["127.0.0.1:1", "[::1]:1", "localhost:1"]}`, ""),
	Entry("refuses no gate", `protocol: HTTP, match: {path: /a}`+oneBack, "spec.gate: is missing: the name of the Gate that serves it"),
	Entry("refuses no protocol", `gate: g`, "spec.protocol: is missing: write OpenAI, Anthropic, MCP, HTTP, TCP or CONNECT"),
	Entry("refuses a protocol that is none", `gate: g, protocol: openai`, `did you mean "OpenAI"?`),
	Entry("refuses no models", `gate: g, protocol: OpenAI`+oneBack, `spec.match.models: is missing: the names that clients use`),
	Entry("refuses no path", `gate: g, protocol: MCP`+oneBack, "spec.match.path: is missing"),
	Entry("refuses no hosts", `gate: g, protocol: CONNECT`, "spec.match.hosts: is missing"),
	Entry("refuses a path of a model", openAI[:len(openAI)-1]+`, path: /a}`+oneBack, "spec.match.path: a route of protocol OpenAI matches by models"),
	Entry("refuses models of a path", `gate: g, protocol: HTTP, match: {path: /a, models: [m]}`+oneBack, "spec.match.models: a route of protocol HTTP matches by path"),
	Entry("refuses a match of TCP", `gate: g, protocol: TCP, match: {path: /a}`+oneBack, "spec.match.path: a TCP route takes all of its gate; remove match"),
	Entry("refuses * within a name", `gate: g, protocol: OpenAI, match: {models: ["a*b"]}`+oneBack, `spec.match.models[0]: "a*b": may have a * at its end only`),
	Entry("refuses a model twice", `gate: g, protocol: OpenAI, match: {models: [a, a]}`+oneBack, `spec.match.models[1]: "a" is there twice`),
	Entry("refuses an empty model", `gate: g, protocol: OpenAI, match: {models: [""]}`+oneBack, `spec.match.models[0]: is missing`),
	Entry("refuses a path without /", `gate: g, protocol: HTTP, match: {path: a}`+oneBack, "must begin with /"),
	Entry("refuses a path that ends in /", `gate: g, protocol: HTTP, match: {path: /a/}`+oneBack, "must not end in /"),
	Entry("refuses a path upward", `gate: g, protocol: HTTP, match: {path: /a/../b}`+oneBack, "must have no . or .. in it"),
	Entry("refuses an escaped path", `gate: g, protocol: HTTP, match: {path: /%2e}`+oneBack, "must be a plain path"),
	Entry("refuses a path with nothing in it", `gate: g, protocol: HTTP, match: {path: //a}`+oneBack, "must be a plain path"),
	Entry("refuses a host without port", `gate: g, protocol: CONNECT, match: {hosts: [example.org]}, remote: true`, `must be host:port`),
	Entry("refuses a host with a * elsewhere", `gate: g, protocol: CONNECT, match: {hosts: ["a.*.org:443"]}, remote: true`, "or *. and the name that it is below"),
	Entry("refuses a remote host that does not say so", `gate: g, protocol: CONNECT, match: {hosts: ["example.org:443"]}`, "spec.remote: is missing: its hosts are not loopback"),
	Entry("refuses to call loopback remote", `gate: g, protocol: CONNECT, match: {hosts: ["127.0.0.1:443"]}, remote: true`, "spec.remote: all its hosts are loopback"),
	Entry("refuses remote on a route with backends", openAI+oneBack+`, remote: true`, "spec.remote: is for routes of protocol CONNECT"),
	Entry("refuses backends of CONNECT", `gate: g, protocol: CONNECT, match: {hosts: ["127.0.0.1:443"]}`+oneBack, "spec.backends: a CONNECT route goes to the hosts"),
	Entry("refuses no backends", openAI, "spec.backends: is missing: a list of {process: NAME} or {url: URL}"),
	Entry("refuses a backend of nothing", openAI+`, backends: [{weight: 1}]`, "spec.backends[0]: is missing: exactly one of process and url"),
	Entry("refuses a backend of two", openAI+`, backends: [{process: p, url: "http://127.0.0.1"}]`, "spec.backends[0].url: there is a process already"),
	Entry("refuses a remote process", openAI+`, backends: [{process: p, remote: true}]`, "spec.backends[0].remote: a process of this operator is local"),
	Entry("refuses a number for a port's name", openAI+`, backends: [{process: p, port: "80"}]`, "must be the name of a port of the process"),
	Entry("refuses a port beside a url", openAI+`, backends: [{url: "http://127.0.0.1", port: http}]`, "write the number into the url"),
	Entry("refuses a password in a url, and does not tell it", openAI+`, backends: [{url: "http://a:hunter2@127.0.0.1"}]`, `"http://a:xxxxx@127.0.0.1": must not have a user or password`),
	Entry("refuses what is no url, and does not tell it", openAI+`, backends: [{url: "http://a:hunter2@[::1"}]`, `spec.backends[0].url: "": is no URL`),
	Entry("refuses a query", openAI+`, backends: [{url: "http://127.0.0.1/?a=b"}]`, "must have no query and no fragment"),
	Entry("refuses a fragment", openAI+`, backends: [{url: "http://127.0.0.1/#"}]`, "must have no query and no fragment"),
	Entry("refuses a scheme that is none", openAI+`, backends: [{url: "ftp://127.0.0.1"}]`, "must begin with http:// or https://"),
	Entry("refuses a url without host", openAI+`, backends: [{url: "http:///a"}]`, "must name a host"),
	Entry("refuses a url without scheme", openAI+`, backends: [{url: "127.0.0.1:80"}]`, "is no URL"),
	Entry("refuses a url with port 0", openAI+`, backends: [{url: "http://127.0.0.1:0"}]`, "the port must be from 1 to 65535"),
	Entry("refuses http for TCP", `gate: g, protocol: TCP, backends: [{url: "http://127.0.0.1:1"}]`, "must begin with tcp://"),
	Entry("refuses TCP without port", `gate: g, protocol: TCP, backends: [{url: "tcp://127.0.0.1"}]`, "must be tcp://host:port"),
	Entry("refuses a remote url that does not say so", openAI+`, backends: [{url: "https://api.example.org"}]`, "spec.backends[0].remote: is missing: api.example.org is not loopback"),
	Entry("refuses a name that only begins as loopback", openAI+`, backends: [{url: "https://127.0.0.1.example.org"}]`, "is not loopback: write remote: true"),
	Entry("refuses to call a loopback url remote", openAI+`, backends: [{url: "http://localhost:80", remote: true}]`, "localhost is loopback: remove it"),
	Entry("refuses a path of a model's backend", openAI+`, backends: [{process: p, path: /v1}]`, "spec.backends[0].path: is for protocols MCP and HTTP"),
	Entry("refuses a model of a path's backend", httpTo+`, backends: [{process: p, model: m}]`, "spec.backends[0].model: is for protocols OpenAI and Anthropic"),
	Entry("refuses a model with *", openAI+`, backends: [{process: p, model: "m*"}]`, "must be one name, without *"),
	Entry("refuses a weight out of range", openAI+`, backends: [{process: p, weight: 1001}]`, "must be from 0 to 1000"),
	Entry("refuses no weight at all", openAI+`, backends: [{process: p, weight: 0}]`, "no backend has a weight"),
	Entry("refuses a weight of a fallback", openAI+oneBack+`, fallbacks: [{process: q, weight: 1}]`, "fallbacks are tried in their order"),
	Entry("refuses a fallback that leaves the host", openAI+oneBack+`, fallbacks: [{url: "https://a.example.org", remote: true}]`,
		"spec.fallbacks[0].remote: no backend is remote, and a fallback goes to no more remote place"),
	Entry("refuses reasons without fallbacks", openAI+oneBack+`, fallbackOn: [NotReady]`, "spec.fallbackOn: there are no fallbacks"),
	Entry("refuses a reason that is none", openAI+oneBack+`, fallbacks: [{process: q}], fallbackOn: [Status500]`, `did you mean "Status5xx"?`),
	Entry("refuses a reason that TCP does not know", `gate: g, protocol: TCP, backends: [{process: p}], fallbacks: [{process: q}], fallbackOn: [Status5xx]`, "must be NotReady or ConnectError"),
	Entry("refuses a header that the gate sets", openAI+`, backends: [{process: p, auth: {header: host, valueFrom: {file: {path: k}}}}]`, `spec.backends[0].auth.header: "host": is set by the gate itself`),
	Entry("refuses a hop's header", openAI+`, backends: [{process: p, auth: {header: Proxy-Authorization, valueFrom: {file: {path: k}}}}]`, "is set by the gate itself"),
	Entry("refuses a header of the gate's", openAI+`, backends: [{process: p, auth: {header: X-MirrorGate-Rule, valueFrom: {file: {path: k}}}}]`, "is set by the gate itself"),
	Entry("refuses a header that is none", openAI+`, backends: [{process: p, auth: {header: "a b", valueFrom: {file: {path: k}}}}]`, `spec.backends[0].auth.header: "a b"`),
	Entry("refuses a key from nowhere", openAI+`, backends: [{process: p, auth: {valueFrom: {}}}]`, "spec.backends[0].auth.valueFrom.file: is missing"),
	Entry("refuses a key in the manifest", openAI+`, backends: [{process: p, auth: {value: a}}]`, "a key stays out of manifests"),
	Entry("refuses a key that may be missing", openAI+`, backends: [{process: p, auth: {valueFrom: {file: {path: k, optional: true}}}}]`, "a key that is not there opens nothing"),
	Entry("refuses a key of TCP", `gate: g, protocol: TCP, backends: [{process: p, auth: {valueFrom: {file: {path: k}}}}]`, "spec.backends[0].auth: is a header, and a TCP route has none"),
	Entry("refuses a negative timeout", openAI+oneBack+`, timeouts: {connect: -1s}`, `spec.timeouts.connect: "-1s": must not be negative`),
	Entry("refuses a first byte of a tunnel", `gate: g, protocol: TCP, timeouts: {firstByte: 1s}`+oneBack, `spec.timeouts.firstByte: "1s": a tunnel has no requests`),
	Entry("refuses a default that is more than the most", openAI+oneBack+`, limits: {defaultOutputTokens: 6, maxOutputTokens: 5}`,
		"spec.limits.defaultOutputTokens: 6: must not be more than maxOutputTokens, which is 5"),
	Entry("refuses no tokens", openAI+oneBack+`, limits: {maxOutputTokens: 0}`, "must be at least 1"),
	Entry("refuses limits of a path", httpTo+oneBack+`, limits: {maxOutputTokens: 1}`, "spec.limits: is for protocols OpenAI and Anthropic"),
	Entry("advises on Gateway API's backends", openAI+`, backendRefs: [{name: p}], backends: [{process: p}]`, "write backends: [{process: NAME}]"),
	Entry("advises on Gateway API's parents", openAI+oneBack+`, parentRefs: []`, "spec.parentRefs: unknown field: write gate: NAME"),
	Entry("advises on Gateway API's rules", openAI+oneBack+`, rules: []`, "spec.rules: unknown field: a Route is one rule"),
	Entry("advises on Gateway API's hosts", openAI+oneBack+`, hostnames: []`, "spec.hostnames: unknown field"),
)

const allowAll = `principals: {all: true}, action: Allow`

var _ = DescribeTable("Validate of a GateRule", func(spec, want string) { expectFaults(kindFaults("GateRule", "{"+spec+"}"), want) },
	Entry("takes an Allow", allowAll, ""),
	Entry("takes a Deny of everybody", `action: Deny`, ""),
	Entry("takes everything", `why: a, gates: [g], routes: [r], principals: {names: [p, process/q, system/anonymous], types: [Agent], matchLabels: {a: b}}, priority: 0, `+
		`mcp: {tools: [read, "list_*"], resources: ["file:///*"], prompts: ["*"]}, when: "true", allowRemote: true, action: Allow, mode: Shadow, reason: b, expires: 2027-01-31T00:00:00Z`, ""),
	Entry("takes filters", `filters: [{type: RedactSecrets, patterns: ["k-[0-9]+"]}, {type: BlockInjection, on: Both}, {type: RequirePattern, patterns: [a]}, `+
		`{type: ForbidPattern, patterns: [a], on: Response}, {type: AnswerSchema, schema: "{\"type\": \"object\"}"}]`, ""),
	Entry("refuses an Allow of nobody", `action: Allow`, "spec.principals: is missing: an Allow names whom it allows"),
	Entry("refuses principals that are empty", `action: Deny, principals: {}`, "spec.principals: is missing: names, types, matchLabels, or all: true"),
	Entry("refuses all and some", `action: Deny, principals: {all: true, names: [a]}`, "spec.principals.all: means every principal"),
	Entry("refuses a name of the operator's that is none", `action: Deny, principals: {names: [system/nobody]}`, "of the operator's own there is system/anonymous only"),
	Entry("refuses a name that is none", `action: Deny, principals: {names: [A]}`, `spec.principals.names[0]: "A": a lowercase`),
	Entry("refuses a name twice", `action: Deny, principals: {names: [a, a]}`, `spec.principals.names[1]: "a" is there twice`),
	Entry("refuses a type that is none", `action: Deny, principals: {types: [agents]}`, `did you mean "Agent"?`),
	Entry("refuses a label that is none", `action: Deny, principals: {matchLabels: {a: b c}}`, `spec.principals.matchLabels: "b c"`),
	Entry("refuses a gate that is no name", `action: Deny, gates: [A]`, `spec.gates[0]: "A": a lowercase`),
	Entry("refuses a route twice", `action: Deny, routes: [a, a]`, `spec.routes[1]: "a" is there twice`),
	Entry("refuses a priority below zero", `action: Deny, priority: -1`, "spec.priority: -1: must be from 0 to 1000000"),
	Entry("refuses mcp of nothing", `action: Deny, mcp: {}`, "spec.mcp: is missing: tools, resources or prompts"),
	Entry("refuses * within a tool", `action: Deny, mcp: {tools: ["*_file"]}`, "may have a * at its end only"),
	Entry("refuses neither action nor filters", `principals: {all: true}`, "spec.action: is missing: Allow or Deny; or filters"),
	Entry("refuses both action and filters", `action: Deny, filters: [{type: BlockInjection}]`, "spec.filters: a rule decides or filters"),
	Entry("refuses an action that is none", `action: allow`, `must be Allow or Deny, did you mean "Allow"?`),
	Entry("refuses allowRemote of a Deny", `action: Deny, allowRemote: true`, "spec.allowRemote: is for rules with action Allow"),
	Entry("refuses a mode that is none", `action: Deny, mode: Never`, `must be Enforce or Shadow`),
	Entry("refuses a reason of two lines", `action: Deny, reason: "a\nb"`, "spec.reason: \"a\\nb\": must be one line"),
	Entry("refuses a filter of no type", `filters: [{on: Request}]`, "spec.filters[0].type: is missing: write RedactSecrets"),
	Entry("refuses a filter that is none", `filters: [{type: Redact}]`, "must be RedactSecrets, BlockInjection"),
	Entry("refuses a place that is none", `filters: [{type: BlockInjection, on: request}]`, `spec.filters[0].on: "request": must be Request, Response or Both, did you mean "Request"?`),
	Entry("refuses an answer's schema of a request", `filters: [{type: AnswerSchema, on: Request, schema: "{}"}]`, `spec.filters[0].on: "Request": must be Response`),
	Entry("refuses no patterns", `filters: [{type: RequirePattern}]`, "spec.filters[0].patterns: is missing: a list of regular expressions"),
	Entry("refuses a pattern that is none", `filters: [{type: ForbidPattern, patterns: ["a("]}]`, "spec.filters[0].patterns[0]: \"a(\": is no regular expression (RE2): missing closing )"),
	Entry("refuses a pattern of another engine", `filters: [{type: ForbidPattern, patterns: ["(?=a)"]}]`, "is no regular expression (RE2)"),
	Entry("refuses a pattern that says nothing", `filters: [{type: ForbidPattern, patterns: ["a*"]}]`, "matches where there is nothing"),
	Entry("refuses a schema of another filter", `filters: [{type: BlockInjection, schema: "{}"}]`, "spec.filters[0].schema: is for a filter of type AnswerSchema"),
	Entry("refuses patterns of a schema", `filters: [{type: AnswerSchema, schema: "{}", patterns: [a]}]`, "spec.filters[0].patterns: AnswerSchema has a schema instead"),
	Entry("refuses no schema", `filters: [{type: AnswerSchema}]`, "spec.filters[0].schema: is missing: a JSON schema, as text"),
	Entry("refuses a schema that is no JSON", `filters: [{type: AnswerSchema, schema: "{"}]`, "is no JSON schema"),
	Entry("refuses a schema that is none", `filters: [{type: AnswerSchema, schema: "{\"type\": \"thing\"}"}]`, "is no JSON schema"),
	Entry("refuses a schema elsewhere", `filters: [{type: AnswerSchema, schema: "{\"$ref\": \"https://example.org/a\"}"}]`, "is no JSON schema"),
	Entry("refuses a condition that does not compile", `action: Deny, when: 'requets.size > 1'`,
		`a.yaml:4:28  spec.when: "requets.size > 1": line 1, column 1 of the condition: there is no variable requets, did you mean request?`),
	Entry("refuses an end that is no time", `action: Deny, expires: 2027-01-31`, `spec.expires: "2027-01-31" is not a time with date, hour and zone, such as 2026-11-23T15:04:05Z`),
	Entry("refuses an end within a second", `action: Deny, expires: "2027-01-31T00:00:00.5Z"`, "is not a time with date, hour and zone"),
	Entry("takes an end in another zone", `action: Deny, expires: "2027-01-31T00:00:00+01:00"`, ""),
	Entry("advises on subjects", `action: Deny, subjects: []`, "spec.subjects: unknown field: write principals"),
	Entry("advises on effect", `effect: Deny, action: Deny`, "spec.effect: unknown field: write action"),
)

var _ = Describe("A GateRule", func() {
	It("tells the place in a condition of more lines", func() {
		expectFaults(faultsOf("apiVersion: mirroros.dev/v1alpha1\nkind: GateRule\nmetadata: {name: a}\nspec:\n  action: Deny\n  when: |\n    request.size > 1\n      && llm.modle == \"a\"\n"),
			`a.yaml:6:9  spec.when: "&& llm.modle == \"a\"": line 2, column 9 of the condition: llm has no field modle, did you mean llm.model?`)
	})

	It("has a field that YAML reads as true, and declares it by its name", func() {
		text := "apiVersion: mirroros.dev/v1alpha1\nkind: GateRule\nmetadata: {name: a}\nspec:\n  filters: [{type: BlockInjection, on: Both}, {type: BlockInjection, \"on\": Response}]\n"
		docs, faults := specs.Load("a.yaml", []byte(text))
		Expect(faults).To(BeEmpty())
		Expect(docs[0].Object.(*specs.GateRule).Spec.Filters[0].On).To(Equal(specs.FilterBoth))
		Expect(docs[0].Declared()["spec"]).To(HaveKeyWithValue("filters", []any{
			map[string]any{"type": "BlockInjection", "on": "Both"}, map[string]any{"type": "BlockInjection", "on": "Response"}}))
		data, err := specs.YAMLToJSON([]byte(text))
		Expect(err).NotTo(HaveOccurred())
		o, err := specs.Decode(data)
		Expect(err).NotTo(HaveOccurred())
		specs.Default(o)
		Expect(equality.Semantic.DeepEqual(o, docs[0].Object)).To(BeTrue())
	})

	It("does not have it twice", func() {
		expectFaults(kindFaults("GateRule", `{filters: [{type: BlockInjection, on: Both, "on": Both}]}`), "spec.filters[0].on: is set twice")
	})
})

var _ = DescribeTable("References of", func(kind, spec string, want ...specs.Ref) {
	docs, faults := specs.Load("a.yaml", []byte("apiVersion: mirroros.dev/v1alpha1\nkind: "+kind+"\nmetadata: {name: a}\nspec: {"+spec+"}\n"))
	Expect(faults).To(BeEmpty())
	Expect(specs.References(docs[0].Object)).To(Equal(want))
},
	Entry("a Process", "Process", `command: [b, $(MIRROROS_GATE_FRONT)], args: [$(MIRROROS_GATE_FRONT)], env: [{name: MIRROROS_GATE_OWN, value: $(MIRROROS_GATE_MY_GATE)}, `+
		`{name: B, value: $(MIRROROS_GATE_OWN)}], principal: p, proxy: {gate: out}, dependsOn: [{process: b}, {route: r}]`,
		specs.Ref{FromField: "spec.dependsOn[0].process", Kind: "Process", Name: "b"}, specs.Ref{FromField: "spec.dependsOn[1].route", Kind: "Route", Name: "r"},
		specs.Ref{FromField: "spec.principal", Kind: "Principal", Name: "p"}, specs.Ref{FromField: "spec.proxy.gate", Kind: "Gate", Name: "out"},
		specs.Ref{FromField: "spec.command[1]", Kind: "Gate", Name: "front"}, specs.Ref{FromField: "spec.env[0].value", Kind: "Gate", Name: "my-gate"}),
	Entry("a Route", "Route", openAI+`, backends: [{url: "http://127.0.0.1"}, {process: p}], fallbacks: [{process: q}]`,
		specs.Ref{FromField: "spec.gate", Kind: "Gate", Name: "g"}, specs.Ref{FromField: "spec.backends[1].process", Kind: "Process", Name: "p"},
		specs.Ref{FromField: "spec.fallbacks[0].process", Kind: "Process", Name: "q"}),
	Entry("a GateRule", "GateRule", `gates: [g], routes: [r], principals: {names: [system/anonymous, p, process/q]}, action: Allow`,
		specs.Ref{FromField: "spec.gates[0]", Kind: "Gate", Name: "g"}, specs.Ref{FromField: "spec.routes[0]", Kind: "Route", Name: "r"},
		specs.Ref{FromField: "spec.principals.names[1]", Kind: "Principal", Name: "p"}, specs.Ref{FromField: "spec.principals.names[2]", Kind: "Process", Name: "q"}),
)

var _ = It("Load takes the examples that show everything of these kinds", func() {
	data, err := os.ReadFile("testdata/load/gate.yaml")
	Expect(err).NotTo(HaveOccurred())
	docs, faults := specs.Load("gate.yaml", data)
	Expect(faults).To(BeEmpty())
	Expect(docs).To(HaveLen(16))
	for _, d := range docs {
		Expect(specs.Validate(d.Object)).To(BeEmpty())
	}
})
