package logs_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/process/logs"
)

var _ = Describe("Read", func() {
	It("passes on all that is retained, byte for byte", func() {
		h := newHouse(logs.Options{})
		f := h.writer(1 << 20)
		text := "one\n\ntwo\r\n\x00\x01\xff binary\nlast without newline"
		write(f, text)
		Expect(h.read(logs.ReadOptions{})).To(Equal(text))
	})

	It("says that a log is not there", func() {
		h := newHouse(logs.Options{})
		_, err := h.tryRead(logs.ReadOptions{})
		Expect(errors.Is(err, fs.ErrNotExist)).To(BeTrue())
		Expect(h.l.Tail(id, 5)).To(BeEmpty())
	})

	DescribeTable("the last lines",
		func(text string, n int, want string) {
			h := newHouse(logs.Options{})
			write(h.writer(1<<20), text)
			Expect(h.read(logs.ReadOptions{Tail: n})).To(Equal(want))
		},
		Entry("of three, two", "a\nb\nc\n", 2, "b\nc\n"),
		Entry("of three, three", "a\nb\nc\n", 3, "a\nb\nc\n"),
		Entry("more than there are", "a\nb\n", 9, "a\nb\n"),
		Entry("zero is all", "a\nb\n", 0, "a\nb\n"),
		Entry("less than zero is all", "a\nb\n", -1, "a\nb\n"),
		Entry("a line that is not complete counts", "a\nb\nc", 2, "b\nc"),
		Entry("one line that is not complete", "a\nb\nc", 1, "c"),
		Entry("empty lines count", "a\n\n\n", 2, "\n\n"),
		Entry("of nothing", "", 3, ""),
		Entry("across blocks", lines(0, 5000, 100), 2000, lines(3000, 5000, 100)),
	)

	It("passes a long line in pieces of at most 1 MiB, the last with the newline", func() {
		h := newHouse(logs.Options{})
		f := h.writer(16 << 20)
		long := strings.Repeat("y", 3<<20+5)
		write(f, "before\n"+long+"\nafter\n")
		var pieces []int
		var all strings.Builder
		Expect(h.l.Read(context.Background(), id, logs.ReadOptions{Timestamps: false}, func(b []byte) error {
			pieces = append(pieces, len(b))
			all.Write(b)
			return nil
		})).To(Succeed())
		Expect(all.String()).To(Equal("before\n" + long + "\nafter\n"))
		Expect(len(pieces)).To(BeNumerically(">", 4))
		for _, n := range pieces {
			Expect(n).To(BeNumerically("<=", 1<<20+64<<10))
		}
		Expect(h.read(logs.ReadOptions{Tail: 1})).To(Equal("after\n"))
		Expect(h.l.Tail(id, 2)).To(HaveExactElements(HaveLen(4096), Equal("after")))
	})

	It("begins with what is new when asked to", func() {
		h := newHouse(logs.Options{})
		f := h.writer(1 << 20)
		write(f, "old\n")
		h.looked()
		g := h.follow(logs.ReadOptions{New: true})
		Eventually(func() string {
			write(f, "new\n")
			return g.text()
		}).Should(HavePrefix("new\n"))
	})

	It("stops when the caller has had enough", func() {
		h := newHouse(logs.Options{})
		write(h.writer(1<<20), "a\nb\n")
		enough := errors.New("enough")
		Expect(h.l.Read(context.Background(), id, logs.ReadOptions{}, func([]byte) error { return enough })).To(MatchError(enough))
	})

	It("knows since when, and when each line was written", func() {
		t0 := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		c := &clock{now: t0}
		h := newHouse(logs.Options{Now: c.Now})
		f := h.writer(1 << 20)
		for i, word := range []string{"one\n", "two\n", "three\nfour", " and a half\n"} {
			c.set(t0.Add(time.Duration(i) * time.Minute))
			write(f, word)
			h.looked()
		}
		Expect(h.read(logs.ReadOptions{Since: t0.Add(30 * time.Second)})).To(Equal("two\nthree\nfour and a half\n"))
		Expect(h.read(logs.ReadOptions{Since: t0.Add(150 * time.Second)})).To(Equal("four and a half\n"))
		Expect(h.read(logs.ReadOptions{Since: t0.Add(time.Hour)})).To(BeEmpty())
		Expect(h.read(logs.ReadOptions{Since: t0.Add(-time.Hour), Tail: 2})).To(Equal("three\nfour and a half\n"))
		Expect(h.read(logs.ReadOptions{Timestamps: true})).To(Equal(
			"2026-03-01T12:00:00.000000000Z one\n2026-03-01T12:01:00.000000000Z two\n" +
				"2026-03-01T12:02:00.000000000Z three\n2026-03-01T12:02:00.000000000Z four and a half\n"))
	})

	It("hides nothing that was written after the clock was set back", func() {
		t0 := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
		c := &clock{now: t0}
		h := newHouse(logs.Options{Now: c.Now})
		f := h.writer(1 << 20)
		for i, word := range []string{"wrong year\n", "right year\n", "later\n"} {
			if i > 0 {
				c.set(t0.AddDate(-4, 0, i))
			}
			write(f, word)
			h.looked()
		}
		Expect(h.read(logs.ReadOptions{Since: t0.AddDate(-4, 0, 1).Add(time.Hour)})).To(Equal("later\n"))
	})

	It("stamps the lines of a follow as they come", func() {
		t0 := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		c := &clock{now: t0}
		h := newHouse(logs.Options{Now: c.Now})
		f := h.writer(1 << 20)
		g := h.follow(logs.ReadOptions{Timestamps: true})
		want := ""
		for i, word := range []string{"one\n", "two\n", "three\n"} {
			c.set(t0.Add(time.Duration(i) * time.Hour))
			write(f, word)
			want += c.Now().Format("2006-01-02T15:04:05.000000000Z ") + word
			Eventually(g.text).Should(Equal(want))
			h.looked()
		}
	})

	It("does not follow symbolic links", func() {
		h := newHouse(logs.Options{})
		secret := h.dir + "/../secret"
		Expect(os.WriteFile(secret, []byte("secret\n"), 0o600)).To(Succeed())
		Expect(os.Symlink(secret, h.path(".log"))).To(Succeed())
		_, err := h.tryRead(logs.ReadOptions{})
		Expect(err).To(HaveOccurred())
		_, err = h.l.Writer(id, 1<<20)
		Expect(err).To(HaveOccurred())
		Expect(os.ReadFile(secret)).To(Equal([]byte("secret\n")))
		Expect(h.l.List()).To(BeEmpty())
	})

	DescribeTable("names that are not plain file names are refused", func(name string) {
		h := newHouse(logs.Options{})
		_, err := h.l.Writer(name, 1<<20)
		Expect(err).To(MatchError(ContainSubstring("cannot name a log")))
		Expect(h.l.Mark(name, 1)).NotTo(Succeed())
		Expect(h.l.Remove(name)).NotTo(Succeed())
		Expect(h.l.Read(context.Background(), name, logs.ReadOptions{}, func([]byte) error { return nil })).NotTo(Succeed())
	}, Entry(nil, ""), Entry(nil, "../x"), Entry(nil, ".x"), Entry(nil, "a/b"), Entry(nil, "a\n"), Entry(nil, strings.Repeat("a", 201)))
})
