package specs_test

import (
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// badText is a manifest that must be refused, with faults that contain these.
type badText struct {
	name, text string
	want       []string
}

const body = head + "  command: [a]\n"

var badTexts = []badText{
	{"an empty file", "", []string{"a.yaml  the file is empty"}},
	{"a file of spaces", " \n\r\n", []string{"the file is empty"}},
	{"NUL bytes", body + "\x00\x00", []string{"a.yaml:7:1  has a NUL byte"}},
	{"invalid UTF-8", head + "  why: \xff\xfe\n", []string{"a.yaml:6:8  is not UTF-8"}},
	{"UTF-16", "\xff\xfea\x00", []string{"is UTF-16"}},
	{"old Mac line ends", "apiVersion: a\rkind: b\r", []string{"a.yaml:1:14  has a line break"}},
	{"a list", "- a\n", []string{"a.yaml:1:1  is a list; a manifest is a mapping"}},
	{"a scalar, as half a file", "apiVer", []string{`a.yaml:1:1  is the text "apiVer"; a manifest is a mapping`}},
	{"a tab", head + "\tcommand: [a]\n", []string{"a.yaml:6:1  is indented with a tab; YAML wants spaces"}},
	{"a bracket that is not closed", head + "  command: [a\n", []string{"a.yaml:6  is no YAML", "a bracket is not closed"}},
	{"a quote that is not closed", head + "  command: [\"a]\n", []string{"is no YAML", "a quote is not closed"}},
	{"a colon in a value", head + "  why: a: b\n", []string{"a.yaml:6  is no YAML", "a value with a colon and a space in it needs quotes"}},
	{"a line indented otherwise", body + " why: a\n", []string{"a.yaml:7  is no YAML: did not find expected key"}},
	{"a first line indented more than the rest", "  apiVersion: mirroros.dev/v1alpha1\nkind: Process\n", []string{"a.yaml:1  what follows the first lines is indented less"}},
	{"an unknown field", head + "  comand: [a]\n", []string{`a.yaml:6:3  spec.comand: unknown field, did you mean "command"?`}},
	{"a field in another case", head + "  Command: [a]\n", []string{`a.yaml:6:3  spec.Command: unknown field, did you mean "command"?`}},
	{"a field at the wrong depth", "apiVersion: mirroros.dev/v1alpha1\nkind: Process\nmetadata: {name: web}\ncommand: [a]\n",
		[]string{"a.yaml:4:1  command: unknown field; there is spec.command: is it indented wrongly?"}},
	{"a wrong type", body + "  replicas: two\n", []string{`a.yaml:7:13  spec.replicas: "two" is not a whole number`}},
	{"too large a number", body + "  replicas: 3000000000\n", []string{"spec.replicas: 3000000000 is too large"}},
	{"a fraction", body + "  replicas: 1.5\n", []string{"spec.replicas: 1.5 is not a whole number"}},
	{"text for a list", head + "  command: sleep 1\n", []string{`a.yaml:6:12  spec.command: is the text "sleep 1", not a list`}},
	{"a list for a mapping", body + "  log: [a]\n", []string{"spec.log: is a list, not a mapping of maxBytes"}},
	{"a mapping for text", body + "  why: {a: b}\n", []string{"spec.why: is a mapping, not text"}},
	{"on", body + "  env: [{name: A, value: on}]\n", []string{`a.yaml:7:26  spec.env[0].value: on is read as true by YAML; put it in quotes: "on"`}},
	{"an octal number", body + "  user: 0644\n", []string{`spec.user: 0644 is read as the number 420 by YAML; put it in quotes: "0644"`}},
	{"a float", body + "  version: 3.10\n", []string{`spec.version: 3.10 is read as the number 3.1 by YAML; put it in quotes: "3.10"`}},
	{"a date", body + "  version: 2026-11-23\n", []string{`spec.version: 2026-11-23 is a date to YAML; put it in quotes`}},
	{"null", body + "  version: ~\n", []string{"spec.version: ~ is read as no value by YAML"}},
	{"no value", body + "  version:\n", []string{`a.yaml:7:11  spec.version: has no value: write one ("" for empty text), or remove the line`}},
	{"an empty item", body + "  ports:\n  - \n", []string{"spec.ports[0]: is empty"}},
	{"a key twice", body + "  command: [b]\n", []string{"a.yaml:7:3  spec.command: is set twice, first in line 6"}},
	{"a key that is no text", body + "  env: [{on: a}]\n", []string{"spec.env[0]: the key on is read as no text"}},
	{"a key that is a list", body + "  ? [a]\n  : b\n", []string{"spec: has a key that is a list"}},
	{"a tag", body + "  why: !include a\n", []string{"spec.why: the tag !include is not known here"}},
	{"an unknown alias", body + "  why: *a\n", []string{"is no YAML", "a value that begins with * needs quotes"}},
	{"a duration without unit", body + "  restartBackoff: {initial: 5}\n", []string{"spec.restartBackoff.initial: 5 has no unit: write 5s for seconds"}},
	{"no duration", body + "  restartBackoff: {initial: 2d}\n", []string{`spec.restartBackoff.initial: "2d" is not a duration`}},
	{"no quantity", body + "  log: {maxBytes: 64MB}\n", []string{`spec.log.maxBytes: "64MB" is not a quantity`}},
	{"no kind", "apiVersion: mirroros.dev/v1alpha1\nmetadata: {name: a}\n", []string{"a.yaml:1:1  kind: is missing: the kinds of mirroros.dev/v1alpha1 are Stack, Process, Gate, Route, GateRule, Principal, TokenBudget and Check"}},
	{"no version", "kind: Process\nmetadata: {name: a}\nspec: {command: [a]}\n", []string{"apiVersion: is missing: write mirroros.dev/v1alpha1"}},
	{"an unknown kind", "apiVersion: mirroros.dev/v1alpha1\nkind: Proces\nmetadata: {name: a}\n", []string{`a.yaml:2:7  kind: no kind "Proces", did you mean "Process"?`}},
	{"an unknown version", "apiVersion: mirroros.dev/v2\nkind: Process\nmetadata: {name: a}\nspec: {command: [a]}\n",
		[]string{`a.yaml:1:13  apiVersion: "mirroros.dev/v2" has no kind Process: write mirroros.dev/v1alpha1`}},
	{"a kind of the operator's", "apiVersion: mirroros.dev/v1alpha1\nkind: Instance\nmetadata: {name: a}\n", []string{"kind: Instance is written by the operator; declare a Process"}},
	{"a Rollout", "apiVersion: mirroros.dev/v1alpha1\nkind: Rollout\nmetadata: {name: a}\n", []string{"kind: Rollout is written by the operator; put strategy in the Process"}},
	{"a later kind", "apiVersion: mirroros.dev/v1alpha1\nkind: CronJob\nmetadata: {name: a}\n", []string{"a.yaml:2:7  kind: CronJob is not in this version yet"}},
	{"a Deployment", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n", []string{"kind: apps/v1 Deployment is not run here: write a Process"}},
	{"a List", "apiVersion: v1\nkind: List\nitems: []\n", []string{"write its items as documents"}},
	{"a docker-compose file", "services:\n  web: {image: a}\n", []string{"this looks like a docker-compose file; exclude it with Stack spec.source.exclude or write a Process for each service"}},
	{"a systemd unit", "[Unit]\nDescription=a\n", []string{"this looks like a systemd unit"}},
	{"another program's file", "a: b\n", []string{"this is no manifest"}},
	{"containers", head + "  template:\n    spec:\n      containers: []\n",
		[]string{"spec.template.spec.containers: unknown field: a Process is one program: put command, env and ports under spec"}},
	{"a status", body + "status: {}\n", []string{"status: is written by the operator; remove it"}},
	{"a namespace", "apiVersion: mirroros.dev/v1alpha1\nkind: Process\nmetadata: {name: a, namespace: b}\nspec: {command: [a]}\n",
		[]string{"a.yaml:3:21  metadata.namespace: there are no namespaces here"}},
	{"a merge of no mapping", body + "  <<: a\n", []string{"spec: << merges mappings"}},
	{"text after flow style", "{apiVersion: mirroros.dev/v1alpha1}\nkind: Process\n", []string{"a.yaml:"}},
}

var _ = Describe("Load of what is wrong", func() {
	DescribeTable("refuses what would cost too much", func(text func() string, want string) {
		Expect(faultsOf(text())).To(ContainElement(ContainSubstring(want)))
	},
		Entry("a file of 50 MB", func() string { return strings.Repeat("a", 50<<20) }, "a.yaml  the file has 52428800 bytes"),
		Entry("a document of 1 MB", func() string { return body + "  why: " + strings.Repeat("a", 1<<20) }, "the document has 1048674 bytes; one has at most 262144"),
		Entry("nesting without end", func() string { return head + "  command: " + strings.Repeat("[", 100000) }, "is no YAML: exceeded max depth"),
		Entry("documents without number", func() string { return strings.Repeat("a\n---\n", 100001) }, "the file has more than 100000 documents"),
		Entry("aliases of aliases", func() string {
			var b strings.Builder
			b.WriteString("apiVersion: mirroros.dev/v1alpha1\nkind: Process\nmetadata: {name: web}\nspec:\n  command: [a]\n  m0: &m0 {why: a}\n")
			for i := 1; i < 14; i++ {
				fmt.Fprintf(&b, "  m%d: &m%d {<<: [%s*m%d]}\n", i, i, strings.Repeat(fmt.Sprintf("*m%d, ", i-1), 9), i-1)
			}
			return b.String() + "  <<: *m13\n"
		}, "is too large when its aliases are written out"),
		Entry("a long text by many aliases", func() string {
			return head + "  why: &w " + strings.Repeat("x", 100000) + "\n  command: [" + strings.Repeat("*w, ", 9999) + "*w]\n"
		}, "is too large when its aliases are written out"),
	)

	for _, c := range badTexts {
		It("refuses "+c.name, func() {
			got := faultsOf(c.text)
			Expect(got).NotTo(BeEmpty())
			for _, want := range c.want {
				Expect(strings.Join(got, "\n")).To(ContainSubstring(want))
			}
			Expect(got).To(HaveLen(1), "one thing is wrong, so one fault is told")
		})
	}
})
