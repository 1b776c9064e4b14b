package specs_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/specs"
)

var _ = DescribeTable("Expand", func(text, want string) {
	got, err := specs.Expand(text, func(name string) (string, bool) {
		v, ok := map[string]string{"A": "a", "B_1": "$(A)", "E": ""}[name]
		return v, ok
	})
	Expect(err).NotTo(HaveOccurred())
	Expect(got).To(Equal(want))
},
	Entry("leaves plain text", "a b", "a b"),
	Entry("replaces a name", "x$(A)y$(A)", "xaya"),
	Entry("does not expand what it put in", "$(B_1)", "$(A)"),
	Entry("takes an empty value", "[$(E)]", "[]"),
	Entry("makes $$ one $", "$$(A) $$", "$(A) $"),
	Entry("reads $$ from the left", "$$$(A)", "$a"),
	Entry("leaves a lone $", "$ $A $1 a$", "$ $A $1 a$"),
	Entry("leaves what is no name", "$(date +%s) $() $(A", "$(date +%s) $() $(A"),
)

var _ = Describe("Expand", func() {
	It("names the variable that is not known", func() {
		_, err := specs.Expand("$(NOPE)", func(string) (string, bool) { return "", false })
		Expect(err).To(MatchError(specs.ErrUnknownVariable))
		Expect(err).To(MatchError(ContainSubstring("$(NOPE)")))
	})

	It("lists the variables of a text", func() {
		Expect(specs.Variables("$(A) $$(B) $(C)$(A)")).To(Equal([]string{"A", "C", "A"}))
	})
})
