package logs_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/process/logs"
)

// switches counts the voluntary context switches of this process: each is a thread that went to sleep.
func switches() int64 {
	var u syscall.Rusage
	Expect(syscall.Getrusage(syscall.RUSAGE_SELF, &u)).To(Succeed())
	return int64(u.Nvcsw)
}

var _ = Describe("Many logs", func() {
	It("are all indexed and bounded while 500 of them are busy, for less than 1 KiB of memory each", func() {
		const n, keep = 500, 16 << 10
		h := newHouse(logs.Options{})
		heap := func() int64 {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			return int64(m.HeapAlloc + m.StackInuse)
		}
		names := make([]string, n)
		for i := range names {
			names[i] = fmt.Sprintf("busy-%d", i)
		}
		before := heap()
		for _, name := range names {
			f, err := h.l.Writer(name, keep)
			Expect(err).NotTo(HaveOccurred())
			Expect(f.Close()).To(Succeed())
		}
		Expect((heap() - before) / n).To(BeNumerically("<", 1024))
		text := lines(0, 300, 100)
		for round := range 3 {
			for _, name := range names {
				f, err := os.OpenFile(filepath.Join(h.dir, name+".log"), os.O_WRONLY|os.O_APPEND, 0)
				Expect(err).NotTo(HaveOccurred())
				write(f, text[round*10_000:(round+1)*10_000])
				Expect(f.Close()).To(Succeed())
			}
		}
		for _, name := range names {
			if path := filepath.Join(h.dir, name+".log"); allocated(path) > keep+keep/4+8192 {
				Eventually(func() int64 { return allocated(path) }).Should(BeNumerically("<=", keep+keep/4+8192))
			}
		}
		for _, name := range names[:5] {
			var got strings.Builder
			Expect(h.l.Read(context.Background(), name, logs.ReadOptions{}, func(b []byte) error {
				got.Write(b)
				return nil
			})).To(Succeed())
			Expect(text).To(HaveSuffix(got.String()))
			Expect(got.Len()).To(BeNumerically(">=", keep-100))
		}
	})

	It("cost nothing while they rest", func() {
		h := newHouse(logs.Options{})
		f := h.writer(1 << 20)
		g := h.follow(logs.ReadOptions{})
		write(f, "one\n")
		Eventually(g.text).Should(Equal("one\n"))
		quiet := func() int64 {
			before := switches()
			<-time.After(100 * time.Millisecond)
			return switches() - before
		}
		// The runtime's own threads sleep and wake a little; a sampler that polled would do so every 20 ms and more.
		Eventually(quiet).Should(BeNumerically("<=", 6))
	})
})
