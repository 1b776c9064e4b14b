package logs_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/process/logs"
)

// model is what a log should be: all that was ever written, with a newline where a run begins behind half a line.
type model struct {
	all     strings.Builder
	runs    []string // what each run wrote
	written int      // bytes, without the newlines that the model put in
	times   []timed  // when each write began, and where in all
}

type timed struct {
	at  time.Time
	pos int
}

func (m *model) write(s string, at time.Time) {
	m.times = append(m.times, timed{at, m.all.Len()})
	m.all.WriteString(s)
	m.runs[len(m.runs)-1] += s
	m.written += len(s)
}

// mark begins a run. Runs that ended before anything was written at all are none to read.
func (m *model) mark() {
	if m.written == 0 {
		return
	}
	if s := m.all.String(); s != "" && !strings.HasSuffix(s, "\n") {
		m.all.WriteByte('\n')
	}
	m.runs = append(m.runs, "")
}

// lastLines is the last n lines of a text.
func lastLines(text string, n int) string {
	all := strings.SplitAfter(text, "\n")
	if all[len(all)-1] == "" {
		all = all[:len(all)-1]
	}
	return strings.Join(all[max(0, len(all)-n):], "")
}

var _ = Describe("Random writes, kills and reads", func() {
	const keep, longest = 64 << 10, 3000

	text := func(r *rand.Rand, serial *int) string {
		var b strings.Builder
		for range r.IntN(40) {
			*serial++
			n := r.IntN(200)
			if r.IntN(50) == 0 {
				n = r.IntN(longest - 50)
			}
			fmt.Fprintf(&b, "%d:%s", *serial, strings.Repeat(string(rune('a'+r.IntN(26))), n))
			if r.IntN(30) == 0 {
				b.WriteByte(0)
			}
			b.WriteByte('\n')
		}
		if r.IntN(3) == 0 {
			fmt.Fprintf(&b, "half a line %d", *serial)
		}
		return b.String()
	}

	check := func(h *house, m *model, r *rand.Rand) string {
		GinkgoHelper()
		all := m.all.String()
		got := h.read(logs.ReadOptions{})
		Expect(all).To(HaveSuffix(got))
		if before := len(all) - len(got); before > 0 {
			Expect(all[before-1]).To(BeEquivalentTo('\n'), "starts at a whole line")
			Expect(len(got)).To(BeNumerically(">=", keep-longest))
		}
		n := 1 + r.IntN(300)
		Expect(h.read(logs.ReadOptions{Tail: n})).To(Equal(lastLines(got, n)))
		w := m.times[r.IntN(len(m.times))]
		since := h.read(logs.ReadOptions{Since: w.at})
		Expect(got).To(HaveSuffix(since))
		Expect(len(since)).To(BeNumerically(">=", min(len(got), len(all)-w.pos)), "nothing written since is passed over")
		previous, err := h.tryRead(logs.ReadOptions{Previous: true})
		if len(m.runs) < 2 {
			Expect(errors.Is(err, logs.ErrNoPrevious)).To(BeTrue())
			return got
		}
		Expect(err).NotTo(HaveOccurred())
		current, want := m.runs[len(m.runs)-1], m.runs[len(m.runs)-2]
		if want != "" && !strings.HasSuffix(want, "\n") {
			want += "\n"
		}
		Expect(want).To(HaveSuffix(previous))
		if len(current)+len(want) < keep-longest {
			Expect(previous).To(Equal(want))
		}
		return got
	}

	It("agree with a model of the retained lines", func() {
		seed := uint64(GinkgoRandomSeed())
		GinkgoWriter.Println("seed", seed)
		r := rand.New(rand.NewPCG(seed, 1))
		c := &clock{now: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}
		h := newHouse(logs.Options{Now: c.Now})
		f := h.writer(keep)
		m := &model{runs: []string{""}}
		Expect(h.l.Mark(id, 1)).To(Succeed())
		serial := 0
		for range 120 {
			switch r.IntN(8) {
			case 0: // the operator dies; the workload goes on before the next one comes
				h.kill()
				s := text(r, &serial)
				write(f, s)
				h.start()
				m.write(s, c.Now())
				if r.IntN(2) == 0 {
					check(h, m, r)
				}
				Expect(h.l.Attach(id, keep, os.Getpid())).To(Succeed())
			case 1: // a restart
				Expect(f.Close()).To(Succeed())
				h.l.Detach(id)
				f = h.writer(keep)
				m.mark()
				Expect(h.l.Mark(id, len(m.runs))).To(Succeed())
			case 2:
				if m.written > 0 {
					check(h, m, r)
				}
			case 3:
				if m.written > 0 {
					h.looked()
				}
			default:
				c.set(c.Now().Add(time.Duration(1+r.IntN(1e6)) * time.Microsecond))
				s := text(r, &serial)
				write(f, s)
				m.write(s, c.Now())
			}
		}
		h.looked()
		got := check(h, m, r)
		Expect(len(got)).To(BeNumerically("<=", keep+keep/4+longest+2*4096))
		Expect(h.l.Health(id)).To(Equal(logs.Health{}))
	})
})
