package ledger_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/budget/ledger"
)

// world is up to three gates on one directory, beside a model of them.
type world struct {
	place
	*rand.Rand
	m     model
	gates []*ledger.Ledger
	open  map[*spent]*ledger.Reservation
	of    map[*spent]*ledger.Ledger
	dead  []*spent // of gates that died; charged when somebody opens the log, or looks for room in vain
	log   []string
	stats map[string]int
}

var everybody = []ledger.Principal{
	{Name: "a", Type: "agent", Labels: map[string]string{"team": "x"}}, {Name: "b", Type: "agent", Labels: map[string]string{"team": "y"}},
	{Name: "c", Type: "human", Labels: map[string]string{"team": "x"}}, {Name: "d"}}

func pick[T any](w *world, of ...T) T { return of[w.IntN(len(of))] }

func (w *world) did(format string, args ...any) {
	w.log = append(w.log, fmt.Sprintf(format, args...))
	w.stats[w.log[len(w.log)-1][:4]]++
}

func (w *world) story() string {
	return fmt.Sprintf("seed %d; the last of %d steps: %q", GinkgoRandomSeed(), len(w.log), w.log[max(0, len(w.log)-12):])
}

func (w *world) randomConfig() ledger.Config {
	c := ledger.Config{Number: w.m.config.Number + 1}
	for i := range 1 + w.IntN(6) {
		b := ledger.Budget{Name: fmt.Sprint("b", w.IntN(3), i), Each: w.IntN(3) == 0}
		if i > 0 && w.IntN(2) == 0 {
			b.Parent = c.Budgets[w.IntN(i)].Name
		}
		switch w.IntN(4) {
		case 0:
			b.All = true
		case 1:
			b.Names = []string{pick(w, everybody...).Name, "a"}
		case 2:
			b.Types = []string{pick(w, "agent", "human")}
		default:
			b.Labels = map[string]string{"team": pick(w, "x", "y")}
		}
		if w.IntN(3) == 0 {
			b.Models = []string{pick(w, "small", "large*", "nothing")}
		}
		if w.IntN(5) == 0 {
			b.Routes = []string{"r1"}
		}
		for j := range 1 + w.IntN(3) {
			l := ledger.Limit{Name: fmt.Sprint("l", j), Measure: pick(w, ledger.Tokens, ledger.InputTokens, ledger.OutputTokens, ledger.Cost, ledger.Requests, ledger.Concurrency), OnExceeded: ledger.Deny}
			l.Amount = map[ledger.Measure]int64{ledger.Requests: 40, ledger.Concurrency: 6, ledger.Cost: 40_000}[l.Measure]
			if l.Amount == 0 {
				l.Amount = 4000
			}
			l.Amount = w.Int64N(l.Amount)
			if l.Measure != ledger.Concurrency {
				l.Window = pick(w, ledger.Window{}, ledger.Window{Sliding: 7 * time.Second}, ledger.Window{Sliding: time.Hour}, ledger.Window{Sliding: 72 * time.Hour},
					ledger.Window{Calendar: ledger.Hour, Zone: "Asia/Kathmandu"}, ledger.Window{Calendar: ledger.Day, Zone: "Europe/Berlin"}, ledger.Window{Calendar: ledger.Week},
					ledger.Window{Calendar: ledger.Month, Zone: "Australia/Lord_Howe"})
			}
			b.Limits = append(b.Limits, l)
		}
		if !slices.ContainsFunc(c.Budgets, func(x ledger.Budget) bool { return x.Name == b.Name }) {
			c.Budgets = append(c.Budgets, b)
		} else {
			break
		}
	}
	for _, p := range everybody {
		if w.IntN(4) > 0 {
			c.Principals = append(c.Principals, p)
		}
	}
	return c
}

// configure all gates; who the config does not know is known by the log, if it ever saw them in a config.
func (w *world) configure(c ledger.Config) {
	known := map[string]ledger.Principal{}
	for name, p := range w.m.who {
		if slices.ContainsFunc(w.m.calls, func(s *spent) bool { return s.Principal == name }) {
			known[name] = p
		}
	}
	for _, p := range c.Principals {
		known[p.Name] = p
	}
	w.m.config, w.m.who = c, known
	for _, g := range w.gates {
		Expect(g.Configure(c)).To(Succeed(), w.story())
	}
}

func (w *world) openGate() {
	w.chargeDead()
	w.gates = append(w.gates, w.place.open(w.m.config))
}

// chargeDead charges what was open in dead gates, in the model.
func (w *world) chargeDead() {
	for _, s := range w.dead {
		s.open, s.at, s.wall = false, w.m.now, w.m.wall.UnixNano()
	}
	w.dead = nil
}

func (w *world) pass(d time.Duration) {
	w.clock.pass(d)
	w.m.now += int64(d)
	w.m.wall = w.clock.Wall()
}

func (w *world) reserve() {
	g := pick(w, w.gates...)
	r := &ledger.Request{Principal: pick(w, everybody...).Name, Gate: "g", Route: pick(w, "r1", "r2"), Model: pick(w, "small", "large-1", "large-2"),
		Input: w.Int64N(300), Output: w.Int64N(400), Choices: 1 + w.Int64N(2)}
	r.MinOutput = w.Int64N(1 + r.Output)
	if w.IntN(2) == 0 {
		r.Prices = []ledger.Price{{InputPerMillion: 3_000_000, CachedPerMillion: 1_500_001, OutputPerMillion: 9_000_003, PerCall: ledger.Nano(w.IntN(3))}, {OutputPerMillion: 9_100_000}}
	}
	take := func(out int64) ledger.Amounts {
		a := ledger.Amounts{Input: r.Input, Output: out * r.Choices, Requests: 1}
		for i := range r.Prices {
			p := r.Prices[i]
			a.Cost = max(a.Cost, p.Cost(ledger.Usage{Input: r.Input, Output: a.Output})+min(1, p.CachedPerMillion)) // two kinds of input, each rounded up
		}
		return a
	}
	least := min(r.Output, max(1, r.MinOutput))
	got, over, err := g.Reserve(context.Background(), r)
	Expect(err).NotTo(HaveOccurred(), w.story())
	if over != nil {
		w.chargeDead()
		w.did("refused %+v: %+v", *r, *over)
		why := false
		w.m.room(r, take(least), true, func(b *ledger.Budget, l *ledger.Limit, _ int64) {
			why = why || b.Name == over.Budget && l.Name == over.Limit
		})
		Expect(why).To(BeTrue(), "there was room: "+w.story())
		return
	}
	w.did("granted %+v: %d", *r, got.Output())
	Expect(got.Output()).To(And(BeNumerically(">=", least), BeNumerically("<=", r.Output)), w.story())
	a := take(got.Output())
	w.m.room(r, a, false, func(*ledger.Budget, *ledger.Limit, int64) { w.chargeDead() }) // it would have been refused, so the dead were looked for
	w.m.room(r, a, false, func(b *ledger.Budget, l *ledger.Limit, by int64) {
		Fail(fmt.Sprintf("%s/%s is overspent by %d: %s", b.Name, l.Name, by, w.story()))
	})
	if got.Output() < r.Output {
		why := false
		w.m.room(r, take(got.Output()+1), true, func(*ledger.Budget, *ledger.Limit, int64) { why = true })
		Expect(why).To(BeTrue(), "it could have more: "+w.story())
	}
	s := &spent{Request: r, took: a, open: true}
	w.m.calls = append(w.m.calls, s)
	w.open[s], w.of[s] = got, g
}

func (w *world) end() {
	for s, r := range w.open { // any
		delete(w.open, s)
		if w.IntN(5) == 0 {
			r.Cancel()
			w.m.calls = slices.DeleteFunc(w.m.calls, func(x *spent) bool { return x == s })
			w.did("canceled")
			return
		}
		u := ledger.Usage{Input: w.Int64N(1 + s.took.Input), Output: w.Int64N(1 + s.took.Output)}
		u.Cached = w.Int64N(1 + u.Input)
		over := w.IntN(20) == 0
		if over {
			u.Output = s.took.Output + 7
		}
		s.open, s.at, s.wall = false, w.m.now, w.m.wall.UnixNano()
		s.took = ledger.Amounts{Input: u.Input, Output: u.Output, Requests: 1}
		var p *ledger.Price
		if len(s.Prices) > 0 {
			p = &s.Prices[w.IntN(2)]
			s.took.Cost = p.Cost(u)
		}
		Expect(r.Settle(u, p)).To(Equal(over), w.story())
		w.did("settled %+v of %s", s.took, s.Principal)
		return
	}
}

// drop a gate as its death would, maybe in the middle of a write.
func (w *world) drop() {
	i := w.IntN(len(w.gates))
	g := w.gates[i]
	w.gates = slices.Delete(w.gates, i, i+1)
	g.Drop()
	for s, of := range w.of {
		if _, open := w.open[s]; open && of == g {
			delete(w.open, s)
			w.dead = append(w.dead, s)
		}
	}
	if w.IntN(2) == 0 {
		names, err := filepath.Glob(filepath.Join(w.dir, "*.log"))
		Expect(err).NotTo(HaveOccurred())
		f, err := os.OpenFile(names[len(names)-1], os.O_WRONLY|os.O_APPEND, 0)
		Expect(err).NotTo(HaveOccurred())
		half := make([]byte, 1+w.IntN(40))
		for i := range half {
			half[i] = byte(w.IntN(256))
		}
		half[0], half[min(3, len(half)-1)] = byte(len(half)), 0
		_, err = f.Write(half)
		Expect(err).NotTo(HaveOccurred())
		Expect(f.Close()).To(Succeed())
	}
	w.did("dropped gate %d", i)
}

func (w *world) check() {
	r, err := ledger.OpenReader(w.dir)
	Expect(err).NotTo(HaveOccurred(), w.story())
	defer r.Close()
	r.SetClock(w.clock)
	reports, err := r.Report(w.m.config, w.m.wall)
	Expect(err).NotTo(HaveOccurred(), w.story())
	for i, b := range reports {
		for _, a := range b.Accounts {
			for j, l := range a.Limits {
				budget := &w.m.config.Budgets[i]
				least, held := w.m.sum(budget, &budget.Limits[j], a.Principal, false)
				most, _ := w.m.sum(budget, &budget.Limits[j], a.Principal, true)
				by := fmt.Sprintf("%s/%s of %q: ", b.Name, l.Name, a.Principal) + w.story()
				Expect(l.Used).To(And(BeNumerically(">=", least), BeNumerically("<=", most)), by)
				Expect(l.Reserved).To(Equal(held), by)
			}
		}
	}
	found, err := ledger.Verify(w.dir, w.m.config)
	Expect(err).NotTo(HaveOccurred(), w.story())
	Expect(found.Faults).To(BeEmpty(), w.story())
	Expect(found.Open).To(BeEquivalentTo(len(w.open)+len(w.dead)), w.story())
}

func (w *world) step() {
	switch n := w.IntN(100); {
	case n < 40:
		w.reserve()
	case n < 70:
		w.end()
	case n < 82:
		d := pick(w, time.Millisecond, time.Second, 10*time.Second, 10*time.Minute, 5*time.Hour)
		w.pass(1 + time.Duration(w.Int64N(int64(d))))
		w.did("passed, now %s", w.m.wall)
	case n < 84:
		d := time.Duration(w.Int64N(int64(4*time.Hour))) - 2*time.Hour
		w.clock.step(d)
		w.m.wall = w.clock.Wall()
		w.did("stepped by %s to %s", d, w.m.wall)
	case n < 87:
		w.configure(w.randomConfig())
		w.did("configured %+v", w.m.config)
	case n < 89 && len(w.gates) < 3:
		w.openGate()
		w.did("opened gate %d", len(w.gates)-1)
	case n < 91 && len(w.gates) > 1:
		w.drop()
	case n < 92:
		b := pick(w, w.m.config.Budgets...).Name
		Expect(ledger.Reset(w.dir, b, "a reason", w.clock)).To(Succeed(), w.story())
		w.m.resets[b] = w.m.now
		w.pass(time.Microsecond)
		w.did("reset %s", b)
	case n < 95:
		g := pick(w, w.gates...)
		Expect(g.Compact()).To(Succeed(), w.story())
		w.did("compacted")
	case n < 96:
		Expect(pick(w, w.gates...).Configure(w.m.config)).To(Succeed()) // the log has the present time
		for len(w.gates) > 0 {
			w.drop()
		}
		w.openGate() // writes the present time
		w.gates[0].Drop()
		w.gates = nil
		d := 1 + time.Duration(w.Int64N(int64(time.Hour)))
		w.clock.reboot(d)
		w.m.now += int64(d)
		w.m.wall = w.clock.Wall()
		w.openGate()
		w.did("rebooted")
	default:
		w.check()
	}
	w.pass(1 + time.Duration(w.Int64N(1000))) // no two steps at one time
}

var _ = Describe("Random gates", func() {
	It("agree with a plain model, whatever happens to them", func() {
		runs, steps := 30, 400
		if testing.Short() {
			runs = 4
		}
		total := map[string]int{}
		for run := range runs {
			w := &world{place: newPlace(), Rand: rand.New(rand.NewPCG(uint64(GinkgoRandomSeed()), uint64(run))), open: map[*spent]*ledger.Reservation{},
				of: map[*spent]*ledger.Ledger{}, stats: total, m: model{who: map[string]ledger.Principal{}, resets: map[string]int64{}}}
			w.m.now = w.clock.Wall().UnixNano()
			w.m.wall = w.clock.Wall()
			w.configure(w.randomConfig())
			w.openGate()
			for range steps {
				w.step()
			}
			w.check()
			for _, g := range w.gates {
				g.Drop()
			}
		}
		GinkgoWriter.Println(total)
		for _, what := range []string{"gran", "refu", "sett", "canc", "drop", "open", "rese", "comp", "rebo", "conf"} {
			Expect(total[what]).To(BeNumerically(">", 3), "%s: %v", what, total)
		}
	})
})
