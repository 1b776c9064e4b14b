package audit_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/reconcile/audit"
)

// verify with the place's public key.
func (p place) verify() audit.Report {
	GinkgoHelper()
	pub, err := audit.LoadPublicKey(p.key + ".pub")
	Expect(err).NotTo(HaveOccurred())
	r, err := audit.Verify(p.dir, pub)
	Expect(err).NotTo(HaveOccurred())
	return r
}

// files of the directory that fit a pattern, in order.
func (p place) files(pattern string) []string {
	GinkgoHelper()
	out, err := filepath.Glob(filepath.Join(p.dir, pattern))
	Expect(err).NotTo(HaveOccurred())
	return out
}

// small is a log of two writers, one of them twice; all are closed.
func small(records int) place {
	GinkgoHelper()
	p := newPlace()
	for i, writer := range []string{"gate", "operator", "gate"} {
		l := p.open(writer)
		for n := range records {
			Expect(l.Write(decision(fmt.Sprintf("r%d-%d", i, n)), false)).To(Succeed())
		}
		Expect(l.Close()).To(Succeed())
	}
	return p
}

func read(path string) string {
	GinkgoHelper()
	b, err := os.ReadFile(path)
	Expect(err).NotTo(HaveOccurred())
	return string(b)
}

func write(path, text string) {
	GinkgoHelper()
	Expect(os.WriteFile(path, []byte(text), 0o600)).To(Succeed())
}

var _ = Describe("Verify", func() {
	It("finds nothing wrong with what was written", func() {
		p := small(5)
		r := p.verify()
		Expect(r.Problems).To(BeEmpty())
		Expect(r.Chains).To(HaveLen(3))
		Expect(r.Lines).To(BeEquivalentTo(3 * 8))
	})

	DescribeTable("names what was done to the log",
		func(tamper func(p place) string, what string) {
			p := small(5)
			where := tamper(p)
			r := p.verify()
			Expect(r.Problems).NotTo(BeEmpty())
			Expect(r.Problems[0].String()).To(And(HavePrefix(where), ContainSubstring(what)))
		},
		Entry("a changed record", func(p place) string {
			f := p.files("operator-*.jsonl")[0]
			write(f, strings.Replace(read(f), `"r1-2","principal":"agent-a"`, `"r1-2","principal":"agent-b"`, 1))
			return filepath.Base(f) + ":5"
		}, "was changed"),
		Entry("a changed last record", func(p place) string {
			f := p.files("operator-*.jsonl")[0]
			write(f, strings.Replace(read(f), `"r1-4","principal":"agent-a"`, `"r1-4","principal":"agent-b"`, 1))
			return filepath.Base(f) + ":7"
		}, "was changed"),
		Entry("a removed line", func(p place) string {
			f := p.files("operator-*.jsonl")[0]
			lines := strings.SplitAfter(read(f), "\n")
			write(f, strings.Join(append(lines[:3:3], lines[4:]...), ""))
			return filepath.Base(f) + ":4"
		}, "removed, inserted or reordered"),
		Entry("two lines that changed places", func(p place) string {
			f := p.files("operator-*.jsonl")[0]
			lines := strings.SplitAfter(read(f), "\n")
			lines[3], lines[4] = lines[4], lines[3]
			write(f, strings.Join(lines, ""))
			return filepath.Base(f) + ":4"
		}, "removed, inserted or reordered"),
		Entry("an inserted line", func(p place) string {
			f := p.files("operator-*.jsonl")[0]
			lines := strings.SplitAfter(read(f), "\n")
			lines[3] += lines[3]
			write(f, strings.Join(lines, ""))
			return filepath.Base(f) + ":5"
		}, "removed, inserted or reordered"),
		Entry("a cut tail of a chain that nobody has opened after", func(p place) string {
			f := p.files("gate-*.head")[0]
			f = strings.TrimSuffix(f, ".head") + "-0001.jsonl"
			lines := strings.SplitAfter(read(f), "\n")
			write(f, strings.Join(lines[:4], ""))
			return filepath.Base(f)
		}, "the end was cut off"),
		Entry("a cut tail of a chain that ended", func(p place) string {
			f := p.files("operator-*.jsonl")[0]
			lines := strings.SplitAfter(read(f), "\n")
			write(f, strings.Join(lines[:4], ""))
			return filepath.Base(f)
		}, "the end was cut off"),
		Entry("a removed chain", func(p place) string {
			f := p.files("operator-*.jsonl")[0]
			Expect(os.Remove(f)).To(Succeed())
			return filepath.Base(f)
		}, "the chain is missing"),
		Entry("the newest chain removed with its head", func(p place) string {
			head := p.files("*.head")[0]
			f := strings.TrimSuffix(head, ".head") + "-0001.jsonl"
			Expect(os.Remove(f)).To(Succeed())
			Expect(os.Remove(head)).To(Succeed())
			return filepath.Base(f)
		}, "the chain is missing"),
		Entry("a removed index", func(p place) string {
			Expect(os.Remove(filepath.Join(p.dir, "chains.index"))).To(Succeed())
			return "chains.index"
		}, "is missing"),
		Entry("a removed head", func(p place) string {
			head := p.files("*.head")[0]
			Expect(os.Remove(head)).To(Succeed())
			return filepath.Base(head)
		}, "its head file is missing"),
		Entry("a swapped key", func(p place) string {
			other := newPlace()
			Expect(other.open("gate").Close()).To(Succeed())
			write(p.key+".pub", read(other.key+".pub"))
			return "chains.index"
		}, "the key was swapped"),
		Entry("a chain of another log with another key", func(p place) string {
			other := small(3)
			f := other.files("operator-*.jsonl")[0]
			write(filepath.Join(p.dir, filepath.Base(f)), read(f))
			return filepath.Base(f) + ":1"
		}, "is signed by key"),
		Entry("a chain under the name of another", func(p place) string {
			f := p.files("operator-*.jsonl")[0]
			write(filepath.Join(p.dir, "operator-20200101T000000Z-00000000-0001.jsonl"), read(f))
			return "operator-20200101T000000Z-00000000-0001.jsonl:1"
		}, "under another name"),
		Entry("an empty file", func(p place) string {
			f := p.files("operator-*.jsonl")[0]
			write(f, "")
			return filepath.Base(f)
		}, "is empty"),
	)

	It("finds any byte that was changed", func() {
		p := small(1)
		random := rand.New(rand.NewPCG(uint64(GinkgoRandomSeed()), 0))
		for _, name := range p.files("*") {
			f, err := os.OpenFile(name, os.O_RDWR, 0)
			Expect(err).NotTo(HaveOccurred())
			defer f.Close()
			for i, was := range []byte(read(name)) {
				if testing.Short() && random.IntN(4) > 0 { // another quarter each time
					continue
				}
				bit := byte(1) << random.IntN(8)
				_, err := f.WriteAt([]byte{was ^ bit}, int64(i))
				Expect(err).NotTo(HaveOccurred())
				Expect(p.verify().Problems).NotTo(BeEmpty(), "%s: bit %d of byte %d, seed %d", name, bit, i, GinkgoRandomSeed())
				_, err = f.WriteAt([]byte{was}, int64(i))
				Expect(err).NotTo(HaveOccurred())
			}
		}
		Expect(p.verify().Problems).To(BeEmpty())
	})
})
