package main

import (
	"os"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("A shutdown that an operator did not come to the end of", func() {
	then := life{Boot: "b", Operator: proc{20, "200"}, Guardian: proc{10, "100"}}
	DescribeTable("is finished by those that it is for", func(asked bool, boot string, guardian proc, running, want bool) {
		w := &wish{Asked: asked, life: then}
		Expect(w.binds(life{Boot: boot, Operator: proc{30, "300"}, Guardian: guardian}, running)).To(Equal(want))
	},
		Entry("the next one of the same guardian", false, "b", then.Guardian, true, true),
		Entry("the next one of the same guardian, also when all is stopped", true, "b", then.Guardian, false, true),
		Entry("the one that the operator started after it became the guardian", false, "b", then.Operator, false, true),
		Entry("not one that somebody starts after all was stopped", true, "b", proc{40, "400"}, false, false),
		Entry("one that somebody starts while a part of it runs, when it was asked for", true, "b", proc{40, "400"}, true, true),
		Entry("not one that somebody starts when it was a signal", false, "b", proc{40, "400"}, true, false),
		Entry("not one whose guardian has the number of the old one", false, "b", proc{10, "999"}, true, false),
		Entry("not one after the host went down", true, "c", then.Guardian, true, false),
	)

	It("is for nobody when there is none", func() {
		Expect((*wish)(nil).binds(then, true)).To(BeFalse())
	})

	It("is read as it was written, and forgotten", func() {
		dir := GinkgoT().TempDir()
		Expect(readWish(dir)).To(BeNil())
		Expect(keepWish(dir, wish{Asked: true, life: thisLife()})).To(Succeed())
		w, err := readWish(dir)
		Expect(err).NotTo(HaveOccurred())
		Expect(w.life).To(Equal(thisLife()))
		Expect(dropWish(dir)).To(Succeed())
		Expect(readWish(dir)).To(BeNil())
		Expect(dropWish(dir)).To(Succeed())
	})

	It("is an error when it cannot be read", func() {
		dir := GinkgoT().TempDir()
		Expect(os.WriteFile(wishFile(dir), []byte("{torn"), 0o600)).To(Succeed())
		_, err := readWish(dir)
		Expect(err).To(MatchError(ContainSubstring(wishFile(dir))))
	})
})
