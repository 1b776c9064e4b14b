package ledger_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/budget/ledger"
)

const childEnv = "MIRROROS_TEST_LEDGER_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		child(dir)
		return
	}
	if dir := os.Getenv(limitedEnv); limitedEnv != "" && dir != "" {
		limited(dir)
		return
	}
	os.Exit(m.Run())
}

func childConfig() ledger.Config {
	c := config(budget("all", ledger.Tokens, 400_000, never), budget("rate", ledger.Requests, 100_000, minute), budget("few", ledger.Concurrency, 40, never))
	c.Number = 1
	return c
}

// child spends until its budget is used up or it is killed. It tells each call that it serves, before it settles it.
func child(dir string) {
	l, err := ledger.Open(ledger.Options{Dir: dir, SegmentBytes: 64 << 10})
	if err != nil {
		fmt.Println("cannot", err)
		os.Exit(1)
	}
	if err := l.Configure(childConfig()); err != nil {
		fmt.Println("cannot", err)
		os.Exit(1)
	}
	fmt.Println("ready")
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			random := rand.New(rand.NewPCG(uint64(os.Getpid()), uint64(i)))
			for {
				r := tokens(random.Int64N(30), 1+random.Int64N(100))
				got, over, err := l.Reserve(context.Background(), r)
				if err != nil || got != nil && got.Commit(random.IntN(8) == 0) != nil {
					fmt.Println("cannot", err)
					return
				}
				if over != nil {
					if over.Budget == "all" && over.Reset < 0 {
						return
					}
					continue
				}
				used := r.Input + random.Int64N(got.Output()+1)
				fmt.Println("served", used) // one write: never half a line
				got.Settle(ledger.Usage{Output: used}, nil)
			}
		})
	}
	all.Wait()
	fmt.Println("over")
	<-make(chan struct{}) // until it is killed
}

// spender is a child that is followed.
type spender struct {
	cmd    *exec.Cmd
	ready  chan struct{}
	done   chan struct{} // all that it said was read
	served int64
	said   []string // what went wrong
}

func spawn(dir string) *spender {
	GinkgoHelper()
	s := &spender{cmd: exec.Command(os.Args[0]), ready: make(chan struct{}), done: make(chan struct{})}
	s.cmd.Env = append(os.Environ(), childEnv+"="+dir)
	out, err := s.cmd.StdoutPipe()
	Expect(err).NotTo(HaveOccurred())
	Expect(s.cmd.Start()).To(Succeed())
	DeferCleanup(s.kill)
	go func() {
		defer close(s.done)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			word, rest, _ := strings.Cut(lines.Text(), " ")
			switch n, _ := strconv.ParseInt(rest, 10, 64); word {
			case "ready":
				close(s.ready)
			case "served":
				s.served += n
			case "over":
			default:
				s.said = append(s.said, lines.Text())
			}
		}
	}()
	return s
}

// kill -9, and wait until all that it said is known.
func (s *spender) kill() {
	_ = s.cmd.Process.Kill()
	<-s.done
	_ = s.cmd.Wait()
}

var _ = Describe("kill -9", func() {
	It("of one of two gates under load, again and again, loses nothing that was served and overspends nothing", func() {
		dir := GinkgoT().TempDir()
		random := rand.New(rand.NewPCG(uint64(GinkgoRandomSeed()), 4))
		rounds := 25
		if testing.Short() {
			rounds = 6
		}
		served, inFlight := int64(0), int64(0)
		var lives [2]*spender
		for round := range rounds {
			i := round % 2
			if lives[i] != nil {
				// any moment will do: it is the load that makes it a random one
				timer := time.NewTimer(time.Duration(random.Int64N(int64(40 * time.Millisecond))))
				<-timer.C
				lives[i].kill()
				Expect(lives[i].said).To(BeEmpty())
				served += lives[i].served
				inFlight += 8 * 130
			}
			lives[i] = spawn(dir)
			Eventually(lives[i].ready).Should(BeClosed())
		}
		for _, s := range lives {
			s.kill()
			Expect(s.said).To(BeEmpty())
			served += s.served
			inFlight += 8 * 130
		}
		p := place{dir, newClock("2026-11-27T10:00:00Z")}
		found := p.sound(childConfig())
		spent := found.Total.Input + found.Total.Output
		GinkgoWriter.Printf("seed %d: %d served, %d charged in %d calls, %d open, %d records\n", GinkgoRandomSeed(), served, spent, found.Calls, found.Open, found.Records)
		l, err := ledger.Open(ledger.Options{Dir: dir}) // charges what is open
		Expect(err).NotTo(HaveOccurred())
		Expect(l.Close()).To(Succeed())
		found = p.sound(childConfig())
		spent = found.Total.Input + found.Total.Output
		Expect(found.Open).To(BeZero())
		Expect(served).To(BeNumerically(">", 0))
		Expect(spent).To(And(BeNumerically(">=", served), BeNumerically("<=", 400_000)), "seed %d", GinkgoRandomSeed())
		Expect(spent-served).To(BeNumerically("<=", inFlight), "what was in flight, at most; seed %d", GinkgoRandomSeed())
	})
})

// files of a log with something of everything, and a second file.
func smallLog(p place) (ledger.Config, []string) {
	GinkgoHelper()
	c := ledger.Config{Number: 1, Budgets: []ledger.Budget{budget("a", ledger.Tokens, 10_000, day), budget("s", ledger.Tokens, 10_000, minute)},
		Principals: []ledger.Principal{{Name: "agent-a", Type: "agent", Labels: map[string]string{"team": "a"}}}}
	l := p.open(c)
	open := granted(l, tokens(1, 1))
	spend(l, tokens(10, 20), 5, 6)
	Expect(ledger.Reset(p.dir, "a", "a reason", p.clock)).To(Succeed())
	p.clock.pass(2 * time.Hour)
	Expect(l.Compact()).To(Succeed())
	spend(l, tokens(10, 20), 7, 8)
	granted(l, tokens(3, 3)).Cancel()
	Expect(l.Compact()).To(Succeed())
	open.Settle(ledger.Usage{Input: 1}, nil)
	dead := p.open(c)
	granted(dead, tokens(4, 4))
	dead.Drop()
	spend(l, tokens(10, 20), 9, 1)
	Expect(p.open(c).Close()).To(Succeed())
	Expect(l.Close()).To(Succeed())
	p.sound(c)
	names, err := filepath.Glob(filepath.Join(p.dir, "*.*"))
	Expect(err).NotTo(HaveOccurred())
	Expect(names).To(HaveLen(4), "two books and two logs: %s", names)
	return c, names
}

// put a content into a file that is there, in place: a file system may flush one that is cut to nothing and written anew.
func put(name string, content []byte) {
	GinkgoHelper()
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	Expect(err).NotTo(HaveOccurred())
	defer f.Close()
	_, err = f.WriteAt(content, 0)
	Expect(err).NotTo(HaveOccurred())
	Expect(f.Truncate(int64(len(content)))).To(Succeed())
}

var _ = Describe("A log that is damaged", func() {
	It("shows each flipped byte: Verify tells its file, or it is at the torn end; nobody opens it and counts wrong", func() {
		p := newPlace()
		c, names := smallLog(p)
		before := p.used(c, "a", "")
		random := rand.New(rand.NewPCG(uint64(GinkgoRandomSeed()), 5))
		last := names[len(names)-1]
		Expect(last).To(HaveSuffix(".log"))
		torn := 0
		for _, name := range names {
			content, err := os.ReadFile(name)
			Expect(err).NotTo(HaveOccurred())
			for i := 0; i < len(content); i++ {
				if testing.Short() {
					i += random.IntN(10) // others each time
					i = min(i, len(content)-1)
				}
				flipped := append([]byte(nil), content...)
				flipped[i] ^= 1 << (i % 8)
				put(name, flipped)
				found, err := ledger.Verify(p.dir, c)
				by := fmt.Sprintf("%s, byte %d: %+v, %v", filepath.Base(name), i, found, err)
				switch {
				case err != nil: // a header of a version that nobody knows
					Expect(i).To(And(BeNumerically(">=", 8), BeNumerically("<", 12)), by)
				case len(found.Faults) == 0:
					Expect(name).To(Equal(last), by)
					Expect(found.Torn).To(BeNumerically(">=", len(content)-i), by)
					torn++
				default:
					Expect(found.Faults[0].File).To(Equal(name), by)
					Expect(found.Faults[0].Offset).To(BeNumerically("<=", i), by)
				}
				if l, err := ledger.Open(ledger.Options{Dir: p.dir, Clock: p.clock}); err == nil {
					Expect(l.Close()).To(Succeed())
				} else if !strings.Contains(err.Error(), "newer version") {
					Expect(err.Error()).To(And(ContainSubstring(name), ContainSubstring("put the file back")), by)
				}
				put(name, content)
			}
		}
		Expect(torn).To(And(BeNumerically(">", 0), BeNumerically("<", 100)), "bytes of the last record")
		Expect(p.used(c, "a", "")).To(Equal(before))
		p.sound(c)
	})

	It("by a write that was cut short anywhere is cut off there, and goes on", func() {
		p := newPlace()
		c, names := smallLog(p)
		last := names[len(names)-1]
		content, err := os.ReadFile(last)
		Expect(err).NotTo(HaveOccurred())
		for n := 24; n < len(content); n++ {
			put(last, content[:n])
			found := p.sound(c)
			l := p.open(c)
			r := granted(l, tokens(1, 1))
			Expect(r.Commit(true)).To(Succeed())
			r.Settle(ledger.Usage{Input: 1}, nil)
			Expect(l.Close()).To(Succeed())
			after := p.sound(c)
			Expect(after.Torn).To(BeZero())
			Expect(after.Calls).To(BeNumerically(">=", found.Calls+1))
			Expect(after.Open).To(BeZero())
		}
	})

	It("shows each record that is left out or doubled", func() {
		p := newPlace()
		c, names := smallLog(p)
		records := 0
		for _, name := range names {
			content, err := os.ReadFile(name)
			Expect(err).NotTo(HaveOccurred())
			for at := 24; at < len(content); records++ {
				next := at + 8 + int(binary.LittleEndian.Uint32(content[at:]))
				for what, with := range map[string][]byte{
					"left out": append(append([]byte(nil), content[:at]...), content[next:]...),
					"doubled":  append(append([]byte(nil), content[:next]...), content[at:]...),
				} {
					put(name, with)
					found, err := ledger.Verify(p.dir, c)
					Expect(err).NotTo(HaveOccurred())
					if len(found.Faults) == 0 && name == names[len(names)-1] { // bytes that moved are no records any more: all of them count as torn
						Expect(found.Torn).To(BeNumerically(">=", int64(len(with)-next)), "%s at %d is %s", name, at, what)
						continue
					}
					Expect(found.Faults).NotTo(BeEmpty(), "%s at %d is %s", name, at, what)
					Expect(found.Faults[0].File).To(Equal(name))
				}
				at = next
			}
			put(name, content)
		}
		Expect(records).To(BeNumerically(">", 30))
		p.sound(c)
	})

	It("in the middle, by lost blocks, or by a missing file is not opened", func() {
		p := newPlace()
		c, names := smallLog(p)
		last := names[len(names)-1]
		content, err := os.ReadFile(last)
		Expect(err).NotTo(HaveOccurred())
		put(last, append(append([]byte(nil), content...), make([]byte, 5000)...)) // a power cut may leave zeros
		Expect(p.open(c).Close()).To(Succeed())
		Expect(p.sound(c).Torn).To(BeZero())
		Expect(os.Rename(last, last+"-away")).To(Succeed())
		_, err = ledger.Open(ledger.Options{Dir: p.dir, Clock: p.clock})
		Expect(err).To(MatchError(And(ContainSubstring(last), ContainSubstring("not there"))))
		_, err = ledger.OpenReader(p.dir)
		Expect(err).To(HaveOccurred())
		_, err = os.Stat(last)
		Expect(err).To(MatchError(os.ErrNotExist), "nothing is begun anew")
	})

	It("by a newer version is refused by name", func() {
		p := newPlace()
		c, names := smallLog(p)
		for _, name := range names[len(names)-2:] {
			content, err := os.ReadFile(name)
			Expect(err).NotTo(HaveOccurred())
			newer := append([]byte(nil), content...)
			binary.LittleEndian.PutUint32(newer[8:], 2)
			put(name, newer)
			_, err = ledger.Open(ledger.Options{Dir: p.dir, Clock: p.clock})
			Expect(err).To(MatchError(And(ContainSubstring("format 2"), ContainSubstring("up to 1"))))
			_, err = ledger.Verify(p.dir, c)
			Expect(err).To(MatchError(ContainSubstring("format 2")))
			put(name, content)
		}
		p.sound(c)
	})
})

var _ = Describe("A disk that does not take what was written", func() {
	It("lets no call go on until all was written anew, for the kernel would say that it is there", func() {
		p := newPlace()
		c := config(budget("a", ledger.Tokens, 1000, never))
		l := p.open(c)
		spend(l, tokens(100, 0), 100, 0)
		one, two := granted(l, tokens(10, 0)), granted(l, tokens(20, 0))
		l.FailSync(syscall.EIO)
		Expect(one.Commit(true)).To(MatchError(syscall.EIO))
		Expect(filepath.Join(p.dir, "0000000002.book")).To(BeAnExistingFile(), "the end of the first call had it made")
		l.FailSync(nil)
		Expect(two.Commit(true)).To(Succeed(), "it is in the book")
		three := granted(l, tokens(30, 0))
		Expect(three.Commit(true)).To(Succeed())
		Expect(p.limits(c, "a", "")[0]).To(And(HaveField("Used", BeEquivalentTo(100)), HaveField("Reserved", BeEquivalentTo(50))), "the first is canceled")
		three.Cancel()
		p.sound(c)
	})
})
