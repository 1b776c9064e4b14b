package check

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/reconciletest"
	"mirroros.dev/mirroros/specs"
)

// operator runs checks over a store, in a bubble, against targets that are not real.
type operator struct {
	client *reconcile.Client
	r      *Reconciler

	mu     sync.Mutex
	asked  []time.Time
	events []string
	atOnce int
	most   int
	// answer is what a copy says; takes is how long that is.
	answer specs.CheckOutcome
	takes  time.Duration
	hangs  bool
}

func newOperator(t *testing.T) *operator {
	op := &operator{client: reconciletest.TempClient(t), answer: specs.OutcomeSuccess}
	op.create(t, &specs.Process{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: specs.ProcessSpec{Command: []string{"web"}}})
	return op
}

func (op *operator) create(t *testing.T, o specs.Object) {
	t.Helper()
	specs.Default(o)
	if _, err := op.client.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
}

// check makes one every so often.
func (op *operator) check(t *testing.T, name string, every time.Duration, change ...func(*specs.CheckSpec)) {
	t.Helper()
	c := &specs.Check{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: specs.CheckSpec{Target: specs.CheckTarget{Process: "web"}, Exec: &specs.ExecAction{Command: []string{"true"}}}}
	if every > 0 {
		c.Spec.Schedule = &specs.CheckSchedule{Every: metav1.Duration{Duration: every}}
	}
	for _, f := range change {
		f(&c.Spec)
	}
	op.create(t, c)
}

// start runs it until the function that it answers is called.
func (op *operator) start() (stop func()) {
	op.r = New(Options{Client: op.client, Recorder: op, Ask: op.ask})
	m := reconcile.NewManager(reconcile.ManagerOptions{Client: op.client})
	m.Add(op.r.Controller())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- m.Run(ctx) }()
	return func() {
		cancel()
		<-done
	}
}

func (op *operator) ask(ctx context.Context, _, _ string, _ *specs.Handler, timeout time.Duration) ([]Answer, error) {
	op.mu.Lock()
	op.asked = append(op.asked, time.Now())
	op.atOnce++
	op.most = max(op.most, op.atOnce)
	takes, hangs, answer := op.takes, op.hangs, op.answer
	op.mu.Unlock()
	defer func() { op.mu.Lock(); op.atOnce--; op.mu.Unlock() }()
	if hangs {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if !sleep(ctx, takes) {
		return nil, ctx.Err()
	}
	return []Answer{{"web-1-0", answer, ""}}, nil
}

func (op *operator) Event(o specs.Object, _, reason, message string) {
	op.mu.Lock()
	defer op.mu.Unlock()
	op.events = append(op.events, fmt.Sprintf("%s %s", o.GetName(), reason))
}

// says sets what copies say from now on.
func (op *operator) says(o specs.CheckOutcome) {
	op.mu.Lock()
	defer op.mu.Unlock()
	op.answer = o
}

func (op *operator) told() []string {
	op.mu.Lock()
	defer op.mu.Unlock()
	return append([]string{}, op.events...)
}

func (op *operator) runs() int {
	op.mu.Lock()
	defer op.mu.Unlock()
	return len(op.asked)
}

func (op *operator) status(name string) specs.CheckStatus {
	c, _ := reconcile.Get[*specs.Check](op.client, name)
	return c.Status
}

// pass lets time go by, until all is at rest again.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, op := NewWithT(t), newOperator(t)
		op.check(t, "a", 10*time.Minute)
		defer op.start()()
		pass(firstWithin)
		g.Expect(op.runs()).To(Equal(1))
		g.Expect(op.status("a").Verdict).To(Equal(specs.CheckPassing))
		g.Expect(op.status("a").LastRun.TargetGeneration).To(BeEquivalentTo(1))
		pass(9 * time.Minute)
		g.Expect(op.runs()).To(Equal(1), "nothing runs between")
		op.says(specs.OutcomeFailure)
		pass(time.Hour)
		g.Expect(op.runs()).To(Equal(7))
		for i := range op.asked[1:] {
			g.Expect(op.asked[i+1].Sub(op.asked[i])).To(BeNumerically("~", 10*time.Minute, 100*time.Millisecond))
		}
		op.says(specs.OutcomeSuccess)
		pass(10 * time.Minute)
		g.Expect(op.told()).To(Equal([]string{"a CheckPassing", "a CheckFailing", "a CheckPassing"}))
	})
}

func TestScheduleGoesOnWithAnotherOperator(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, op := NewWithT(t), newOperator(t)
		op.check(t, "a", 10*time.Minute)
		stop := op.start()
		pass(firstWithin)
		pass(4 * time.Minute)
		stop()
		pass(2 * time.Minute)
		stop = op.start()
		pass(3 * time.Minute)
		g.Expect(op.runs()).To(Equal(1), "it is not time yet")
		pass(time.Minute)
		g.Expect(op.runs()).To(Equal(2))
		stop()
		pass(time.Hour) // what was known is stale by now
		stop = op.start()
		pass(time.Millisecond)
		g.Expect(op.status("a").Verdict).To(Equal(specs.CheckUnknown))
		pass(firstWithin)
		g.Expect(op.status("a").Verdict).To(Equal(specs.CheckPassing))
		stop()
		g.Expect(op.told()).To(Equal([]string{"a CheckPassing"}), "nothing is told twice")
	})
}

func TestManyDoNotRunAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, op := NewWithT(t), newOperator(t)
		op.takes = 20 * time.Millisecond
		for i := range 100 {
			op.check(t, fmt.Sprintf("c%d", i), 10*time.Minute)
		}
		defer op.start()()
		pass(2 * firstWithin)
		g.Expect(op.runs()).To(Equal(100))
		g.Expect(op.most).To(BeNumerically("<=", 4))
		seconds := map[int64]bool{}
		for _, at := range op.asked {
			seconds[at.Unix()] = true
		}
		g.Expect(len(seconds)).To(BeNumerically(">=", 9), "they are spread over the first ten seconds")
	})
}

func TestWhatHangsEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, op := NewWithT(t), newOperator(t)
		op.hangs = true
		op.check(t, "a", 10*time.Minute)
		defer op.start()()
		pass(firstWithin + 5*time.Second + grace)
		g.Expect(op.status("a").LastRun.Verdict).To(Equal(specs.CheckUnknown))
		g.Expect(op.status("a").LastRun.Message).To(ContainSubstring("cannot ask"))
	})
}

func TestRunEndsWithTheFailureThatDecides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, op := NewWithT(t), newOperator(t)
		op.answer = specs.OutcomeFailure
		op.check(t, "a", 0, func(s *specs.CheckSpec) {
			s.Count, s.FailureLimit, s.Interval = new(int32), new(int32), &metav1.Duration{Duration: 3 * time.Second}
			*s.Count, *s.FailureLimit = 10, 1
		})
		defer op.start()()
		synctest.Wait()
		g.Expect(op.runs()).To(BeZero(), "it runs when somebody asks")
		begin, told := time.Now(), 0
		run, err := op.r.RunNow(t.Context(), "a", func(specs.CheckMeasurement) { told++ })
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(time.Since(begin)).To(Equal(3 * time.Second))
		g.Expect(told).To(Equal(2))
		g.Expect(run.Message).To(HavePrefix("2 of 2 measurements failed"))
		synctest.Wait()
		g.Expect(op.status("a").Verdict).To(Equal(specs.CheckFailing))
		_, err = op.r.RunNow(t.Context(), "nope", nil)
		g.Expect(err).To(MatchError(ContainSubstring("not found")))
	})
}

func TestChangeEndsARun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, op := NewWithT(t), newOperator(t)
		op.takes = time.Minute
		op.check(t, "a", 0)
		defer op.start()()
		ended := make(chan error)
		go func() {
			_, err := op.r.RunNow(t.Context(), "a", nil)
			ended <- err
		}()
		synctest.Wait()
		c, _ := reconcile.Get[*specs.Check](op.client, "a")
		g.Expect(op.client.Delete(t.Context(), reconcile.KeyOf(c))).To(Succeed())
		g.Expect(<-ended).To(MatchError(ContainSubstring("it was changed or removed meanwhile")))
		g.Expect(op.runs()).To(Equal(1))
	})
}

func TestTargetThatGoesAndComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, op := NewWithT(t), newOperator(t)
		op.check(t, "a", time.Minute)
		defer op.start()()
		pass(firstWithin)
		web, _ := reconcile.Get[*specs.Process](op.client, "web")
		g.Expect(op.client.Delete(t.Context(), reconcile.KeyOf(web))).To(Succeed())
		pass(time.Millisecond)
		st := op.status("a")
		g.Expect(st.Verdict).To(Equal(specs.CheckUnknown))
		g.Expect(&specs.Check{Status: st}).To(reconciletest.HaveCondition("ResolvedRefs", "False", "RefsNotFound"))
		runs := op.runs()
		pass(time.Hour)
		g.Expect(op.runs()).To(Equal(runs), "there is nothing to look at")
		op.create(t, &specs.Process{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: specs.ProcessSpec{Command: []string{"web"}}})
		pass(firstWithin)
		g.Expect(op.status("a").Verdict).To(Equal(specs.CheckPassing))
		g.Expect(op.told()).To(Equal([]string{"a CheckPassing", "a CheckUnknown", "a CheckPassing"}))
	})
}
