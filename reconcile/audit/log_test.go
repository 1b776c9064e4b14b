package audit_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("Log", func() {
	It("writes", func() {
		p := newPlace()
		l := p.open("gate")
		Expect(l.Write(decision("r1"))).To(Succeed())
		l.Post(decision("r2"))
		Expect(l.Write(decision("r3"))).To(Succeed())
		Expect(l.Close()).To(Succeed())
		l = p.open("gate")
		Expect(l.Close()).To(Succeed())
		GinkgoWriter.Println(p.dir)
	})
})
