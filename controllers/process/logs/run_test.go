package logs_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/process/logs"
)

var _ = Describe("Runs", func() {
	run := func(h *house, attempt int, text string) {
		GinkgoHelper()
		f := h.writer(1 << 20)
		Expect(h.l.Mark(id, attempt)).To(Succeed())
		write(f, text)
		Expect(f.Close()).To(Succeed())
		h.l.Detach(id)
	}

	It("are told apart, also by the next operator", func() {
		h := newHouse(logs.Options{})
		run(h, 1, "a1\na2\n")
		_, err := h.tryRead(logs.ReadOptions{Previous: true})
		Expect(errors.Is(err, logs.ErrNoPrevious)).To(BeTrue())
		run(h, 2, "b1\nb2\n")
		h.kill()
		h.start()
		Expect(h.read(logs.ReadOptions{Previous: true})).To(Equal("a1\na2\n"))
		run(h, 3, "c1\n")
		Expect(h.read(logs.ReadOptions{Previous: true})).To(Equal("b1\nb2\n"))
		Expect(h.read(logs.ReadOptions{Previous: true, Tail: 1, Follow: true})).To(Equal("b2\n"))
		Expect(h.read(logs.ReadOptions{})).To(Equal("a1\na2\nb1\nb2\nc1\n"))
		Expect(h.l.Tail(id, 9)).To(Equal([]string{"c1"}), "a new run is not blamed for the lines of the one before")
	})

	It("begin with a new line, whatever the one before left behind", func() {
		h := newHouse(logs.Options{})
		run(h, 1, "a1\nhalf")
		run(h, 2, "b1\nb2")
		run(h, 3, "")
		run(h, 4, "d1")
		Expect(h.read(logs.ReadOptions{})).To(Equal("a1\nhalf\nb1\nb2\nd1"))
		Expect(h.read(logs.ReadOptions{Tail: 2})).To(Equal("b2\nd1"))
		Expect(h.read(logs.ReadOptions{Tail: 4})).To(Equal("half\nb1\nb2\nd1"))
		Expect(h.read(logs.ReadOptions{Previous: true})).To(BeEmpty())
	})

	It("that were marked twice before they wrote are one", func() {
		h := newHouse(logs.Options{})
		run(h, 1, "a1\n")
		Expect(h.l.Mark(id, 2)).To(Succeed())
		h.kill()
		h.start()
		run(h, 2, "b1\n")
		Expect(h.read(logs.ReadOptions{Previous: true})).To(Equal("a1\n"))
	})

	It("survive a torn end of their file", func() {
		h := newHouse(logs.Options{})
		run(h, 1, "a\n")
		run(h, 2, "b\n")
		b, err := os.ReadFile(h.path(".run"))
		Expect(err).NotTo(HaveOccurred())
		Expect(os.WriteFile(h.path(".run"), append(b, 1, 2, 3, 4, 5, 6, 7, 8, 9), 0o600)).To(Succeed())
		run(h, 3, "c\n")
		Expect(h.read(logs.ReadOptions{Previous: true})).To(Equal("b\n"))
	})

	It("of thousands are bounded", func() {
		h := newHouse(logs.Options{})
		f := h.writer(1 << 20)
		for i := range 2100 {
			Expect(h.l.Mark(id, i+1)).To(Succeed())
			write(f, fmt.Sprintf("run %d\n", i+1))
		}
		st, err := os.Stat(h.path(".run"))
		Expect(err).NotTo(HaveOccurred())
		Expect(st.Size()).To(BeNumerically("<=", 24*1024))
		Expect(h.read(logs.ReadOptions{Previous: true})).To(Equal("run 2099\n"))
	})

	It("are removed with the log", func() {
		h := newHouse(logs.Options{})
		run(h, 1, "a\n")
		Expect(h.l.List()).To(Equal([]string{id}))
		Expect(h.l.Remove(id)).To(Succeed())
		Expect(h.l.List()).To(BeEmpty())
		Expect(os.ReadDir(h.dir)).To(BeEmpty())
		Expect(h.l.Remove(id)).To(Succeed())
	})
})

var _ = Describe("A hostile or careless workload", func() {
	It("that truncates its log is told of, and the lines after it are there", func() {
		h := newHouse(logs.Options{})
		f := h.writer(1 << 20)
		Expect(h.l.Mark(id, 1)).To(Succeed())
		write(f, "old 1\nold 2\n")
		Expect(h.l.Mark(id, 2)).To(Succeed())
		write(f, "old 3\n")
		h.looked()
		g := h.follow(logs.ReadOptions{})
		Eventually(g.text).Should(HaveSuffix("old 3\n"))
		Expect(f.Truncate(0)).To(Succeed())
		Eventually(func() bool { return h.l.Health(id).Truncated }).Should(BeTrue())
		write(f, "new 1\n")
		Eventually(g.text).Should(Equal("old 1\nold 2\nold 3\nnew 1\n"))
		h.looked()
		Expect(h.read(logs.ReadOptions{Since: time.Now().Add(-time.Hour)})).To(Equal("new 1\n"))
		Expect(h.read(logs.ReadOptions{Previous: true})).To(BeEmpty())
		Expect(h.l.Tail(id, 5)).To(Equal([]string{"new 1"}))
		f2 := h.writer(1 << 20)
		Expect(h.l.Health(id).Truncated).To(BeFalse(), "the next run")
		write(f2, "new 2\n")
	})

	It("that truncated it while no operator ran is told of", func() {
		h := newHouse(logs.Options{})
		f := h.writer(1 << 20)
		write(f, "old 1\nold 2\n")
		h.looked()
		h.kill()
		Expect(f.Truncate(0)).To(Succeed())
		write(f, "new\n")
		h.start()
		Expect(h.l.Attach(id, 1<<20, os.Getpid())).To(Succeed())
		Expect(h.l.Health(id).Truncated).To(BeTrue())
		Expect(h.read(logs.ReadOptions{Since: time.Now().Add(-time.Hour)})).To(Equal("new\n"))
	})

	It("that removes its log is told of, and reading goes on", func() {
		h := newHouse(logs.Options{})
		f := h.writer(1 << 20)
		write(f, "one\n")
		h.looked()
		g := h.follow(logs.ReadOptions{})
		Expect(os.Remove(h.path(".log"))).To(Succeed())
		Eventually(func() bool { return h.l.Health(id).Deleted }).Should(BeTrue())
		write(f, "two\n")
		Eventually(g.text).Should(Equal("one\ntwo\n"))
		Expect(h.read(logs.ReadOptions{})).To(Equal("one\ntwo\n"))

		By("another operator finds it in /proc")
		h.kill()
		write(f, "three\n")
		h.start()
		Expect(h.l.Attach(id, 1<<20, os.Getpid())).To(Succeed())
		Expect(h.l.Health(id).Deleted).To(BeTrue())
		Expect(h.read(logs.ReadOptions{})).To(Equal("one\ntwo\nthree\n"))

		By("the next run has a new file")
		g = h.follow(logs.ReadOptions{})
		f2 := h.writer(1 << 20)
		Expect(h.l.Health(id).Deleted).To(BeFalse())
		write(f2, "four\n")
		h.looked()
		Eventually(g.text).Should(HaveSuffix("four\n"))
		Expect(h.read(logs.ReadOptions{Since: time.Now().Add(-time.Hour)})).To(Equal("four\n"))
	})

	It("that renames its log is told of", func() {
		h := newHouse(logs.Options{})
		f := h.writer(1 << 20)
		write(f, "one\n")
		h.looked()
		Expect(os.Rename(h.path(".log"), h.path(".old"))).To(Succeed())
		Eventually(func() bool { return h.l.Health(id).Deleted }).Should(BeTrue())
		write(f, "two\n")
		Eventually(func() string { return h.read(logs.ReadOptions{}) }).Should(Equal("one\ntwo\n"))
	})

	It("that seeks to the end of the world keeps nobody busy", func() {
		h := newHouse(logs.Options{})
		f := h.writer(64 << 10)
		write(f, "one\n")
		for _, size := range []int64{1 << 43, 5, 1 << 42, 4096, 1 << 43} {
			Expect(os.Truncate(h.path(".log"), size)).To(Succeed())
		}
		_, _ = f.WriteString("two\n")
		h.looked()
		Expect(h.read(logs.ReadOptions{})).To(HaveSuffix("two\n"))
		Expect(h.read(logs.ReadOptions{Tail: 1})).To(HaveSuffix("two\n"))
	})

	It("of another user has its descriptor and no more", func() {
		h := newHouse(logs.Options{})
		f := h.writer(1 << 20)
		st, err := os.Stat(h.path(".log"))
		Expect(err).NotTo(HaveOccurred())
		Expect(st.Mode().Perm()).To(Equal(os.FileMode(0o600)))
		st, err = os.Stat(h.dir)
		Expect(err).NotTo(HaveOccurred())
		Expect(st.Mode().Perm()).To(Equal(os.FileMode(0o700)))
		cmd := exec.Command("/bin/sh", "-c", "echo from a child; echo and an error >&2")
		cmd.Stdout, cmd.Stderr = f, f
		Expect(cmd.Run()).To(Succeed())
		Expect(h.read(logs.ReadOptions{})).To(Equal("from a child\nand an error\n"))
	})
})

var _ = Describe("Follow", func() {
	It("delivers a line when it is complete", func() {
		h := newHouse(logs.Options{})
		f := h.writer(1 << 20)
		write(f, "one\nhalf")
		g := h.follow(logs.ReadOptions{})
		Eventually(g.text).Should(Equal("one\n"))
		write(f, " a line")
		h.looked()
		Expect(g.text()).To(Equal("one\n"))
		write(f, "\n")
		Eventually(g.text).Should(Equal("one\nhalf a line\n"))
		g.cancel()
		Eventually(g.done).Should(Receive(MatchError("context canceled")))
	})

	It("ends with a finished log, the line that is not complete included", func() {
		h := newHouse(logs.Options{Linger: time.Millisecond})
		f := h.writer(1 << 20)
		g := h.follow(logs.ReadOptions{Tail: 5})
		write(f, "one\nlast")
		Expect(f.Close()).To(Succeed())
		h.l.Detach(id)
		g.ended()
		Expect(g.text()).To(Equal("one\nlast"))
		Expect(h.read(logs.ReadOptions{Follow: true})).To(Equal("one\nlast"))
	})

	It("goes on while a child of the run still writes", func() {
		h := newHouse(logs.Options{Linger: time.Millisecond})
		f := h.writer(1 << 20)
		g := h.follow(logs.ReadOptions{})
		h.l.Detach(id)
		write(f, "straggler\n")
		Eventually(g.text).Should(Equal("straggler\n"))
		Expect(f.Close()).To(Succeed())
		g.ended()
	})

	It("goes on with the next run, in the same file or in a new one", func() {
		h := newHouse(logs.Options{Linger: time.Minute})
		f := h.writer(1 << 20)
		g := h.follow(logs.ReadOptions{})
		write(f, "a1\nhalf")
		Expect(f.Close()).To(Succeed())
		h.l.Detach(id)
		f = h.writer(1 << 20)
		Expect(h.l.Mark(id, 2)).To(Succeed())
		write(f, "b1\n")
		Eventually(g.text).Should(Equal("a1\nhalf\nb1\n"))
		Expect(f.Close()).To(Succeed())
		h.l.Detach(id)
		Expect(os.Remove(h.path(".log"))).To(Succeed())
		f = h.writer(1 << 20)
		Expect(h.l.Mark(id, 3)).To(Succeed())
		write(f, "c1\n")
		Eventually(g.text).Should(Equal("a1\nhalf\nb1\nc1\n"))
	})

	It("ends with a removed log", func() {
		h := newHouse(logs.Options{})
		f := h.writer(1 << 20)
		g := h.follow(logs.ReadOptions{})
		write(f, "one\n")
		Eventually(g.text).Should(Equal("one\n"))
		Expect(h.l.Remove(id)).To(Succeed())
		g.ended()
	})

	It("that is slower than the writer goes on at a whole line of the window", func() {
		h := newHouse(logs.Options{})
		f := h.writer(64 << 10)
		write(f, lines(0, 5, 100))
		hold, first := make(chan struct{}), make(chan struct{})
		var got []string
		done := make(chan error, 1)
		n := 0
		go func() {
			done <- h.l.Read(GinkgoT().Context(), id, logs.ReadOptions{Follow: true}, func(b []byte) error {
				if n++; n == 1 {
					close(first)
					<-hold
				}
				got = append(got, string(b))
				if string(b) == lines(19999, 20000, 100) {
					return errors.New("seen the last")
				}
				return nil
			})
		}()
		Eventually(first).Should(BeClosed())
		write(f, lines(5, 20000, 100))
		h.looked()
		close(hold)
		Eventually(done).Should(Receive(MatchError("seen the last")))
		Expect(len(got)).To(BeNumerically("<", 1500))
		for _, l := range got {
			Expect(l).To(MatchRegexp(`^line \d{8} x+\n$`))
		}
	})
})
