package specs_test

import (
	"encoding/json"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"k8s.io/kube-openapi/pkg/validation/strfmt"
	"k8s.io/kube-openapi/pkg/validation/validate"
	k8syaml "sigs.k8s.io/yaml"

	"mirroros.dev/mirroros/specs"
)

// schemaFaults checks JSON values against a schema, as editors and clients do.
func schemaFaults(schema map[string]any, value any) []error {
	GinkgoHelper()
	data, err := json.Marshal(schema)
	Expect(err).NotTo(HaveOccurred())
	var s spec.Schema
	Expect(json.Unmarshal(data, &s)).To(Succeed())
	return validate.NewSchemaValidator(&s, nil, "", strfmt.Default).Validate(value).Errors
}

var _ = Describe("Schema", func() {
	It("takes the manifests of every kind, for clients and for editors", func() {
		for _, kind := range []string{"Stack", "Process"} {
			for _, d := range manifestOf(kind) {
				data, err := json.Marshal(d.Declared())
				Expect(err).NotTo(HaveOccurred())
				var value any
				Expect(json.Unmarshal(data, &value)).To(Succeed())
				Expect(schemaFaults(specs.Schema(kind), value)).To(BeEmpty())
				Expect(schemaFaults(specs.JSONSchema(kind), value)).To(BeEmpty())
			}
		}
	})

	DescribeTable("refuses in an editor", func(lines string) {
		data, err := k8syaml.YAMLToJSON([]byte(body + lines))
		Expect(err).NotTo(HaveOccurred())
		var value any
		Expect(json.Unmarshal(data, &value)).To(Succeed())
		Expect(schemaFaults(specs.JSONSchema("Process"), value)).NotTo(BeEmpty())
	},
		Entry("an unknown field", "  comand: []\n"),
		Entry("a wrong type", "  replicas: two\n"),
		Entry("a value that is none of those listed", "  restartPolicy: always\n"),
		Entry("what must be there", "  env: [{value: a}]\n"),
		Entry("a duration that is none", "  restartBackoff: {initial: 2d}\n"),
		Entry("a quantity that is none", "  log: {maxBytes: 64MB}\n"),
		Entry("a status", "status: {}\n"),
	)

	It("says the group, version and kind", func() {
		Expect(specs.Schema("Process")["x-kubernetes-group-version-kind"]).To(Equal(
			[]any{map[string]any{"group": "mirroros.dev", "version": "v1alpha1", "kind": "Process"}}))
		Expect(specs.Schema("Nope")).To(BeNil())
		Expect(specs.JSONSchema("Instance")).To(BeNil())
		Expect(specs.ManifestSchema()["oneOf"]).To(HaveLen(8))
	})
})

var _ = Describe("Explain", func() {
	It("describes a kind and its fields", func() {
		text, err := specs.Explain("processes", false)
		Expect(err).NotTo(HaveOccurred())
		Expect(text).To(HavePrefix("GROUP:      mirroros.dev\nKIND:       Process\nVERSION:    v1alpha1\n\nDESCRIPTION:\n    Process keeps a local program running"))
		Expect(text).To(ContainSubstring("  spec\t<ProcessSpec> -required-\n"))
	})

	It("describes a field, its values and its type", func() {
		Expect(specs.Explain("process.spec.restartPolicy", false)).To(ContainSubstring("ENUM:\n    Always\n    OnFailure\n    Never\n"))
		Expect(specs.Explain("proc.spec.env", false)).To(ContainSubstring("FIELD: env <[]EnvVar>"))
		Expect(specs.Explain("process.spec.log.maxBytes", false)).To(ContainSubstring("<Quantity>"))
	})

	It("lists fields of fields", func() {
		Expect(specs.Explain("stack", true)).To(ContainSubstring("    prune\t<Prune>\n      enabled\t<boolean>\n"))
	})

	DescribeTable("suggests what may be meant", func(path, want string) {
		_, err := specs.Explain(path, false)
		Expect(err).To(MatchError(ContainSubstring(want)))
	},
		Entry("for a kind", "proces", `cannot explain "proces": no kind has that name, did you mean "process"?`),
		Entry("for a field", "stack.spec.prunee", `no field "prunee", did you mean "prune"?`),
		Entry("below a value", "stack.spec.why.not", "why has no fields"),
	)
})
