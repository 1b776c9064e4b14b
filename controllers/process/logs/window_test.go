package logs_test

import (
	"encoding/binary"
	"os"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/process/logs"
)

// allocated is what a file takes on disk.
func allocated(path string) int64 {
	st, err := os.Stat(path)
	if err != nil {
		return -1
	}
	return st.Sys().(*syscall.Stat_t).Blocks * 512
}

var _ = Describe("The window", func() {
	const keep = 64 << 10

	It("keeps at least the newest maxBytes and at most a quarter more, from a whole line on", func() {
		h := newHouse(logs.Options{})
		f := h.writer(keep)
		for i := range 20 {
			write(f, lines(i*500, (i+1)*500, 100))
			h.looked()
		}
		Eventually(func() int64 { return allocated(h.path(".log")) }).Should(BeNumerically("<=", keep+keep/4+8192))
		got := h.read(logs.ReadOptions{})
		Expect(len(got)).To(BeNumerically(">=", keep-100))
		Expect(lines(0, 10000, 100)).To(HaveSuffix(got))
		Expect(got).To(HavePrefix("line "))
		st, err := os.Stat(h.path(".log"))
		Expect(err).NotTo(HaveOccurred())
		Expect(st.Size()).To(BeEquivalentTo(10000*100), "the apparent size is what was written")
		Expect(h.read(logs.ReadOptions{Tail: 5000})).To(Equal(got))
		Expect(h.read(logs.ReadOptions{Tail: 3})).To(Equal(lines(9997, 10000, 100)))
		Expect(h.l.Usage()).To(BeNumerically("<", keep*2))
		Expect(h.l.Health(id)).To(Equal(logs.Health{}))
	})

	It("is the same for the next operator", func() {
		h := newHouse(logs.Options{})
		f := h.writer(keep)
		write(f, lines(0, 3000, 100))
		h.looked()
		Eventually(func() int64 { return allocated(h.path(".log")) }).Should(BeNumerically("<=", keep+keep/4+8192))
		before := h.read(logs.ReadOptions{})
		h.kill()
		write(f, lines(3000, 3010, 100))
		h.start()
		Expect(h.read(logs.ReadOptions{})).To(Equal(before + lines(3000, 3010, 100)))
		write(f, lines(3010, 6000, 100))
		Expect(h.l.Attach(id, keep, os.Getpid())).To(Succeed())
		Eventually(func() int64 { return allocated(h.path(".log")) }).Should(BeNumerically("<=", keep+keep/4+8192))
		Expect(lines(0, 6000, 100)).To(HaveSuffix(h.read(logs.ReadOptions{})))
	})

	It("is found by its holes when the index is lost, and starts at a whole line", func() {
		h := newHouse(logs.Options{})
		f := h.writer(keep)
		write(f, lines(0, 3000, 100))
		h.looked()
		before := h.read(logs.ReadOptions{})
		Expect(len(before)).To(BeNumerically("<", 100*3000))
		h.kill()
		Expect(os.Remove(h.path(".idx"))).To(Succeed())
		h.start()
		Expect(h.read(logs.ReadOptions{})).To(Equal(before))
		Expect(h.l.Attach(id, keep, 0)).To(Succeed())
		Expect(h.read(logs.ReadOptions{Since: time.Now().Add(-time.Hour)})).To(Equal(before))
	})

	It("that is all one line starts in it", func() {
		h := newHouse(logs.Options{})
		f := h.writer(keep)
		write(f, strings.Repeat("z", 5*keep))
		h.looked()
		Expect(len(h.read(logs.ReadOptions{}))).To(BeNumerically(">=", keep))
	})

	It("never shows the NULs of holes, of whoever made them", func() {
		h := newHouse(logs.Options{})
		f := h.writer(keep)
		write(f, "first\nbegin")
		Expect(os.Truncate(h.path(".log"), 100_000)).To(Succeed())
		write(f, " end\nsecond\n")
		Expect(os.Truncate(h.path(".log"), 1<<40)).To(Succeed())
		write(f, "third\n")
		h.looked()
		Expect(h.read(logs.ReadOptions{})).To(Equal("first\nbegin end\nsecond\nthird\n"))
		Expect(h.read(logs.ReadOptions{Tail: 2})).To(Equal("second\nthird\n"))
		Expect(h.read(logs.ReadOptions{Tail: 3})).To(Equal("begin end\nsecond\nthird\n"))
		Expect(h.l.Tail(id, 1)).To(Equal([]string{"third"}))
	})

	It("bounds its index too", func() {
		c := &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
		h := newHouse(logs.Options{Now: c.Now, Interval: time.Microsecond})
		f := h.writer(keep)
		for range 1500 {
			c.set(c.Now().Add(time.Second))
			write(f, "x\n")
			h.looked()
		}
		st, err := os.Stat(h.path(".idx"))
		Expect(err).NotTo(HaveOccurred())
		Expect(st.Size()).To(BeNumerically("<=", 32+16*1281))
		Expect(strings.Count(h.read(logs.ReadOptions{Since: c.Now().Add(-100 * time.Second)}), "\n")).To(Equal(101))
		old := strings.Count(h.read(logs.ReadOptions{Since: c.Now().Add(-1200 * time.Second)}), "\n")
		Expect(old).To(And(BeNumerically(">=", 1201), BeNumerically("<", 1220)))
	})

	It("does not spin when a workload fills old holes again", func() {
		h := newHouse(logs.Options{})
		f := h.writer(keep)
		write(f, lines(0, 20000, 100))
		h.looked()
		w, err := os.OpenFile(h.path(".log"), os.O_WRONLY, 0)
		Expect(err).NotTo(HaveOccurred())
		defer w.Close()
		_, err = w.WriteAt([]byte(lines(0, 3000, 100)), 0)
		Expect(err).NotTo(HaveOccurred())
		write(f, "more\n")
		h.looked()
		got := h.read(logs.ReadOptions{})
		Expect(lines(0, 20000, 100) + "more\n").To(HaveSuffix(got))
		Expect(len(got)).To(BeNumerically(">=", keep-100))
	})
})

var _ = Describe("A damaged index", func() {
	type damage func(h *house)
	patch := func(h *house, f func(b []byte) []byte) {
		GinkgoHelper()
		b, err := os.ReadFile(h.path(".idx"))
		Expect(err).NotTo(HaveOccurred())
		Expect(os.WriteFile(h.path(".idx"), f(b), 0o600)).To(Succeed())
	}
	DescribeTable("loses no line and goes on",
		func(d damage) {
			h := newHouse(logs.Options{})
			f := h.writer(1 << 20)
			write(f, "one\n")
			h.looked()
			write(f, "two\n")
			h.looked()
			h.kill()
			d(h)
			h.start()
			Expect(h.read(logs.ReadOptions{Since: time.Now().Add(-time.Hour), Timestamps: true})).To(MatchRegexp(`^\S+ one\n\S+ two\n$`))
			Expect(h.l.Attach(id, 1<<20, 0)).To(Succeed())
			write(f, "three\n")
			h.looked()
			Expect(h.read(logs.ReadOptions{})).To(Equal("one\ntwo\nthree\n"))
			Expect(h.l.Health(id).Err).NotTo(HaveOccurred())
		},
		Entry("torn at its end", damage(func(h *house) { patch(h, func(b []byte) []byte { return b[:len(b)-7] }) })),
		Entry("with a piece too much", damage(func(h *house) { patch(h, func(b []byte) []byte { return append(b, 1, 2, 3) }) })),
		Entry("with zeros at its end", damage(func(h *house) { patch(h, func(b []byte) []byte { return append(b, make([]byte, 16*600)...) }) })),
		Entry("without a header", damage(func(h *house) { patch(h, func([]byte) []byte { return []byte("nonsense") }) })),
		Entry("empty", damage(func(h *house) { patch(h, func([]byte) []byte { return nil }) })),
		Entry("gone", damage(func(h *house) { Expect(os.Remove(h.path(".idx"))).To(Succeed()) })),
		Entry("that goes backwards", damage(func(h *house) {
			patch(h, func(b []byte) []byte {
				return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(b, 77), 1)
			})
		})),
	)

	It("begins anew when somebody removed all logs", func() {
		h := newHouse(logs.Options{})
		write(h.writer(1<<20), "one\n")
		Expect(os.RemoveAll(h.dir)).To(Succeed())
		write(h.writer(1<<20), "two\n")
		Expect(h.read(logs.ReadOptions{})).To(Equal("two\n"))
	})

	It("is a condition while it cannot be written, and recovers by itself", func() {
		h := newHouse(logs.Options{})
		Expect(os.MkdirAll(h.path(".idx")+"/x", 0o700)).To(Succeed())
		f := h.writer(1 << 20)
		write(f, "one\n")
		Eventually(func() error { return h.l.Health(id).Err }).Should(MatchError(ContainSubstring("cannot index log")))
		Expect(h.read(logs.ReadOptions{})).To(Equal("one\n"))
		Expect(os.RemoveAll(h.path(".idx"))).To(Succeed())
		write(f, "two\n")
		Eventually(func() error { return h.l.Health(id).Err }).Should(Succeed())
		h.looked()
	})
})
