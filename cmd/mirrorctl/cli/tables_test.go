package cli

import (
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/specs"
)

var text = EntryDescription("%v")

var _ = DescribeTable("splitting a command line", text,
	func(s string, want ...string) {
		got, err := splitWords(s)
		Expect(err).NotTo(HaveOccurred())
		Expect(got).To(HaveExactElements(want))
	},
	Entry(nil, `a b  c`, "a", "b", "c"),
	Entry(nil, `a 'b c' d`, "a", "b c", "d"),
	Entry(nil, `a "b \"c\" \d" e\ f`, "a", `b "c" \d`, "e f"),
	Entry(nil, `x=''`, "x="),
	Entry(nil, `a '' ""`, "a", "", ""),
	Entry(nil, `py $(PORT_HTTP) "$(A) b"`, "py", "$(PORT_HTTP)", "$(A) b"),
	Entry(nil, `sh -c 'a | b > c'`, "sh", "-c", "a | b > c"),
	Entry(nil, `a '|' "&&"`, "a", "|", "&&"),
)

var _ = DescribeTable("a command line that no program can be given", text,
	func(s, why string) {
		_, err := splitWords(s)
		Expect(err).To(MatchError(ContainSubstring(why)))
	},
	Entry(nil, `a 'b`, "not closed"),
	Entry(nil, `a "b`, "not closed"),
	Entry(nil, `a \`, `ends with a \`),
	Entry(nil, `a | b`, "needs a shell"),
	Entry(nil, `a && b`, "needs a shell"),
	Entry(nil, `a > b`, "needs a shell"),
)

var _ = DescribeTable("the editor's command line", text,
	func(visual, editor string, line int, want ...string) {
		got, err := editorCommand(visual, editor, "f.yaml", line)
		Expect(err).NotTo(HaveOccurred())
		Expect(got).To(HaveExactElements(want))
	},
	Entry(nil, "", "", 7, "vi", "+7", "f.yaml"),
	Entry(nil, "", "", 1, "vi", "f.yaml"),
	Entry(nil, "nano", "vi", 7, "nano", "+7", "f.yaml"),
	Entry(nil, " ", "/usr/bin/vim -n", 7, "/usr/bin/vim", "-n", "+7", "f.yaml"),
	Entry(nil, "code --wait", "", 7, "code", "--wait", "--goto", "f.yaml:7"),
	Entry(nil, "hx", "", 7, "hx", "f.yaml:7"),
	Entry(nil, "'/opt/my editor' -x", "", 7, "/opt/my editor", "-x", "f.yaml"),
)

var _ = DescribeTable("what wait waits for",
	func(what, event, status string, want bool) {
		reached, err := parseGoal(what)
		Expect(err).NotTo(HaveOccurred())
		object := fmt.Sprintf(`{"metadata":{"generation":2},"status":%s}`, status)
		got, _, err := reached(watchEvent{Type: event, Object: json.RawMessage(object)})
		Expect(err).NotTo(HaveOccurred())
		Expect(got).To(Equal(want))
	},
	Entry("a condition that holds", "condition=Ready", "ADDED", `{"conditions":[{"type":"Ready","status":"True"}]}`, true),
	Entry("in any case of letters", "condition=ready=true", "ADDED", `{"conditions":[{"type":"Ready","status":"True"}]}`, true),
	Entry("a condition that does not hold", "condition=Ready", "MODIFIED", `{"conditions":[{"type":"Ready","status":"False"}]}`, false),
	Entry("a condition that is to be false", "condition=Ready=False", "MODIFIED", `{"conditions":[{"type":"Ready","status":"False"}]}`, true),
	Entry("a condition of the spec before", "condition=Ready", "MODIFIED", `{"conditions":[{"type":"Ready","status":"True","observedGeneration":1}]}`, false),
	Entry("no condition", "condition=Ready", "ADDED", `{}`, false),
	Entry("the condition of what has gone", "condition=Ready", "DELETED", `{"conditions":[{"type":"Ready","status":"True"}]}`, false),
	Entry("a deletion", "delete", "DELETED", `{}`, true),
	Entry("a deletion that has not come", "delete", "MODIFIED", `{}`, false),
	Entry("a value", "jsonpath={.status.n}=2", "MODIFIED", `{"n":2}`, true),
	Entry("another value", "jsonpath={.status.n}=2", "MODIFIED", `{"n":3}`, false),
	Entry("a value that is not there", "jsonpath={.status.m}=2", "MODIFIED", `{}`, false),
)

var _ = DescribeTable("a goal that is none", text,
	func(what string) {
		_, err := parseGoal(what)
		Expect(err).To(MatchError(ContainSubstring("--for")))
	},
	Entry(nil, "ready"), Entry(nil, "jsonpath={.a}"), Entry(nil, ""),
)

var _ = DescribeTable("a line diff",
	func(a, b string, want ...string) { Expect(diffLines(lines(a), lines(b))).To(HaveExactElements(want)) },
	Entry("nothing", "", ""),
	Entry("the same", "a\nb", "a\nb", " a", " b"),
	Entry("new", "", "a\n\nb", "+a", "+", "+b"),
	Entry("gone", "a", "", "-a"),
	Entry("one line", "a\nb\nc", "a\nx\nc", " a", "-b", "+x", " c"),
	Entry("a line put in", "a\nc", "a\nb\nc", " a", "+b", " c"),
)

var _ = DescribeTable("what is asked of a log",
	func(o logOptions, want url.Values) {
		got, err := o.query(testNow)
		Expect(err).NotTo(HaveOccurred())
		Expect(url.ParseQuery(got)).To(Equal(want))
	},
	Entry("everything", logOptions{tail: -1}, url.Values{}),
	Entry("nothing but what comes", logOptions{tail: 0, follow: true}, url.Values{"tailLines": {"0"}, "follow": {"true"}}),
	Entry("the run before", logOptions{tail: 5, previous: true, timestamps: true}, url.Values{"tailLines": {"5"}, "previous": {"true"}, "timestamps": {"true"}}),
	Entry("since a while", logOptions{tail: -1, since: "10m"}, url.Values{"sinceTime": {"2026-11-23T13:50:00Z"}}),
	Entry("since a time", logOptions{tail: -1, since: "2026-11-23T14:00:00+02:00"}, url.Values{"sinceTime": {"2026-11-23T12:00:00Z"}}),
)

var _ = Describe("a time that is none", func() {
	It("is a usage error", func() {
		_, err := logOptions{since: "yesterday"}.query(time.Time{})
		Expect(err).To(MatchError(ContainSubstring("want a duration")))
	})
})

var _ = DescribeTable("faults between documents",
	func(yaml string, want ...string) {
		docs, faults := specs.Load("a.yaml", []byte(yaml))
		Expect(faults).To(BeEmpty())
		s := newDocumentSet(docs)
		all := append(s.faults(), s.unresolved()...)
		sortFaults(all)
		var got []string
		for _, f := range all {
			got = append(got, f.String())
		}
		Expect(got).To(HaveExactElements(want))
	},
	Entry("none", processes("a", "", "b", "a")),
	Entry("the same name twice", processes("a", "", "a", ""), "a.yaml:9:18  metadata.name: process/a is declared in a.yaml:1 already"),
	Entry("a dependency that is not there", processes("ollama", "", "b", "olama"), `a.yaml:11:25  spec.dependsOn[0].process: no process "olama", did you mean "ollama"?`),
	Entry("a circle", processes("a", "b", "b", "c", "c", "a"), "a.yaml:17:25  spec.dependsOn[0].process: depends on itself: a -> b -> c -> a"),
	Entry("a port twice", "apiVersion: mirroros.dev/v1alpha1\nkind: Process\nmetadata: {name: a}\nspec: {command: [x], ports: [{name: p, port: 80}]}\n---\n"+
		"apiVersion: mirroros.dev/v1alpha1\nkind: Process\nmetadata: {name: b}\nspec: {command: [x], ports: [{name: p, port: 80}]}\n",
		"a.yaml:9:46  spec.ports[0].port: port 80 is the port of process/a, in a.yaml:1"),
)

// processes are documents of six lines: names, each with what it depends on.
func processes(pairs ...string) (out string) {
	for i := 0; i < len(pairs); i += 2 {
		depends := ""
		if pairs[i+1] != "" {
			depends = "{process: " + pairs[i+1] + "}"
		}
		out += fmt.Sprintf("apiVersion: mirroros.dev/v1alpha1\nkind: Process\nmetadata: {name: %s}\nspec: {command: [x],\n  dependsOn: [%s]}\n---\n", pairs[i], depends)
	}
	return out
}
