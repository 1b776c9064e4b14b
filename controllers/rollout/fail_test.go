package rollout

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/reconciletest"
	"mirroros.dev/mirroros/specs"
)

func (w *world) stack() *specs.Stack {
	GinkgoHelper()
	s, ok := reconcile.Get[*specs.Stack](w.client, "default")
	Expect(ok).To(BeTrue())
	return s
}

// failing is a world in which a change of three waves failed in the last.
func failing() *world {
	GinkgoHelper()
	w := newWorld()
	w.bad = "bad"
	w.files.put(w.now, line("one", "one", "one"))
	w.settle()
	w.files.put(w.now, line("two", "two", "bad"))
	w.settle()
	return w
}

var _ = Describe("a change that fails", func() {
	It("is put back over all objects in reverse order, and says what failed", func() {
		w := failing()
		Expect(w.whys()).To(Equal([]string{"p0=one", "p1=one", "p2=one"}))
		var versions []string
		for _, p := range reconcile.List[*specs.Process](w.client) {
			versions = append(versions, fmt.Sprint(p.Generation))
		}
		Expect(versions).To(Equal([]string{"3", "3", "3"}), "each was written twice")
		o, _ := reconcile.Get[*specs.Rollout](w.client, "default-2")
		Expect(o).To(And(reconciletest.HaveCondition("Ready", "False", "RolledBack"), reconciletest.HaveCondition("Progressing", "False", "RolledBack")))
		Expect(o.Status.CompletedAt).NotTo(BeNil())
		Expect(o.Status.Failure.Objects).To(HaveExactElements(And(HaveField("Name", "p2"), HaveField("Message", "CrashLoopBackOff: exit 1"),
			HaveField("Copies", HaveExactElements(HaveField("Name", "p2-0"))))))
		Expect(w.events).To(ContainElement("RolledBack: process/p2: CrashLoopBackOff: exit 1"))
		Expect(w.stack()).To(reconciletest.HaveCondition("Synced", "False", "Held"))
		Expect(w.stack().Status.Pending.Command).To(Equal("mirrorctl rollout retry stack/default"))
		Expect(func() { w.step(context.Background()) }).To(reconciletest.BeNoOp(w.client.Store()))
	})

	It("is tried again neither by an operator that starts anew nor by an edit of something else, which is rolled out", func() {
		w := failing()
		w.begin()
		w.settle()
		Expect(w.whys()).To(Equal([]string{"p0=one", "p1=one", "p2=one"}))
		w.files.put(w.now, line("two", "three", "bad"))
		w.settle()
		Expect(w.whys()).To(Equal([]string{"p0=two", "p1=three", "p2=one"}))
		Expect(w.stack()).To(And(reconciletest.HaveCondition("Degraded", "True", "RolledBack"), reconciletest.HaveCondition("Synced", "False", "Held")))
		Expect(w.stack().Status.Conditions).To(ContainElement(HaveField("Message", And(ContainSubstring("process/p2 of revision 2 failed (CrashLoopBackOff: exit 1)"),
			ContainSubstring("process/p2 stays as before"), ContainSubstring("mirrorctl rollout retry stack/default")))))
		w.begin()
		w.settle()
		Expect(w.whys()).To(Equal([]string{"p0=two", "p1=three", "p2=one"}))
		w.files.put(w.now, line("two", "three", "fine"))
		w.settle()
		Expect(w.whys()).To(Equal([]string{"p0=two", "p1=three", "p2=fine"}))
		Expect(w.stack()).To(reconciletest.HaveCondition("Synced", "True", ""))
	})

	It("is tried again when somebody asks, and fails again", func(ctx SpecContext) {
		w := failing()
		_, err := w.applier.Retry(ctx, "default", "alice")
		Expect(err).NotTo(HaveOccurred())
		Expect(w.whys()).To(Equal([]string{"p0=two", "p1=one", "p2=one"}))
		w.settle()
		Expect(w.whys()).To(Equal([]string{"p0=one", "p1=one", "p2=one"}))
		w.bad = ""
		_, err = w.applier.Retry(ctx, "default", "alice")
		Expect(err).NotTo(HaveOccurred())
		w.settle()
		Expect(w.whys()).To(Equal([]string{"p0=two", "p1=two", "p2=bad"}))
		Expect(w.stack()).To(reconciletest.HaveCondition("Synced", "True", ""))
	})

	It("is no matter any more when the files are reverted", func() {
		w := failing()
		p, _ := reconcile.Get[*specs.Process](w.client, "p0")
		w.files.put(w.now, line("one", "one", "one"))
		w.settle()
		again, _ := reconcile.Get[*specs.Process](w.client, "p0")
		Expect(again.Generation).To(Equal(p.Generation))
		Expect(w.stack()).To(reconciletest.HaveCondition("Synced", "True", ""))
	})

	It("keeps back what refers to an object that failed and is not in force", func() {
		w := newWorld()
		w.bad = "bad"
		w.files.put(w.now, line("one"))
		w.settle()
		w.files.put(w.now, line("two", "bad"))
		w.settle()
		Expect(w.whys()).To(Equal([]string{"p0=one"}))
		w.files.put(w.now, line("three", "bad", "new"))
		w.settle()
		Expect(w.whys()).To(Equal([]string{"p0=three"}))
		Expect(w.stack().Status.Conditions).To(ContainElement(HaveField("Message", ContainSubstring("process/p1, process/p2 stays as before"))))
	})

	It("is held where nothing that was ready is broken: only new objects, or one that was not ready before", func() {
		w := newWorld()
		w.bad = "bad"
		w.files.put(w.now, line("one"))
		w.settle()
		w.files.put(w.now, line("one", "bad"))
		w.settle()
		Expect(w.whys()).To(Equal([]string{"p0=one", "p1=bad"}), "only new ones")
		w.files.put(w.now, line("one", "bad2"))
		w.settle()
		Expect(w.whys()).To(Equal([]string{"p0=one", "p1=bad2"}), "it was not ready before either")
		o, _ := reconcile.Get[*specs.Rollout](w.client, "default-3")
		Expect(o).To(reconciletest.HaveCondition("Stalled", "True", "ObjectFailed"))
	})

	It("in files that are saved one after another is judged, waited for and put back as one", func(ctx SpecContext) {
		w := newWorld()
		w.bad = "bad"
		w.files.put(w.now, line("one", "one", "one"))
		w.settle()
		w.files.put(w.now, line("bad", "one", "one"))
		w.step(ctx)
		w.files.put(w.now, line("bad", "two", "one"))
		w.step(ctx)
		Expect(w.whys()).To(Equal([]string{"p0=bad", "p1=one", "p2=one"}), "what it needs is not ready yet")
		w.settle()
		Expect(w.whys()).To(Equal([]string{"p0=one", "p1=one", "p2=one"}))
		w.files.put(w.now, line("fine", "two", "one"))
		w.settle()
		Expect(w.whys()).To(Equal([]string{"p0=fine", "p1=two", "p2=one"}))
	})

	It("does not take along what was rolled out beside one that is held", func() {
		w := newWorld()
		w.bad = "bad"
		w.files.put(w.now, line("one"))
		w.settle()
		edit := func(why string) map[string]string {
			out := line(why, "bad") // p1 is new and never gets ready, which breaks nothing
			out["q.yaml"] = strings.Replace(line("same")["p0.yaml"], "name: p0", "name: q", 1)
			return out
		}
		w.files.put(w.now, edit("one"))
		w.settle()
		w.files.put(w.now, edit("two"))
		w.settle()
		w.files.put(w.now, edit("bad"))
		w.settle()
		Expect(w.whys()).To(Equal([]string{"p0=two", "p1=bad", "q=same"}))
	})

	It("may be one that does not get ready in time", func(ctx SpecContext) {
		w := newWorld()
		short := func(why string) map[string]string {
			text := line(why)["p0.yaml"]
			return map[string]string{"p0.yaml": text + "  progressDeadlineSeconds: 60\n"}
		}
		w.files.put(w.now, short("one"))
		w.settle()
		w.files.put(w.now, short("slow"))
		for range 15 {
			w.step(ctx) // nobody says how it is
		}
		Expect(w.whys()).To(Equal([]string{"p0=slow"}))
		for range 8 {
			w.step(ctx)
		}
		Expect(w.whys()).To(Equal([]string{"p0=one"}))
		o, _ := reconcile.Get[*specs.Rollout](w.client, "default-2")
		Expect(o.Status.Failure.Objects[0].Message).To(HavePrefix("not ready within 1m0s"))
	})

	It("that cannot be put back says so, and leaves what serves", func(ctx SpecContext) {
		w := newWorld()
		w.bad = "bad"
		w.files.put(w.now, line("one"))
		w.settle()
		w.rollout.o.Applier = stubborn{w.rollout.o.Applier}
		w.files.put(w.now, line("bad"))
		w.settle()
		Expect(w.whys()).To(Equal([]string{"p0=bad"}))
		o, _ := reconcile.Get[*specs.Rollout](w.client, "default-2")
		Expect(o).To(reconciletest.HaveCondition("Stalled", "True", "RollbackFailed"))
		Expect(o.Status.Conditions).To(ContainElement(HaveField("Message", "cannot put the revision before back: it is not kept; failed: process/p0: CrashLoopBackOff: exit 1")))
	})

	It("finishes or returns, never both, whatever is edited and wherever it is killed", func() {
		seed := uint64(GinkgoRandomSeed())
		rnd := rand.New(rand.NewPCG(seed, 1))
		w := newWorld()
		w.bad = "b"
		words := []string{"a", "a", "a", "a"}
		for i := range 200 {
			if rnd.IntN(5) == 0 {
				for range 1 + rnd.IntN(3) {
					words[rnd.IntN(len(words))] = string(rune('a'+rnd.IntN(3))) + fmt.Sprint(rnd.IntN(3))
				}
				w.files.put(w.now, line(words...))
			}
			ctx := context.Background()
			killed := rnd.IntN(6) == 0
			if killed {
				ctx = &dying{ctx, rnd.IntN(8)}
			}
			if w.files.snap != nil {
				w.step(ctx)
			}
			if rnd.IntN(3) > 0 {
				w.health()
			}
			if killed {
				w.begin()
			}
			for _, o := range reconcile.List[*specs.Rollout](w.client) {
				if o.Status.Failure != nil {
					Expect(o).To(reconciletest.HaveCondition("Ready", "False", "RolledBack"), "step %d, seed %d", i, seed)
				}
			}
		}
		w.files.put(w.now, line(words...))
		w.settle()
		w.settle()
		open := slices.DeleteFunc(reconcile.List[*specs.Rollout](w.client), func(o *specs.Rollout) bool {
			return over(&o.Status) || slices.ContainsFunc(o.Status.Conditions, func(c metav1.Condition) bool { return c.Type == "Stalled" })
		})
		Expect(open).To(BeEmpty(), "seed %d", seed)
		for i := range words {
			words[i] = "z"
		}
		w.files.put(w.now, line(words...))
		w.settle()
		Expect(strings.Join(w.whys(), " ")).To(Equal("p0=z p1=z p2=z p3=z"), "seed %d", seed)
		Expect(w.stack()).To(reconciletest.HaveCondition("Synced", "True", ""))
		Expect(func() { w.step(context.Background()) }).To(reconciletest.BeNoOp(w.client.Store()))
	})
})

// stubborn is an applier that cannot put anything back.
type stubborn struct{ Applier }

func (stubborn) RollBack(context.Context, string, string, int32, []specs.FailedObject) error {
	return errors.New("it is not kept")
}

var _ = DescribeTable("a rollout with an object that failed", func(change func(*observed), back bool) {
	o := at(1, stalled, good)
	o.AutoRollback = true
	o.Spec.Waves[0].Objects[0].WasReady = true
	change(&o)
	Expect(len(decide(o).RollBack) > 0).To(Equal(back))
},
	Entry("is put back", func(*observed) {}, true),
	Entry("is held when nothing is to be put back by itself", func(o *observed) { o.AutoRollback = false }, false),
	Entry("is held when it was not ready before", func(o *observed) { o.Spec.Waves[0].Objects[0].WasReady = false }, false),
	Entry("is put back when what failed is new, and something else was ready", func(o *observed) {
		o.Spec.Waves[0].Objects[0].WasReady, o.Spec.Waves[0].Objects[0].Change, o.Spec.Waves[1].Objects[0].WasReady = false, specs.RolloutCreate, true
	}, true),
	Entry("is held when all is new", func(o *observed) {
		o.Spec.Waves[0].Objects[0].WasReady, o.Spec.Waves[0].Objects[0].Change = false, specs.RolloutCreate
	}, false),
	Entry("is not put back twice", func(o *observed) { o.Failure = &specs.RolloutFailure{} }, false),
	Entry("is put back at its deadline", func(o *observed) {
		o.Objects[0][0], o.Waited = object{Found: true, Deadline: time.Minute}, time.Minute
	}, true),
	Entry("is not put back before its deadline", func(o *observed) {
		o.Objects[0][0], o.Waited = object{Found: true, Deadline: time.Minute}, time.Minute-1
	}, false),
	Entry("is not put back when what failed is not in force", func(o *observed) { o.Spec.InForce = 0 }, false),
)
