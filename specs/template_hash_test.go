package specs_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/specs"
)

// processOf loads one good Process.
func processOf(text string) *specs.Process {
	GinkgoHelper()
	docs, faults := specs.Load("a.yaml", []byte(text))
	Expect(faults).To(BeEmpty())
	return docs[0].Object.(*specs.Process)
}

const fullTemplate = body + `  args: [b, "<&>"]
  version: 1.2.3
  env: [{name: A, value: a}, {name: B, valueFrom: {file: {path: b, optional: true}}}]
  envFrom: [{prefix: P_, file: {path: c}}]
  ports: [{name: http}, {name: sql, port: 5432}]
  user: alice
  group: users
`

var _ = Describe("TemplateHash", func() {
	// These values are in the names of running instances. When one changes, an upgrade of the operator restarts every process.
	DescribeTable("is the same in every version of the operator", func(text, dir, want string) {
		Expect(specs.TemplateHash(processOf(text), dir)).To(Equal(want))
	},
		Entry("of a command alone", body, "/srv", "8c0850d3bb"),
		Entry("of a sandbox", body+"  sandbox: {level: Strict, readOnlyPaths: [/a], connectTCP: [80]}\n", "/srv", "d2d1b10c34"),
		Entry("of everything", fullTemplate, "/srv", "a80fc17762"),
	)

	It("does not hear of what is not in the template, of defaults, or of the order of fields", func() {
		plain := processOf(body)
		other := processOf(head + "  why: other\n  replicas: 3\n  restartPolicy: Never\n  stateDirectory: a\n  log: {maxBytes: 1Mi}\n  command:\n  - a\n  env: []\n")
		Expect(specs.TemplateHash(other, "/srv")).To(Equal(specs.TemplateHash(plain, "/srv")))
		bare := &specs.Process{Spec: specs.ProcessSpec{Command: []string{"a"}}}
		Expect(specs.TemplateHash(bare, "/srv")).To(Equal(specs.TemplateHash(plain, "/srv")))
	})

	It("does not hear of a sandbox that blocks nothing, or of when it is required", func() {
		hash := func(lines string) string { return specs.TemplateHash(processOf(body+lines), "/srv") }
		Expect(hash("  sandbox: {level: None}\n")).To(Equal(hash("")))
		Expect(hash("  sandbox: {level: Strict, required: false, seccomp: Default}\n")).To(Equal(hash("  sandbox: {level: Strict}\n")))
		Expect(hash("  sandbox: {level: Strict}\n")).NotTo(Equal(hash("  sandbox: {level: Restricted}\n")))
	})

	DescribeTable("changes with", func(lines string) {
		Expect(specs.TemplateHash(processOf(body+lines), "/srv")).NotTo(Equal(specs.TemplateHash(processOf(body), "/srv")))
	},
		Entry("version", "  version: a\n"),
		Entry("sandbox", "  sandbox: {level: Restricted}\n"),
		Entry("args", "  args: [a]\n"),
		Entry("env", "  env: [{name: A, value: a}]\n"),
		Entry("envFrom", "  envFrom: [{file: {path: a}}]\n"),
		Entry("ports", "  ports: [{name: a}]\n"),
		Entry("user", "  user: a\n"),
		Entry("group", "  group: a\n"),
		Entry("principal", "  principal: a\n"),
		Entry("proxy", "  proxy: {gate: a}\n"),
		Entry("a token", "  env: [{name: A, valueFrom: {token: {}}}]\n"),
	)

	It("does not hear of what the gate holds before a port", func() {
		Expect(specs.TemplateHash(processOf(body+"  ports: [{name: a, servicePort: 3000, appProtocol: TCP}]\n"), "/srv")).To(
			Equal(specs.TemplateHash(processOf(body+"  ports: [{name: a}]\n"), "/srv")))
	})

	It("changes with the directory", func() {
		Expect(specs.TemplateHash(processOf(body), "/srv")).NotTo(Equal(specs.TemplateHash(processOf(body), "/opt")))
	})
})
