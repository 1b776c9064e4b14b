package specs_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/specs"
)

var _ = Describe("SpecEqual", func() {
	DescribeTable("compares what is meant", func(a, b string, want bool) {
		Expect(specs.SpecEqual(processOf(body+a), processOf(body+b))).To(Equal(want))
	},
		Entry("nothing and defaults", "", "  replicas: 1\n  log: {maxBytes: 65536Ki}\n", true),
		Entry("an empty list and none", "  env: []\n", "", true),
		Entry("another value", "  replicas: 1\n", "  replicas: 2\n", false),
	)

	It("does not look at metadata and status", func() {
		a, b := processOf(body), processOf(body)
		b.Labels, b.Status.Restarts = map[string]string{"a": "b"}, 3
		Expect(specs.SpecEqual(a, b)).To(BeTrue())
	})

	It("tells kinds apart, and compares events whole", func() {
		Expect(specs.SpecEqual(&specs.Process{}, &specs.Stack{})).To(BeFalse())
		Expect(specs.SpecEqual(&specs.Event{Reason: "A"}, &specs.Event{Reason: "A"})).To(BeTrue())
		Expect(specs.SpecEqual(&specs.Event{Reason: "A"}, &specs.Event{Reason: "B"})).To(BeFalse())
	})
})

var _ = Describe("DeclaredConflicts", func() {
	declaring := func(lines string) (*specs.Document, *specs.Process) {
		docs, faults := specs.Load("a.yaml", []byte(body+lines))
		Expect(faults).To(BeEmpty())
		return docs[0], docs[0].Object.(*specs.Process)
	}

	It("names the declared fields that a write changes, and no others", func() {
		doc, before := declaring("  env: [{name: A, value: a}]\n  log: {maxBytes: 1Mi}\n")
		after := specs.Copy(before)
		after.Spec.Env[0].Value = "b"
		after.Spec.Log.MaxBytes = nil
		after.Spec.Replicas = new(int32)
		after.Spec.Why = "free"
		after.Labels = map[string]string{"free": "yes"}
		Expect(specs.DeclaredConflicts(doc.Declared(), before, after)).To(Equal([]string{"spec.env", "spec.log.maxBytes"}))
	})

	It("finds none where nothing changes, or where the write says what the file says", func() {
		doc, before := declaring("  replicas: 2\n")
		Expect(specs.DeclaredConflicts(doc.Declared(), before, specs.Copy(before))).To(BeEmpty())
		drifted := specs.Copy(before)
		*drifted.Spec.Replicas = 5
		Expect(specs.DeclaredConflicts(doc.Declared(), drifted, before)).To(BeEmpty())
		Expect(specs.DeclaredConflicts(doc.Declared(), before, drifted)).To(Equal([]string{"spec.replicas"}))
	})

	It("writes keys with dots in brackets", func() {
		docs, _ := specs.Load("a.yaml", []byte("apiVersion: mirroros.dev/v1alpha1\nkind: Stack\nmetadata: {name: a, labels: {x.y/z: a}}\n"))
		after := specs.Copy(docs[0].Object)
		after.SetLabels(nil)
		Expect(specs.DeclaredConflicts(docs[0].Declared(), docs[0].Object, after)).To(Equal([]string{"metadata.labels[x.y/z]"}))
	})
})

var _ = Describe("References", func() {
	It("names what a process depends on", func() {
		Expect(specs.References(processOf(body + "  dependsOn: [{process: a}, {process: b}]\n"))).To(Equal([]specs.Ref{
			{FromField: "spec.dependsOn[0].process", Kind: "Process", Name: "a"},
			{FromField: "spec.dependsOn[1].process", Kind: "Process", Name: "b"},
		}))
		Expect(specs.References(&specs.Stack{})).To(BeEmpty())
	})
})

var _ = Describe("Validate", func() {
	It("takes an object without defaults as if it had them, and leaves it as it is", func() {
		p := &specs.Process{Spec: specs.ProcessSpec{Command: []string{"a"}}}
		p.Name = "web"
		Expect(specs.Validate(p)).To(BeEmpty())
		Expect(p.Spec.Replicas).To(BeNil())
		s := &specs.Stack{}
		Expect(specs.Validate(s)).To(HaveLen(1))
	})
})
