package specs_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/specs"
)

// head begins a Process manifest of five lines.
const head = `apiVersion: mirroros.dev/v1alpha1
kind: Process
metadata:
  name: web
spec:
`

// faultsOf are the faults of a manifest, as lines.
func faultsOf(text string) []string {
	_, faults := specs.Load("a.yaml", []byte(text))
	var out []string
	for _, f := range faults {
		out = append(out, f.String())
	}
	return out
}

var _ = Describe("Load", func() {
	It("types and defaults a good document", func() {
		docs, faults := specs.Load("a.yaml", []byte(head+"  command: [sleep, \"1\"]\n"))
		Expect(faults).To(BeEmpty())
		Expect(docs).To(HaveLen(1))
		p := docs[0].Object.(*specs.Process)
		Expect(p.Spec.Command).To(Equal([]string{"sleep", "1"}))
		Expect(*p.Spec.Replicas).To(BeEquivalentTo(1))
		Expect(docs[0].Declared()).To(HaveKeyWithValue("spec", map[string]any{"command": []any{"sleep", "1"}}))
	})

	It("tells all faults at once, each at its place", func() {
		Expect(faultsOf(head + "  comand: [a]\n  replicas: two\n  env:\n  - {name: A, value: on}\n")).To(Equal([]string{
			`a.yaml:6:3  spec.comand: unknown field, did you mean "command"?`,
			`a.yaml:7:13  spec.replicas: "two" is not a whole number`,
			`a.yaml:9:22  spec.env[0].value: on is read as true by YAML; put it in quotes: "on"`,
		}))
	})
})
