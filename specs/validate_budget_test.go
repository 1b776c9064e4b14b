package specs_test

import (
	"math"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/specs"
)

// limitOf is a budget for all with one limit.
func limitOf(limit string) string {
	return "{principals: {all: true}, limits: [{name: a, " + limit + "}]}"
}

var _ = DescribeTable("Validate of a TokenBudget", func(spec, want string) { expectFaults(kindFaults("TokenBudget", spec), want) },
	Entry("takes the least", limitOf("tokens: 1"), ""),
	Entry("takes everything", `{why: a, parent: b, principals: {types: [Agent], names: [c, process/d, system/anonymous], matchLabels: {a: b}}, account: Each, `+
		`scope: {gates: [front], routes: [chat], models: ["house-*"]}, limits: [{name: a, tokens: 100k, window: {sliding: 1h}}, {name: b, inputTokens: 1M, window: {calendar: Week}}, `+
		`{name: c, outputTokens: "5", window: {calendar: Day, timeZone: Europe/Berlin}}, {name: d, cost: "0.000000001", currency: EUR}, {name: e, requests: 600}, `+
		`{name: f, concurrency: 4, onExceeded: {action: Queue, maxWait: 10m}}], onExceeded: {action: Downgrade, route: small}, thresholds: [1, 50, 100]}`, ""),
	Entry("refuses nobody", "{limits: [{name: a, tokens: 1}]}", "a.yaml:4:7  spec.principals: is missing: whom it is for"),
	Entry("refuses an empty selector", "{principals: {}, limits: [{name: a, tokens: 1}]}", "a.yaml:4:20  spec.principals: is missing: names, types, matchLabels, or all: true"),
	Entry("refuses all and some", "{principals: {all: true, names: [b]}, limits: [{name: a, tokens: 1}]}", "spec.principals.all: means every principal"),
	Entry("refuses another's account", "{principals: {all: true}, account: each, limits: [{name: a, tokens: 1}]}", `must be Shared or Each, did you mean "Each"?`),
	Entry("refuses an empty scope", "{principals: {all: true}, scope: {}, limits: [{name: a, tokens: 1}]}", "a.yaml:4:40  spec.scope: is missing: gates, routes or models"),
	Entry("refuses a model with a star within", "{principals: {all: true}, scope: {models: [a*b]}, limits: [{name: a, tokens: 1}]}", "spec.scope.models[0]: "),
	Entry("refuses a route twice", "{principals: {all: true}, scope: {routes: [a, a]}, limits: [{name: a, tokens: 1}]}", `spec.scope.routes[1]: "a"`),
	Entry("refuses no limit", "{principals: {all: true}, limits: []}", "a.yaml:4:41  spec.limits: is missing: a list of"),
	Entry("refuses a limit twice", "{principals: {all: true}, limits: [{name: a, tokens: 1}, {name: a, requests: 1}]}", `a.yaml:4:71  spec.limits[1].name: "a"`),
	Entry("refuses a limit without a name", "{principals: {all: true}, limits: [{tokens: 1}]}", "spec.limits[0].name: is missing"),
	Entry("refuses a limit of nothing", "{principals: {all: true}, limits: [{name: a}]}", "a.yaml:4:42  spec.limits[0]: is missing: exactly one of tokens, inputTokens"),
	Entry("refuses two measures in a limit", limitOf("tokens: 1, requests: 1"), "a.yaml:4:73  spec.limits[0].requests: the limit is of tokens already: write a limit of its own"),
	Entry("refuses no tokens", limitOf("tokens: 0"), `a.yaml:4:60  spec.limits[0].tokens: "0": must be from 1 to 1P`),
	Entry("refuses fewer than no tokens", limitOf("inputTokens: -5"), `spec.limits[0].inputTokens: "-5": must be from 1 to 1P`),
	Entry("refuses more tokens than there are", limitOf("outputTokens: 2P"), `spec.limits[0].outputTokens: "2P": must be from 1 to 1P`),
	Entry("refuses tokens beyond every number", limitOf("tokens: 99999999999999999999E"), "must be from 1 to 1P"),
	Entry("refuses a part of a token", limitOf("tokens: 1500m"), "must be a whole number of tokens: m stands for thousandths"),
	Entry("takes a number with a point that is whole", limitOf("tokens: 1.5k"), ""),
	Entry("refuses no requests", limitOf("requests: 0"), "a.yaml:4:62  spec.limits[0].requests: 0: must be from 1 to 1000000000000"),
	Entry("refuses fewer than no requests", limitOf("requests: -1"), "must be from 1 to"),
	Entry("refuses too many at once", limitOf("concurrency: 1000001"), "spec.limits[0].concurrency: 1000001: must be from 1 to 1000000"),
	Entry("refuses money without a currency", limitOf(`cost: "1.00"`), "spec.limits[0].currency: is missing: the code of a currency"),
	Entry("refuses a currency that is no code", limitOf(`cost: "1.00", currency: euro`), `a.yaml:4:76  spec.limits[0].currency: "euro": must be the code of a currency by ISO 4217`),
	Entry("refuses a currency of tokens", limitOf("tokens: 1, currency: EUR"), "spec.limits[0].currency: is for a limit of cost"),
	Entry("refuses two currencies", `{principals: {all: true}, limits: [{name: a, cost: "1", currency: EUR}, {name: b, cost: "1", currency: USD}]}`,
		`spec.limits[1].currency: "USD": another limit of the budget is in EUR`),
	Entry("refuses money as a number", limitOf("cost: 1.50, currency: EUR"), "a.yaml:4:58  spec.limits[0].cost: 1.50 is read as the number 1.5 by YAML; put it in quotes"),
	Entry("refuses money with a sign", limitOf(`cost: "-1.00", currency: EUR`), `a.yaml:4:58  spec.limits[0].cost: "-1.00": is no decimal number`),
	Entry("refuses money with an exponent", limitOf(`cost: "1e3", currency: EUR`), "is no decimal number"),
	Entry("refuses money with a comma", limitOf(`cost: "1,00", currency: EUR`), "is no decimal number"),
	Entry("refuses less than a billionth", limitOf(`cost: "0.0000000001", currency: EUR`), "has more than nine decimals"),
	Entry("refuses no money", limitOf(`cost: "0.00", currency: EUR`), "must be more than 0"),
	Entry("refuses absurd money", limitOf(`cost: "99999999999999999999", currency: EUR`), "is more than 9 billion"),
	Entry("refuses more than a billion", limitOf(`cost: "1000000000.01", currency: EUR`), "must be at most 1000000000"),
	Entry("refuses a window of calls at once", limitOf("concurrency: 1, window: {sliding: 1h}"), "a.yaml:4:76  spec.limits[0].window: concurrency counts the calls that are under way now"),
	Entry("refuses an empty window", limitOf("tokens: 1, window: {}"), "spec.limits[0].window: is missing: sliding: DURATION, or calendar"),
	Entry("refuses two windows", limitOf("tokens: 1, window: {sliding: 1h, calendar: Day}"), "spec.limits[0].window.calendar: the window is sliding already"),
	Entry("refuses a window that is too short", limitOf("tokens: 1, window: {sliding: 10ms}"), "must be at least 1s"),
	Entry("refuses a window that is too long", limitOf("tokens: 1, window: {sliding: 745h}"), "must be at most 744h"),
	Entry("refuses a unit that is none", limitOf("tokens: 1, window: {calendar: Mounth}"), `must be Hour, Day, Week or Month, did you mean "Month"?`),
	Entry("refuses a zone that is none", limitOf("tokens: 1, window: {calendar: Day, timeZone: Europe/Berln}"),
		`a.yaml:4:97  spec.limits[0].window.timeZone: "Europe/Berln": is no time zone of the IANA database`),
	Entry("refuses the zone of whoever reads", limitOf("tokens: 1, window: {calendar: Day, timeZone: Local}"), "is no time zone of the IANA database"),
	Entry("refuses a zone outside of the database", limitOf("tokens: 1, window: {calendar: Day, timeZone: ../../etc/localtime}"), "is no time zone of the IANA database"),
	Entry("refuses a zone of a sliding window", limitOf("tokens: 1, window: {sliding: 1h, timeZone: UTC}"), "spec.limits[0].window.timeZone: is for a window of the calendar"),
	Entry("refuses an action that is none", limitOf("tokens: 1, onExceeded: {action: Reject}"), "spec.limits[0].onExceeded.action: "),
	Entry("refuses no action", limitOf("tokens: 1, onExceeded: {maxWait: 1s}"), ""+"spec.limits[0].onExceeded.action: is missing"),
	Entry("refuses to wait for ever", limitOf("tokens: 1, onExceeded: {action: Queue, maxWait: 11m}"), "must be at most 10m"),
	Entry("refuses to wait where nobody waits", limitOf("tokens: 1, onExceeded: {action: Deny, maxWait: 1s}"), "spec.limits[0].onExceeded.maxWait: is for action Queue"),
	Entry("refuses a downgrade to nowhere", limitOf("tokens: 1, onExceeded: {action: Downgrade}"), "spec.limits[0].onExceeded.route: is missing"),
	Entry("refuses a route of a refusal", limitOf("tokens: 1, onExceeded: {action: Deny, route: a}"), "spec.limits[0].onExceeded.route: is for action Downgrade"),
	Entry("refuses thresholds that fall", "{principals: {all: true}, limits: [{name: a, tokens: 1}], thresholds: [80, 50]}", "a.yaml:4:82  spec.thresholds[1]: 50: must be more than the one before it, which is 80"),
	Entry("refuses a threshold of nothing", "{principals: {all: true}, limits: [{name: a, tokens: 1}], thresholds: [0]}", "spec.thresholds[0]: 0: must be from 1 to 100 percent"),
	Entry("refuses a threshold of more than all", "{principals: {all: true}, limits: [{name: a, tokens: 1}], thresholds: [50, 101]}", "must be from 1 to 100 percent"),
	Entry("advises on a quota", "{principals: {all: true}, limits: [{name: a, tokens: 1}], hard: {tokens: 1}}", "unknown field: write limits, a list"),
)

// priced is a route of a protocol with pricing.
func priced(protocol, match, pricing string) string {
	return "{gate: front, protocol: " + protocol + ", match: " + match + ", backends: [{process: a}], pricing: " + pricing + "}"
}

func pricedModel(pricing string) string { return priced("OpenAI", "{models: [a]}", pricing) }

var _ = DescribeTable("Validate of pricing", func(spec, want string) { expectFaults(kindFaults("Route", spec), want) },
	Entry("takes what is free", pricedModel("{free: true}"), ""),
	Entry("takes every price", pricedModel(`{currency: EUR, inputPerMillion: "2.80", cachedInputPerMillion: "0.28", outputPerMillion: "14", perCall: "0.001"}`), ""),
	Entry("takes a price of a call to tools", priced("MCP", "{path: /a}", `{currency: EUR, perCall: "0.001"}`), ""),
	Entry("refuses nothing said", pricedModel("{}"), "spec.pricing: is missing: write free: true, or currency and a price"),
	Entry("refuses a currency without a price", pricedModel("{currency: EUR}"), "spec.pricing: is missing"),
	Entry("refuses a price without a currency", pricedModel(`{inputPerMillion: "1"}`), "spec.pricing.currency: is missing"),
	Entry("refuses what is free and has a price", pricedModel(`{free: true, perCall: "1"}`), "spec.pricing.perCall: it is free"),
	Entry("refuses what is free and has a currency", pricedModel(`{free: true, currency: EUR}`), "spec.pricing.currency: it is free"),
	Entry("refuses a price that is no number", pricedModel(`{currency: EUR, inputPerMillion: "free"}`), `a.yaml:4:129  spec.pricing.inputPerMillion: "free": is no decimal number`),
	Entry("refuses an absurd price", pricedModel(`{currency: EUR, outputPerMillion: "1000001"}`), "must be at most 1000000"),
	Entry("refuses cached input that is dearer", pricedModel(`{currency: EUR, inputPerMillion: "1", cachedInputPerMillion: "2"}`),
		"spec.pricing.cachedInputPerMillion: \"2\": must not be more than inputPerMillion"),
	Entry("refuses tokens where none are counted", priced("HTTP", "{path: /a}", `{currency: EUR, inputPerMillion: "1"}`), "spec.pricing.inputPerMillion: is for protocols OpenAI and Anthropic"),
	Entry("refuses a price of a tunnel", `{gate: front, protocol: TCP, backends: [{url: "tcp://127.0.0.1:1"}], pricing: {free: true}}`, "a.yaml:4:85  spec.pricing: what passes a tunnel is not read"),
	Entry("refuses a price of a tunnel's backend", `{gate: front, protocol: TCP, backends: [{url: "tcp://127.0.0.1:1", pricing: {free: true}}]}`, "spec.backends[0].pricing: what passes a tunnel"),
	Entry("refuses a price of hosts", `{gate: front, protocol: CONNECT, match: {hosts: ["localhost:1"]}, pricing: {free: true}}`, "spec.pricing: what passes a tunnel"),
	Entry("refuses a fallback's price in its place", `{gate: front, protocol: OpenAI, match: {models: [a]}, backends: [{process: a}], fallbacks: [{process: b, pricing: {currency: eur, perCall: "1"}}]}`,
		"spec.fallbacks[0].pricing.currency: \"eur\": must be the code"),
	Entry("takes a learned bound of input", "{gate: front, protocol: OpenAI, match: {models: [a]}, backends: [{process: a}], limits: {inputTokens: {bound: Learned}, imageTokens: 1500}}", ""),
	Entry("refuses a bound that is none", "{gate: front, protocol: OpenAI, match: {models: [a]}, backends: [{process: a}], limits: {inputTokens: {bound: Guessed}}}",
		"spec.limits.inputTokens.bound: \"Guessed\": must be Bytes or Learned"),
	Entry("refuses images that count nothing", "{gate: front, protocol: OpenAI, match: {models: [a]}, backends: [{process: a}], limits: {imageTokens: 0}}", "spec.limits.imageTokens: 0: must be from 1 to 1000000"),
)

var _ = Describe("money", func() {
	DescribeTable("is read and written", func(text string, nano int64, written string) {
		Expect(specs.ParseMoney(text)).To(Equal(nano))
		Expect(specs.FormatMoney(nano)).To(Equal(written))
	},
		Entry(nil, "0", int64(0), "0.00"), Entry(nil, "20", int64(20e9), "20.00"), Entry(nil, "20.5", int64(20.5e9), "20.50"),
		Entry(nil, "0.000000001", int64(1), "0.000000001"), Entry(nil, "0.10", int64(1e8), "0.10"), Entry(nil, "9223372036.854775807", int64(math.MaxInt64), "9223372036.854775807"))

	It("may be owed", func() {
		Expect(specs.FormatMoney(-1_500_000_000)).To(Equal("-1.50"))
		Expect(specs.FormatMoney(math.MinInt64)).To(Equal("-9223372036.854775808"))
	})
})
