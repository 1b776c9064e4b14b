package specs_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/specs"
)

// checkOf is a check of a process that has more in its spec.
func checkOf(more string) string { return "{target: {process: web}, " + more + "}" }

// promptOf is a check of a route that asks it something.
func promptOf(prompt string) string { return "{target: {route: chat}, prompt: {" + prompt + "}}" }

var _ = DescribeTable("Validate of a Check", func(spec, want string) { expectFaults(kindFaults("Check", spec), want) },
	Entry("takes the least", checkOf("tcpSocket: {port: http}"), ""),
	Entry("takes everything", checkOf(`why: a, httpGet: {path: /x, port: 80, scheme: HTTPS, httpHeaders: [{name: A, value: b}]}, timeout: 100ms, interval: 0s, count: 100, `+
		`failureLimit: 99, schedule: {every: 10s}`), ""),
	Entry("refuses no target", "{tcpSocket: {port: 1}}", "spec.target: is missing"),
	Entry("refuses an empty target", "{target: {}, tcpSocket: {port: 1}}", "a.yaml:4:16  spec.target: is missing: what it looks at"),
	Entry("refuses a target that can be none", "{target: {process: A_b}, tcpSocket: {port: 1}}", "spec.target.process: "),
	Entry("refuses to look at nothing", "{target: {process: web}}", "spec: is missing: exactly one of httpGet, tcpSocket, exec and prompt"),
	Entry("refuses to look in two ways", checkOf("tcpSocket: {port: 1}, exec: {command: [a]}"), "spec.exec: there is another action already"),
	Entry("refuses a port beyond all", checkOf("tcpSocket: {port: 70000}"), "spec.tcpSocket.port: 70000: must be from 1 to 65535"),
	Entry("refuses a port that can be none", checkOf("httpGet: {port: a b}"), "spec.httpGet.port: "),
	Entry("refuses no port", checkOf("httpGet: {path: /}"), "spec.httpGet.port: is missing"),
	Entry("refuses a path without a stroke", checkOf("httpGet: {path: x, port: 1}"), "spec.httpGet.path: "),
	Entry("refuses an empty command", checkOf("exec: {command: []}"), "spec.exec.command: is missing"),
	Entry("refuses no time", checkOf("tcpSocket: {port: 1}, timeout: 1ms"), "spec.timeout: \"1ms\": must be at least 100ms"),
	Entry("refuses a negative interval", checkOf("tcpSocket: {port: 1}, interval: -1s"), "spec.interval: \"-1s\": must not be negative"),
	Entry("refuses no measurement", checkOf("tcpSocket: {port: 1}, count: 0"), "spec.count: 0: must be from 1 to 100"),
	Entry("refuses a check that could not fail", checkOf("tcpSocket: {port: 1}, count: 3, failureLimit: 3"), "spec.failureLimit: 3: must be less than count, which is 3"),
	Entry("refuses a negative limit", checkOf("tcpSocket: {port: 1}, failureLimit: -1"), "spec.failureLimit: -1: must not be negative"),
	Entry("refuses a schedule without a time", checkOf("tcpSocket: {port: 1}, schedule: {}"), "spec.schedule.every: is missing"),
	Entry("refuses a schedule of less than a second", checkOf("tcpSocket: {port: 1}, timeout: 100ms, schedule: {every: 500ms}"), "spec.schedule.every: \"500ms\": must be at least 1s"),
	Entry("refuses a schedule shorter than a run can take", checkOf("tcpSocket: {port: 1}, timeout: 2s, interval: 1s, count: 3, schedule: {every: 7s}"),
		`spec.schedule.every: "7s": is shorter than a run can take, which is 8s`),
	Entry("takes a prompt with everything", "{target: {route: chat}, prompt: {messages: [{role: system, content: a}, {role: user, content: b}], model: house, maxTokens: 4096, "+
		"expect: {contains: [a], matches: [b], doesNotMatch: [\"(?i)c\"], maxLatency: 5s, maxTokens: 9}}}", ""),
	Entry("refuses a prompt to a process", checkOf("prompt: {messages: [{role: user, content: a}]}"), "spec.target.process: a prompt is for a route"),
	Entry("refuses a connection to a route", "{target: {route: chat}, tcpSocket: {port: 1}}", "spec.target.route: tcpSocket is for a process"),
	Entry("refuses two targets", "{target: {process: a, route: chat}, tcpSocket: {port: 1}}", "spec.target.route: there is a process already"),
	Entry("refuses to ask nothing", promptOf("messages: []"), "spec.prompt.messages: is missing"),
	Entry("refuses a role that is none", promptOf("messages: [{role: User, content: a}]"), `spec.prompt.messages[0].role: "User": must be system, user or assistant, did you mean "user"?`),
	Entry("refuses a message of nothing", promptOf("messages: [{role: user, content: ''}]"), "spec.prompt.messages[0].content: is missing"),
	Entry("refuses to end with an answer", promptOf("messages: [{role: assistant, content: a}]"), "spec.prompt.messages[0].role: \"assistant\": must be user"),
	Entry("refuses no tokens", promptOf("messages: [{role: user, content: a}], maxTokens: 0"), "spec.prompt.maxTokens: 0: must be from 1 to 4096"),
	Entry("refuses a pattern that is none, at its place", promptOf("messages: [{role: user, content: a}], expect: {doesNotMatch: [ok, '(']}"),
		"a.yaml:4:106  spec.prompt.expect.doesNotMatch[1]: \"(\": error parsing regexp: missing closing )"),
	Entry("refuses to look for nothing", promptOf("messages: [{role: user, content: a}], expect: {contains: ['']}"), "spec.prompt.expect.contains[0]: is missing"),
	Entry("refuses to look for words in a refusal", promptOf("messages: [{role: user, content: a}], expect: {contains: [a], refusalExpected: true}"), "spec.prompt.expect.refusalExpected: a refusal need not"),
	Entry("refuses to wait for longer than the timeout", promptOf("messages: [{role: user, content: a}], expect: {maxLatency: 6s}"), `spec.prompt.expect.maxLatency: "6s": must be at most spec.timeout, which is 5s`),
	Entry("takes one that is just as long", checkOf("tcpSocket: {port: 1}, timeout: 2s, interval: 1s, count: 3, schedule: {every: 8s}"), ""),
)

// stated is a check of process web with a schedule and a verdict.
func stated(name string, verdict specs.CheckVerdict, target int64) *specs.Check {
	c := &specs.Check{ObjectMeta: metav1.ObjectMeta{Name: name, Generation: 1}, Spec: specs.CheckSpec{Target: specs.CheckTarget{Process: "web"}, Schedule: &specs.CheckSchedule{}},
		Status: specs.CheckStatus{ObservedGeneration: 1, Verdict: verdict, LastRun: &specs.CheckRun{TargetGeneration: target}}}
	c.Status.Conditions = []metav1.Condition{{Type: specs.ConditionPassing, Message: "of " + name}}
	return c
}

var _ = DescribeTable("CheckedConditions",
	func(checks []*specs.Check, want string) {
		list := specs.CheckedConditions(checks, "Process", "web")
		if want == "" {
			Expect(list).To(BeEmpty())
			return
		}
		Expect(list).To(HaveLen(1))
		c := list[0]
		Expect(c.Type).To(Equal(specs.ConditionHealthy))
		Expect(string(c.Status) + " " + c.Reason + " " + c.Message).To(Equal(want))
	},
	Entry("says nothing where nothing is checked", nil, ""),
	Entry("says nothing of another's", []*specs.Check{func() *specs.Check {
		c := stated("a", specs.CheckFailing, 1)
		c.Spec.Target.Process = "other"
		return c
	}()}, ""),
	Entry("says nothing without a schedule", []*specs.Check{func() *specs.Check { c := stated("a", specs.CheckFailing, 1); c.Spec.Schedule = nil; return c }()}, ""),
	Entry("is True when all pass", []*specs.Check{stated("a", specs.CheckPassing, 1), stated("b", specs.CheckPassing, 1)}, "True ChecksPassing 2 of 2 checks pass"),
	Entry("is False when one fails, whatever the others say", []*specs.Check{stated("a", specs.CheckUnknown, 1), stated("b", specs.CheckFailing, 1)}, "False CheckFailing check/b: of b"),
	Entry("is Unknown when one is", []*specs.Check{stated("a", specs.CheckPassing, 1), stated("b", specs.CheckUnknown, 1)}, "Unknown CheckUnknown check/b: of b"),
	Entry("is Unknown when one is inconclusive", []*specs.Check{stated("a", specs.CheckInconclusive, 1)}, "Unknown CheckUnknown check/a: of a"),
	Entry("is Unknown of one that is declared otherwise since", []*specs.Check{func() *specs.Check { c := stated("a", specs.CheckPassing, 1); c.Generation = 2; return c }()}, "Unknown CheckUnknown check/a: it has not run yet"),
	Entry("names three", []*specs.Check{stated("a", specs.CheckFailing, 1), stated("b", specs.CheckFailing, 1), stated("c", specs.CheckFailing, 1), stated("d", specs.CheckFailing, 1)},
		"False CheckFailing check/a: of a; check/b: of b; check/c: of c; and 1 more"),
)

var _ = Describe("CheckedConditions", func() {
	It("is of the oldest generation that a check looked at", func() {
		c := specs.CheckedConditions([]*specs.Check{stated("a", specs.CheckPassing, 7), stated("b", specs.CheckPassing, 3)}, "Process", "web")[0]
		Expect(c.ObservedGeneration).To(BeEquivalentTo(3))
	})
})
