package audit_test

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/reconcile/audit"
)

var errFault = errors.New("injected fault")

// faults makes the n-th operation on the disk, from 1, fail; with stops, all that come after it too, as if the process had died there.
type faults struct {
	mu    sync.Mutex
	n     int
	part  int // bytes that the failing write still writes
	stops bool
	count int
}

func (f *faults) next(string, string) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count++
	if f.count == f.n {
		return f.part, errFault
	}
	if f.stops && f.count > f.n {
		return 0, errFault
	}
	return 0, nil
}

func (f *faults) fired() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count >= f.n
}

// requests are the ids of all records of callers, in their order.
func (p place) requests() []string {
	GinkgoHelper()
	out := []string{}
	Expect(audit.Query(p.dir, audit.Filter{}, func(r *audit.Record) error {
		out = append(out, r.Request)
		return nil
	})).To(Succeed())
	return out
}

// story writes records into a log that is rotated and loses old files, and answers the ids of those that were said to be there.
func story(o audit.Options, f *faults, durable bool) (tried, acked []string, err error) {
	l, err := audit.OpenFaulty(o, f.next)
	if err != nil {
		return nil, nil, err
	}
	for i := range 24 {
		id := fmt.Sprintf("r%03d", i)
		tried = append(tried, id)
		if l.Write(decision(id), durable) == nil {
			acked = append(acked, id)
		}
		if i == 12 {
			l.SetRetention(0, 8<<10)
		}
	}
	_ = l.Close()
	return tried, acked, nil
}

var _ = Describe("a disk that fails", func() {
	DescribeTable("keeps what it said that it keeps, and verifies after the next one has opened the log",
		func(stops, sync bool, part int) {
			random := rand.New(rand.NewPCG(uint64(GinkgoRandomSeed()), 2))
			took := false
			for n := 1; ; n++ {
				if testing.Short() {
					n += random.IntN(10) // others each time
				}
				p := newPlace()
				Expect(p.open("gate").Close()).To(Succeed()) // so that there is something to mend, and a key
				f := &faults{n: n, stops: stops, part: part}
				o := p.options("gate")
				o.MaxBytes = 32 << 10 // files of 4 KiB
				tried, acked, err := story(o, f, sync)
				by := fmt.Sprintf("operation %d, seed %d: %v", n, GinkgoRandomSeed(), err)
				after := p.open("gate")
				Expect(after.Write(decision("after"), false)).To(Succeed(), by)
				Expect(after.Close()).To(Succeed(), by)
				Expect(p.verify().Problems).To(BeEmpty(), by)
				Expect(p.files("*.tmp")).To(BeEmpty(), by)
				have := p.requests()
				if stops { // what it died of may be there, though nobody was told
					have = slices.DeleteFunc(have, func(id string) bool { return !slices.Contains(acked, id) && slices.Contains(tried, id) })
				}
				first := slices.Index(acked, have[0]) // what was before went by retention
				if first < 0 {
					first = len(acked)
				}
				took = took || first > 0
				Expect(have).To(Equal(append(slices.Clone(acked[first:]), "after")), by)
				if !f.fired() {
					Expect(n).To(BeNumerically(">", 40), "operations tried")
					Expect(took || !sync).To(BeTrue(), "retention took something at some time; where nobody waits for the disk, the story may be over first")
					return
				}
			}
		},
		Entry("one operation fails", false, true, 0),
		Entry("one operation fails in the middle", false, true, 100),
		Entry("one operation fails, nobody waits for the disk", false, false, 1000),
		Entry("everything ends there", true, true, 0),
		Entry("everything ends there, in the middle of a line", true, false, 300),
	)

	It("says so to everybody who waits, and works again when there is room", func() {
		p := newPlace()
		full := &faults{}
		l, err := audit.OpenFaulty(p.options("gate"), func(op, name string) (int, error) {
			if op == "write" && strings.Contains(name, ".jsonl") {
				full.mu.Lock()
				defer full.mu.Unlock()
				if full.stops {
					return 70, syscall.ENOSPC
				}
			}
			return 0, nil
		})
		Expect(err).NotTo(HaveOccurred())
		Expect(l.Write(decision("before"), false)).To(Succeed())
		set := func(on bool) { full.mu.Lock(); full.stops = on; full.mu.Unlock() }
		set(true)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				defer GinkgoRecover()
				err := l.Write(decision("lost"), false)
				Expect(err).To(MatchError(syscall.ENOSPC))
				Expect(err).To(MatchError(ContainSubstring("cannot write audit log")))
			})
		}
		wg.Wait()
		set(false)
		Expect(l.Write(decision("after"), false)).To(Succeed())
		set(true)
		l.Post(decision("posted"))
		Eventually(func() error { return l.Write(decision("lost too"), false) }).Should(MatchError(syscall.ENOSPC))
		set(false)
		Eventually(func() error { return l.Write(decision("again"), false) }).Should(Succeed())
		Expect(l.Close()).To(Succeed())
		Expect(p.verify().Problems).To(BeEmpty())
		Expect(p.requests()).To(Equal([]string{"before", "after", "again"}))
	})
})

var _ = Describe("A record", func() {
	It("waits for the disk where its writer asks for that, with all that are written with it, and else for the file alone", func() {
		p := newPlace()
		var armed, awake atomic.Bool
		disk, begun, writing := make(chan struct{}), make(chan struct{}), make(chan struct{})
		l, err := audit.OpenFaulty(p.options("gate"), func(op, name string) (int, error) {
			switch {
			case op == "sync" && strings.Contains(name, ".jsonl") && awake.Load():
				<-disk
			case op == "write" && armed.CompareAndSwap(true, false):
				close(begun)
				<-writing
			}
			return 0, nil
		})
		Expect(err).NotTo(HaveOccurred())
		awake.Store(true)
		for i := range 4 {
			Expect(l.Write(decision(fmt.Sprint("alone", i)), false)).To(Succeed(), "though the disk stands still")
		}
		armed.Store(true)
		var moves atomic.Bool
		var wg sync.WaitGroup
		write := func(id string, durable, waits bool) {
			wg.Go(func() {
				defer GinkgoRecover()
				Expect(l.Write(decision(id), durable)).To(Succeed())
				Expect(moves.Load() || !waits).To(BeTrue(), "%s was told that it is on the disk", id)
			})
		}
		write("before", false, false)
		Eventually(begun).Should(BeClosed()) // what comes now is written together after it
		for i := range 8 {
			write(fmt.Sprint("together", i), i == 5, true)
		}
		Eventually(l.Waiting).Should(Equal(8))
		close(writing)
		Eventually(l.Waiting).Should(BeZero())
		moves.Store(true)
		close(disk)
		wg.Wait()
		Expect(l.Close()).To(Succeed())
		Expect(p.requests()).To(HaveLen(13))
	})
})

// TestMain lets the tests start this binary as a program that writes until it is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("AUDIT_TEST_WRITER"); dir != "" {
		writeUntilKilled(dir)
	}
	os.Exit(m.Run())
}

func writeUntilKilled(root string) {
	l, err := audit.Open(audit.Options{Dir: filepath.Join(root, "audit"), Writer: "gate", KeyFile: filepath.Join(root, "audit.key"), MaxBytes: 8 << 20})
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	for i := 0; ; i++ {
		if err := l.Write(decision(fmt.Sprintf("%d-%06d", os.Getpid(), i)), false); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		fmt.Printf("%d-%06d\n", os.Getpid(), i)
	}
}

var _ = Describe("kill -9", func() {
	It("loses nothing that was said to be there, also with two at once, and the log verifies", func() {
		p := newPlace()
		root := filepath.Dir(p.dir)
		random := rand.New(rand.NewPCG(uint64(GinkgoRandomSeed()), 1))
		by := fmt.Sprintf("seed %d", GinkgoRandomSeed())
		acked := map[string]bool{}
		for range 5 {
			var wg sync.WaitGroup
			outputs := make([][]string, 2)
			for i := range outputs {
				lines := 1 + random.IntN(400)
				wg.Go(func() {
					defer GinkgoRecover()
					outputs[i] = runWriter(root, lines)
				})
			}
			wg.Wait()
			for _, id := range slices.Concat(outputs...) {
				Expect(id).NotTo(HavePrefix("error"), by)
				acked[id] = true
			}
		}
		Expect(p.verify().Problems).To(BeEmpty(), by+", before anybody has opened it again")
		Expect(p.open("operator").Close()).To(Succeed())
		r := p.verify()
		Expect(r.Problems).To(BeEmpty(), by)
		Expect(r.Chains).To(HaveLen(11), by)
		have := map[string]bool{}
		for _, id := range p.requests() {
			have[id] = true
		}
		for id := range acked {
			Expect(have).To(HaveKey(id), by)
		}
	})
})

// runWriter starts a writer and kills it when it has said so many lines.
func runWriter(root string, lines int) (out []string) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "AUDIT_TEST_WRITER="+root)
	pipe, err := cmd.StdoutPipe()
	Expect(err).NotTo(HaveOccurred())
	Expect(cmd.Start()).To(Succeed())
	s := bufio.NewScanner(pipe)
	for s.Scan() {
		if out = append(out, s.Text()); len(out) == lines {
			Expect(cmd.Process.Kill()).To(Succeed())
		}
	}
	_ = cmd.Wait() // it was killed
	return out
}

var _ = Describe("Open", func() {
	It("cuts half a line off a chain whose writer died, signs what was not signed, and says both", func() {
		p := newPlace()
		f := &faults{n: -1}
		l, err := audit.OpenFaulty(p.options("gate"), f.next)
		Expect(err).NotTo(HaveOccurred())
		Expect(l.Write(decision("r1"), false)).To(Succeed())
		f.mu.Lock()
		f.n, f.stops, f.part = f.count+1, true, 100
		f.mu.Unlock()
		Expect(l.Write(decision("r2"), false)).To(MatchError(errFault))
		Expect(l.Close()).NotTo(Succeed())
		r := p.verify()
		Expect(r.Problems).To(BeEmpty())
		Expect(r.Chains[0].Half).To(Equal(100))
		Expect(r.Chains[0].Unsigned).To(Equal(1))
		Expect(r.Chains[0].Ended).To(BeFalse())

		Expect(p.open("operator").Close()).To(Succeed())
		r = p.verify()
		Expect(r.Problems).To(BeEmpty())
		Expect(r.Chains[0].Half).To(Equal(0))
		Expect(r.Chains[0].Ended).To(BeTrue())
		begin := read(p.files("operator-*.jsonl")[0])
		Expect(begin).To(And(ContainSubstring(`"cut":100`), ContainSubstring(`"unsigned":1`), ContainSubstring("half a line of 100 bytes was cut off")))
		Expect(p.files("gate-*.head")).To(BeEmpty(), "the index knows how it ended")

		gate := p.files("gate-*.jsonl")[0]
		lines := strings.SplitAfter(read(gate), "\n")
		write(gate, strings.Join(lines[:2], ""))
		Expect(p.verify().Problems).NotTo(BeEmpty(), "what was not signed by its writer is signed now, and its end is known")
	})

	It("records a cut tail that it finds, for ever", func() {
		p := small(3)
		gate := strings.TrimSuffix(p.files("gate-*.head")[0], ".head") + "-0001.jsonl"
		lines := strings.SplitAfter(read(gate), "\n")
		write(gate, strings.Join(lines[:3], ""))
		Expect(p.open("gate").Close()).To(Succeed())
		Expect(p.open("gate").Close()).To(Succeed())
		r := p.verify()
		Expect(r.Problems).To(HaveLen(1))
		Expect(r.Problems[0].Text).To(And(ContainSubstring("recorded at"), ContainSubstring("its head says that there was record")))
	})

	It("makes a missing index anew, and records that", func() {
		p := small(3)
		Expect(os.Remove(filepath.Join(p.dir, "chains.index"))).To(Succeed())
		Expect(p.open("gate").Close()).To(Succeed())
		r := p.verify()
		Expect(r.Problems).To(HaveLen(1))
		Expect(r.Problems[0].Text).To(ContainSubstring("the index of chains was missing"))
	})

	It("leaves a chain alone that is being written", func() {
		p := newPlace()
		first := p.open("gate")
		Expect(first.Write(decision("r1"), false)).To(Succeed())
		second := p.open("gate")
		Expect(second.Write(decision("r2"), false)).To(Succeed())
		Expect(first.Write(decision("r3"), false)).To(Succeed())
		Expect(first.Close()).To(Succeed())
		Expect(second.Close()).To(Succeed())
		Expect(p.verify().Problems).To(BeEmpty())
		Expect(p.requests()).To(ConsistOf("r1", "r2", "r3"))
	})

	It("begins one chain for each of many that open it at once", func() {
		p := newPlace()
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				defer GinkgoRecover()
				l, err := audit.Open(p.options("gate"))
				Expect(err).NotTo(HaveOccurred())
				Expect(l.Write(decision(fmt.Sprint("r", i)), false)).To(Succeed())
				Expect(l.Close()).To(Succeed())
			})
		}
		wg.Wait()
		r := p.verify()
		Expect(r.Problems).To(BeEmpty())
		Expect(r.Chains).To(HaveLen(8))
	})

	DescribeTable("does not start without a key that fits",
		func(spoil func(p place), says string) {
			p := small(1)
			spoil(p)
			_, err := audit.Open(p.options("gate"))
			Expect(err).To(MatchError(ContainSubstring(says)))
		},
		Entry("none, with records", func(p place) { Expect(os.Remove(p.key)).To(Succeed()) }, "there is none, but there are records that it signed"),
		Entry("one that is damaged", func(p place) { write(p.key, "what") }, "it has no PEM block"),
		Entry("one that others can read", func(p place) { Expect(os.Chmod(p.key, 0o644)).To(Succeed()) }, "others can read it"),
		Entry("another than its public key", func(p place) { write(p.key, read(small(1).key)) }, "one of them was swapped"),
		Entry("another pair", func(p place) {
			other := small(1)
			write(p.key, read(other.key))
			write(p.key+".pub", read(other.key+".pub"))
		}, "it is signed by key"),
		Entry("a directory in its place", func(p place) {
			Expect(os.Remove(p.key)).To(Succeed())
			Expect(os.Mkdir(p.key, 0o700)).To(Succeed())
		}, "cannot read key"),
	)

	It("makes the key for its owner alone", func() {
		p := small(1)
		info, err := os.Stat(p.key)
		Expect(err).NotTo(HaveOccurred())
		Expect(info.Mode().Perm()).To(Equal(os.FileMode(0o600)))
	})
})

var _ = Describe("Retention", func() {
	It("removes by age, the oldest first, and the rest verifies", func() {
		p := small(3)
		o := p.options("gate")
		o.Retain = time.Hour
		o.Now = func() time.Time { return time.Now().Add(2 * time.Hour) }
		l, err := audit.Open(o)
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(l.Close)
		Eventually(func() []string { return p.files("gate-*.jsonl") }).Should(HaveLen(1))
		Expect(l.Write(decision("new"), false)).To(Succeed())
		Expect(l.Close()).To(Succeed())
		r := p.verify()
		Expect(r.Problems).To(BeEmpty())
		Expect(r.Removed).To(BeTemporally("~", time.Now(), time.Minute))
		Expect(p.requests()).To(Equal([]string{"r1-0", "r1-1", "r1-2", "new"}), "the operator's are its own")
		Expect(read(p.files("gate-*.jsonl")[0])).To(ContainSubstring(`"kind":"removed"`))
		Expect(p.open("operator").Close()).To(Succeed())
		Expect(p.verify().Problems).To(BeEmpty())
	})

	It("removes nothing when the clock jumps ahead while it runs", func() {
		p := newPlace()
		var mu sync.Mutex
		jump := time.Duration(0)
		o := p.options("gate")
		o.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return time.Now().Add(jump) }
		o.Retain, o.MaxBytes = time.Hour, 1<<20
		Expect(p.open("gate").Close()).To(Succeed())
		l, err := audit.Open(o)
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(l.Close)
		mu.Lock()
		jump = 10 * 365 * 24 * time.Hour
		mu.Unlock()
		Expect(l.Write(decision("r1"), false)).To(Succeed()) // another file begins
		l.SetRetention(time.Hour, 1<<20)
		Expect(l.Close()).To(Succeed())
		Expect(p.files("gate-*.jsonl")).To(HaveLen(3))
		Expect(p.verify().Problems).To(BeEmpty())
	})
})
