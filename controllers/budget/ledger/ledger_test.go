package ledger_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/budget/ledger"
)

var never = ledger.Window{}

var _ = Describe("A ledger", func() {
	It("sets aside what a call may take, charges what it took and gives back the rest at once", func() {
		p := newPlace()
		c := config(budget("all", ledger.Tokens, 1000, never))
		l := p.open(c)
		r := granted(l, tokens(100, 400))
		Expect(r.Output()).To(BeEquivalentTo(400))
		Expect(r.Commit(true)).To(Succeed())
		left, _ := r.Left()
		Expect(left).To(Equal(ledger.Left{Known: true, Limit: 1000, Remaining: 500, Reset: -1}))
		Expect(p.limits(c, "all", "")[0]).To(And(HaveField("Used", BeEquivalentTo(0)), HaveField("Reserved", BeEquivalentTo(500))))
		Expect(r.Settle(ledger.Usage{Input: 90, Output: 10}, nil)).To(BeFalse())
		r.Cancel() // does nothing any more
		Expect(r.Settle(ledger.Usage{Input: 90, Output: 10}, nil)).To(BeFalse())
		Expect(p.limits(c, "all", "")[0]).To(And(HaveField("Used", BeEquivalentTo(100)), HaveField("Reserved", BeEquivalentTo(0)), HaveField("Remaining", BeEquivalentTo(900))))
		Expect(p.sound(c).Calls).To(BeEquivalentTo(1))
	})
})
