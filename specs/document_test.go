package specs_test

import (
	"os"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/specs"
)

const placed = `# a comment
apiVersion: mirroros.dev/v1alpha1
kind: Process
metadata:
  name: web
  labels: {example.org/tier: model}
spec:
  command:
  - a
  - b
  env:
  - name: A
    value: a
  log: {maxBytes: 1Mi}
`

var _ = Describe("Document", func() {
	DescribeTable("finds the place of a field", func(path string, line, column int) {
		docs, faults := specs.Load("a.yaml", []byte("---\r\n"+strings.ReplaceAll(placed, "\n", "\r\n")))
		Expect(faults).To(BeEmpty())
		l, c := docs[0].Position(path)
		Expect([]int{l - 1, c}).To(Equal([]int{line, column}))
	},
		Entry("a value", "metadata.name", 5, 9),
		Entry("a list, at its key", "spec.command", 8, 3),
		Entry("an item", "spec.command[1]", 10, 5),
		Entry("an item of the list that is not there", "spec.command[2]", 8, 3),
		Entry("a value in a list", "spec.env[0].value", 13, 12),
		Entry("a mapping on one line, at the mapping", "spec.log", 14, 8),
		Entry("a value in it", "spec.log.maxBytes", 14, 19),
		Entry("a field that is not there, at what would hold it", "spec.readinessProbe.httpGet.port", 7, 1),
		Entry("a key with dots", "metadata.labels[example.org/tier]", 6, 30),
		Entry("nothing, at the document", "", 2, 1),
		Entry("a path that is none", "spec.env[", 11, 3),
	)

	It("begins at its first line with content, and shares the file's memory", func() {
		data := []byte("# x\n---\n# y\n\n" + placed + "\n\n---\n" + body)
		docs, faults := specs.Load("a.yaml", data)
		Expect(faults).To(BeEmpty())
		Expect(docs).To(HaveLen(2))
		Expect(docs[0].Line).To(Equal(6))
		Expect(string(docs[0].Text)).To(HavePrefix("apiVersion"))
		Expect(string(docs[0].Text)).To(HaveSuffix("1Mi}"))
		Expect(docs[1].Line).To(Equal(22))
		kind, name := docs[1].Key()
		Expect([]string{kind, name}).To(Equal([]string{"Process", "web"}))
	})

	It("does not change with lines around it", func() {
		one, _ := specs.Load("a.yaml", []byte(placed))
		two, _ := specs.Load("a.yaml", []byte("\ufeff---\n"+body+"---   # next\n\n"+placed+"\n...\n"))
		Expect(two[1].Text).To(Equal(one[0].Text))
	})

	It("keeps kind and name where the rest has faults", func() {
		docs, faults := specs.Load("a.yaml", []byte(head+"  comand: [a]\n"))
		Expect(faults).To(HaveLen(1))
		Expect(docs[0].Object).To(BeNil())
		Expect(docs[0].Kind + "/" + docs[0].Name).To(Equal("Process/web"))
	})

	It("reads good manifests of every style", func() {
		data, err := os.ReadFile("testdata/load/good.yaml")
		Expect(err).NotTo(HaveOccurred())
		docs, faults := specs.Load("good.yaml", data)
		Expect(faults).To(BeEmpty())
		Expect(docs).To(HaveLen(3))
		p := docs[0].Object.(*specs.Process)
		Expect(p.Spec.Env[1]).To(Equal(specs.EnvVar{Name: "DEBUG2", Value: "on"}))
		Expect(*p.Spec.Replicas).To(BeEquivalentTo(1))
		Expect(p.Spec.Why).To(Equal("folded text"))
		Expect(p.Spec.Args[0]).To(Equal("literal $(VERSION)\n"))
	})

	It("refuses what later versions bring, with one clear word each", func() {
		data, err := os.ReadFile("testdata/load/later.yaml")
		Expect(err).NotTo(HaveOccurred())
		_, faults := specs.Load("later.yaml", data)
		Expect(faults).To(HaveLen(9))
		for _, f := range faults[:8] {
			Expect(f.Message).To(HaveSuffix("is not in this version yet"), f.String())
			Expect(f.Line).NotTo(BeZero())
		}
		Expect(faults[8].String()).To(Equal("later.yaml:43:7  kind: Rollout is written by the operator; put strategy in the Process"))
	})

	It("gives advice for what was pasted", func() {
		data, err := os.ReadFile("testdata/load/pasted.yaml")
		Expect(err).NotTo(HaveOccurred())
		var lines []string
		_, faults := specs.Load("p.yaml", data)
		for _, f := range faults {
			lines = append(lines, f.String())
		}
		Expect(lines).To(HaveExactElements(
			HavePrefix("p.yaml:2:7  kind: apps/v1 Deployment is not run here: write a Process"),
			HavePrefix("p.yaml:10:23  metadata.namespace: there are no namespaces here"),
			HavePrefix("p.yaml:10:43  metadata.resourceVersion: is written by the operator"),
			HavePrefix("p.yaml:12:3  spec.selector: unknown field: instances are found by their Process"),
			Equal("p.yaml:13:3  spec.template.spec.containers: unknown field: a Process is one program: put command, env and ports under spec"),
			HavePrefix("p.yaml:22:3  spec.image: unknown field: there are no images here"),
			HavePrefix("p.yaml:24:12  spec.ports[0].containerPort: unknown field: write port"),
			HavePrefix("p.yaml:25:3  spec.backendRefs: unknown field"),
			HavePrefix("p.yaml:27:1  this looks like a docker-compose file"),
		))
	})

	It("tells the first faults of a file that is nothing else", func() {
		_, faults := specs.Load("a.yaml", []byte(strings.Repeat("---\na: b\n", 2000)))
		Expect(faults).To(HaveLen(501))
		Expect(faults[500].Message).To(Equal("there are more faults from here on"))
	})

	It("reads many documents as it reads few", func() {
		docs, faults := specs.Load("a.yaml", []byte(strings.Repeat("---\n"+body, 200)+"---\na: b\n"))
		Expect(docs).To(HaveLen(201))
		Expect(faults).To(HaveLen(1))
		Expect(faults[0].Line).To(Equal(200*7 + 2))
	})
})

var _ = DescribeTable("Fault is a line", func(f specs.Fault, want string) {
	Expect(f.String()).To(Equal(want))
},
	Entry("with everything", specs.Fault{File: "a.yaml", Line: 1, Column: 2, Field: "spec.a", Message: "b"}, "a.yaml:1:2  spec.a: b"),
	Entry("without column", specs.Fault{File: "a.yaml", Line: 1, Message: "b"}, "a.yaml:1  b"),
	Entry("without place", specs.Fault{File: "a.yaml", Message: "b"}, "a.yaml  b"),
)
