package logs_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gleak"

	"mirroros.dev/mirroros/controllers/process/logs"
)

const id = "chat-0123456789-0"

// house is a directory of logs with an operator that may be running.
type house struct {
	dir  string
	o    logs.Options
	l    *logs.Logs
	stop func()
}

// newHouse opens a directory; the spec fails when goroutines or descriptors are left.
func newHouse(o logs.Options) *house {
	GinkgoHelper()
	before, fds := gleak.Goroutines(), openFDs()
	if o.Interval == 0 {
		o.Interval = 2 * time.Millisecond
	}
	h := &house{dir: filepath.Join(GinkgoT().TempDir(), "logs"), o: o}
	DeferCleanup(func() {
		h.kill()
		Eventually(gleak.Goroutines).ShouldNot(gleak.HaveLeaked(before))
		Eventually(openFDs).Should(BeNumerically("<=", fds), "descriptors left")
	})
	h.start()
	return h
}

// start opens the directory and runs the sampler.
func (h *house) start() {
	GinkgoHelper()
	l, err := logs.Open(h.dir, h.o)
	Expect(err).NotTo(HaveOccurred())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	h.l = l
	h.stop = func() {
		cancel()
		Eventually(done).Should(Receive(MatchError(context.Canceled)))
	}
}

// kill ends the sampler without a last look, as kill -9 would.
func (h *house) kill() {
	GinkgoHelper()
	if h.stop != nil {
		h.stop()
		h.stop = nil
		Expect(h.l.Close()).To(Succeed())
	}
}

func (h *house) writer(maxBytes int64) *os.File {
	GinkgoHelper()
	f, err := h.l.Writer(id, maxBytes)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { _ = f.Close() })
	return f
}

func (h *house) read(o logs.ReadOptions) string {
	GinkgoHelper()
	s, err := h.tryRead(o)
	Expect(err).NotTo(HaveOccurred())
	return s
}

func (h *house) tryRead(o logs.ReadOptions) (string, error) {
	var b bytes.Buffer
	err := h.l.Read(context.Background(), id, o, func(line []byte) error {
		b.Write(line)
		return nil
	})
	return b.String(), err
}

// follow reads in the background; end waits for it.
func (h *house) follow(o logs.ReadOptions) *follower {
	o.Follow = true
	ctx, cancel := context.WithCancel(context.Background())
	f := &follower{cancel: cancel, done: make(chan error, 1), over: make(chan struct{})}
	l := h.l
	started := make(chan struct{})
	go func() {
		close(started)
		defer close(f.over)
		f.done <- l.Read(ctx, id, o, func(line []byte) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.b.Write(line)
			return nil
		})
	}()
	<-started
	DeferCleanup(func() { cancel(); Eventually(f.over).Should(BeClosed()) })
	return f
}

type follower struct {
	cancel func()
	done   chan error
	over   chan struct{}
	mu     sync.Mutex
	b      bytes.Buffer
}

func (f *follower) text() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.b.String()
}

// ended waits for the follow to end by itself.
func (f *follower) ended() {
	GinkgoHelper()
	var err error
	Eventually(f.done).Should(Receive(&err))
	Expect(err).NotTo(HaveOccurred())
}

// looked waits until the index covers the log as it is now.
func (h *house) looked() {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		st, err := os.Stat(h.path(".log"))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(h.lastStamp()).To(Equal(st.Size()))
	}).WithPolling(200 * time.Microsecond).Should(Succeed())
}

func (h *house) lastStamp() int64 {
	b, err := os.ReadFile(h.path(".idx"))
	if err != nil || len(b) < 48 {
		return -1
	}
	b = b[:len(b)-len(b)%16]
	return int64(binary.LittleEndian.Uint64(b[len(b)-8:]))
}

func (h *house) path(suffix string) string { return filepath.Join(h.dir, id+suffix) }

func write(f *os.File, s string) {
	GinkgoHelper()
	_, err := f.WriteString(s)
	Expect(err).NotTo(HaveOccurred())
}

// lines makes the lines [from, to), each exactly width bytes.
func lines(from, to, width int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		head := fmt.Sprintf("line %08d ", i)
		b.WriteString(head + strings.Repeat("x", width-len(head)-1) + "\n")
	}
	return b.String()
}

func openFDs() int {
	entries, err := os.ReadDir("/dev/fd")
	if err != nil {
		return 0
	}
	return len(entries)
}

// clock is a wall clock that is set by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}
