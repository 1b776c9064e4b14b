package audit_test

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/reconcile/audit"
)

var _ = Describe("Export", func() {
	excerpt := func(p place, since, until time.Time) string {
		GinkgoHelper()
		var b bytes.Buffer
		out, err := audit.Export(&b, p.dir, since, until)
		Expect(err).NotTo(HaveOccurred())
		Expect(out.Unsigned).To(BeZero())
		Expect(out.Lines).To(BeEquivalentTo(strings.Count(b.String(), "\n")))
		return b.String()
	}
	problems := func(p place, text string) []audit.Problem {
		GinkgoHelper()
		pub, err := audit.LoadPublicKey(p.key + ".pub")
		Expect(err).NotTo(HaveOccurred())
		r, err := audit.VerifyExcerpt(strings.NewReader(text), "excerpt", pub)
		Expect(err).NotTo(HaveOccurred())
		return r.Problems
	}

	It("writes what can be verified alone", func() {
		p := history(30)
		part := excerpt(p, start.Add(20*time.Second), start.Add(25*time.Second))
		Expect(problems(p, part)).To(BeEmpty())
		for _, id := range ids(20, 25, 1) {
			Expect(part).To(ContainSubstring(`"` + id + `"`))
		}
		Expect(part).NotTo(ContainSubstring(`"r00"`))
		Expect(problems(p, excerpt(p, time.Time{}, time.Time{}))).To(BeEmpty())
		Expect(problems(newKey(), part)).To(ContainElement(HaveField("Text", ContainSubstring("signed by another key"))))
		Expect(problems(p, "")).To(HaveLen(1))
	})

	It("shows any byte that was changed, and any line that is missing or doubled", func() {
		p := history(6)
		text := excerpt(p, time.Time{}, time.Time{})
		random := rand.New(rand.NewPCG(uint64(GinkgoRandomSeed()), 4))
		for range 300 {
			b, i := []byte(text), random.IntN(len(text))
			b[i] ^= 1 << random.IntN(8)
			Expect(problems(p, string(b))).NotTo(BeEmpty(), "byte %d, seed %d", i, GinkgoRandomSeed())
		}
		lines := strings.SplitAfter(text, "\n")
		Expect(problems(p, strings.Join(append(lines[:3:3], lines[4:]...), ""))).NotTo(BeEmpty())
		Expect(problems(p, strings.Join(append(lines[:4:4], lines[3:]...), ""))).NotTo(BeEmpty())
	})
})

// newKey is a place with another key.
func newKey() place {
	GinkgoHelper()
	p := newPlace()
	Expect(p.open("gate").Close()).To(Succeed())
	return p
}
