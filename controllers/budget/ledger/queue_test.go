package ledger_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/budget/ledger"
)

// bubble is the clock of a synctest bubble.
type bubble struct{ begun time.Time }

func (b bubble) Wall() time.Time     { return time.Now() }
func (b bubble) Boot() time.Duration { return time.Since(b.begun) + time.Hour }
func (b bubble) BootID() string      { return "bubble" }

// waiting is a world in which time passes when everybody waits.
type waiting struct {
	g   *WithT
	dir string
	l   *ledger.Ledger
	all sync.WaitGroup

	mu    sync.Mutex
	order []string // who was answered, and how
	held  map[string]*ledger.Reservation
}

func inBubble(t *testing.T, c ledger.Config, f func(w *waiting)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := &waiting{g: NewWithT(t), dir: dir, held: map[string]*ledger.Reservation{}}
		w.l = w.open(c)
		f(w)
		w.all.Wait()
		w.g.Expect(w.l.Close()).To(Succeed())
	})
}

func (w *waiting) open(c ledger.Config) *ledger.Ledger {
	l, err := ledger.Open(ledger.Options{Dir: w.dir, Clock: bubble{time.Now()}})
	w.g.Expect(err).NotTo(HaveOccurred())
	w.g.Expect(l.Configure(c)).To(Succeed())
	return l
}

// ask in the background, and come back when it waits or was answered.
func (w *waiting) ask(ctx context.Context, name string, r *ledger.Request) {
	w.all.Go(func() {
		got, over, err := w.l.Reserve(ctx, r)
		w.mu.Lock()
		defer w.mu.Unlock()
		switch {
		case err != nil:
			name += " failed"
			if errors.Is(err, context.Canceled) {
				name += " canceled"
			}
		case over != nil:
			name += " refused"
			if over.Waited {
				name += " after waiting"
			}
		default:
			w.held[name] = got
		}
		w.order = append(w.order, name)
	})
	synctest.Wait()
}

func (w *waiting) said(want ...string) {
	w.g.THelper()
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(want) == 0 {
		w.g.Expect(w.order).To(BeEmpty())
	} else {
		w.g.Expect(w.order).To(Equal(want))
	}
	w.order = nil
}

func (w *waiting) settle(name string, used int64) {
	w.held[name].Settle(ledger.Usage{Input: used}, nil)
	synctest.Wait()
}

func queued(name string, m ledger.Measure, amount int64, win ledger.Window, wait time.Duration) ledger.Budget {
	b := budget(name, m, amount, win)
	b.Limits[0].OnExceeded, b.Limits[0].MaxWait = ledger.Queue, wait
	return b
}

func from(principal string, input int64) *ledger.Request {
	return &ledger.Request{Principal: principal, Gate: "main", Route: "chat", Model: "small", Input: input}
}

func TestWaitersAreServedInTurn(t *testing.T) {
	inBubble(t, config(queued("few", ledger.Concurrency, 1, never, time.Minute)), func(w *waiting) {
		ctx := context.Background()
		for _, name := range []string{"a", "b", "c", "d"} {
			w.ask(ctx, name, from(name, 1))
		}
		w.said("a")
		w.settle("a", 1)
		w.said("b")
		w.ask(ctx, "e", from("e", 1))
		w.held["b"].Cancel()
		w.said("c")
		w.settle("c", 1)
		w.settle("d", 1)
		w.said("d", "e")
	})
}

func TestAWaiterIsNotOvertakenInWhatItWaitsFor(t *testing.T) {
	inBubble(t, config(queued("t", ledger.Tokens, 100, never, time.Minute)), func(w *waiting) {
		ctx := context.Background()
		w.ask(ctx, "a", from("a", 60))
		w.ask(ctx, "large", from("b", 95))
		w.ask(ctx, "small", from("c", 10)) // would fit
		w.said("a")
		w.settle("a", 5)
		w.said("large")
		w.settle("large", 1)
		w.said("small")
	})
}

func TestNobodyWithBudgetLeftIsBlocked(t *testing.T) {
	mine := queued("each", ledger.Tokens, 50, ledger.Window{Sliding: time.Minute}, 2*time.Minute)
	mine.Each = true
	mine.Parent = "all"
	inBubble(t, config(queued("all", ledger.Tokens, 1000, never, time.Minute), mine), func(w *waiting) {
		ctx := context.Background()
		w.ask(ctx, "a1", from("a", 50))
		w.settle("a1", 50)
		w.ask(ctx, "a2", from("a", 20)) // its own budget is used up, that of all is not
		w.ask(ctx, "b1", from("b", 50))
		w.said("a1", "b1")
		begun := time.Now()
		w.all.Wait()
		w.said("a2")
		w.g.Expect(time.Since(begun)).To(And(BeNumerically(">=", time.Minute), BeNumerically("<", 62*time.Second)), "at the edge of the window")
	})
}

func TestAWaiterGivesUp(t *testing.T) {
	inBubble(t, config(queued("few", ledger.Concurrency, 1, never, 10*time.Second)), func(w *waiting) {
		ctx, cancel := context.WithCancel(context.Background())
		w.ask(ctx, "a", from("a", 1))
		w.ask(ctx, "b", from("b", 1))
		<-time.After(time.Second)
		w.ask(context.Background(), "c", from("c", 1))
		w.said("a")
		cancel()
		w.said("b failed canceled")
		begun := time.Now()
		w.all.Wait()
		w.said("c refused after waiting")
		w.g.Expect(time.Since(begun)).To(Equal(10 * time.Second))
		w.ask(context.Background(), "d", from("d", 1))
		w.settle("a", 1)
		w.said("d")
	})
}

func TestAWaiterHeedsAnotherProcessAResetAndAConfig(t *testing.T) {
	c := config(queued("t", ledger.Tokens, 100, never, time.Minute))
	inBubble(t, c, func(w *waiting) {
		ctx := context.Background()
		other := w.open(c)
		r, _, err := other.Reserve(ctx, from("x", 90))
		w.g.Expect(err).NotTo(HaveOccurred())
		w.ask(ctx, "a", from("a", 20))
		w.said()
		r.Settle(ledger.Usage{Input: 70}, nil)
		<-time.After(time.Second) // it looks
		w.said("a")
		w.settle("a", 20)
		w.ask(ctx, "b", from("b", 20))
		w.said()
		w.g.Expect(ledger.Reset(w.dir, "t", "", bubble{})).To(Succeed())
		<-time.After(time.Second)
		w.said("b")
		w.ask(ctx, "c", from("c", 100))
		w.said()
		c.Budgets[0].Limits[0].Amount = 120
		w.g.Expect(w.l.Configure(c)).To(Succeed())
		w.said("c")
		w.ask(ctx, "d", from("d", 1))
		c.Budgets[0].Limits[0].OnExceeded = ledger.Deny
		w.g.Expect(w.l.Configure(c)).To(Succeed())
		w.said("d refused")
		w.g.Expect(other.Close()).To(Succeed())
	})
}

func TestAClosedLedgerAnswersThoseThatWait(t *testing.T) {
	inBubble(t, config(queued("few", ledger.Concurrency, 1, never, time.Minute)), func(w *waiting) {
		w.ask(context.Background(), "a", from("a", 1))
		w.ask(context.Background(), "b", from("b", 1))
		w.g.Expect(w.l.Close()).To(Succeed())
		w.said("a", "b failed")
		w.settle("a", 1) // does nothing
	})
}

func TestNobodyWaitsWhereALimitSaysDenyOrDowngrade(t *testing.T) {
	other := budget("t", ledger.Tokens, 10, never)
	for action, route := range map[ledger.Action]string{ledger.Deny: "", ledger.Downgrade: "local"} {
		other.Limits[0].OnExceeded, other.Limits[0].Route = action, route
		inBubble(t, config(queued("few", ledger.Concurrency, 1, never, time.Minute), other), func(w *waiting) {
			begun := time.Now()
			w.ask(context.Background(), "a", from("a", 5))
			_, over, err := w.l.Reserve(context.Background(), from("b", 6)) // it fits into neither
			w.g.Expect(err).NotTo(HaveOccurred())
			w.g.Expect(over.Downgrade).To(Equal(route))
			w.g.Expect(over.Waited).To(BeFalse())
			w.g.Expect(time.Since(begun)).To(BeZero())
			w.held["a"].Cancel()
		})
	}
}

func TestWhoeverCannotHaveWhatItWaitsForHoldsUpNobody(t *testing.T) {
	inBubble(t, config(queued("t", ledger.Tokens, 100, ledger.Window{Sliding: time.Hour}, time.Minute)), func(w *waiting) {
		ctx := context.Background()
		w.ask(ctx, "a", from("a", 60))
		w.settle("a", 60)
		w.ask(ctx, "large", from("b", 95)) // there is no room for it before an hour is over
		w.ask(ctx, "small", from("c", 10))
		w.said("a", "small")
		w.settle("small", 10)
		w.ask(ctx, "other", from("c", 10))
		w.said("other")
		w.all.Wait()
		w.said("large refused after waiting")
		w.held["other"].Cancel()

		<-time.After(time.Hour - 90*time.Second) // now it is worth waiting: it is served in turn
		w.ask(ctx, "large", from("b", 95))
		w.ask(ctx, "small", from("c", 30))
		w.said("small")
		w.held["small"].Cancel()
		w.all.Wait()
		w.said("large refused after waiting")
		<-time.After(time.Second)
		w.ask(ctx, "large", from("b", 85))
		w.ask(ctx, "small", from("c", 20))
		w.said()
		w.all.Wait()
		w.said("large", "small refused after waiting")
		w.held["large"].Cancel()
	})
}
