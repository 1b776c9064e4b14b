package rollout

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/reconciletest"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

var _ = Describe("steering a rollout", func() {
	begun := func(ctx SpecContext) *world {
		w := newWorld()
		w.files.put(w.now, line("one", "one", "one"))
		w.settle()
		w.files.put(w.now, line("two", "two", "two"))
		w.step(ctx)
		Expect(w.whys()).To(Equal([]string{"p0=two", "p1=one", "p2=one"}))
		return w
	}
	steer := func(ctx SpecContext, w *world, a specs.RolloutAction) string {
		GinkgoHelper()
		text, err := w.applier.Steer(ctx, "default", a, "alice")
		Expect(err).NotTo(HaveOccurred())
		return text
	}

	It("pauses it, also through another operator, and lets it go on", func(ctx SpecContext) {
		w := begun(ctx)
		Expect(steer(ctx, w, specs.RolloutPause)).To(Equal("the rollout of revision 2 is paused"))
		Expect(steer(ctx, w, specs.RolloutPause)).To(Equal("the rollout of revision 2 is paused already"))
		w.begin()
		w.settle()
		Expect(w.whys()).To(Equal([]string{"p0=two", "p1=one", "p2=one"}))
		o, _ := reconcile.Get[*specs.Rollout](w.client, "default-2")
		Expect(o).To(reconciletest.HaveCondition("Progressing", "False", "Paused"))
		Expect(w.stack()).To(reconciletest.HaveCondition("Ready", "False", "RollingOut"))
		Expect(steer(ctx, w, specs.RolloutResume)).To(Equal("the rollout of revision 2 goes on"))
		w.settle()
		Expect(w.whys()).To(Equal([]string{"p0=two", "p1=two", "p2=two"}))
	})

	It("lets no deadline run in a pause", func(ctx SpecContext) {
		w := begun(ctx)
		steer(ctx, w, specs.RolloutPause)
		w.step(ctx)
		w.now = w.now.Add(time.Hour)
		for range 3 {
			w.step(ctx)
		}
		steer(ctx, w, specs.RolloutResume)
		w.step(ctx)
		w.step(ctx)
		Expect(w.whys()).To(Equal([]string{"p0=two", "p1=one", "p2=one"}))
		w.now = w.now.Add(11 * time.Minute)
		w.step(ctx)
		w.step(ctx)
		Expect(w.whys()).To(Equal([]string{"p0=one", "p1=one", "p2=one"}))
	})

	It("aborts it: what it changed is held, also what was not in force yet, and the rest goes on", func(ctx SpecContext) {
		w := begun(ctx)
		Expect(steer(ctx, w, specs.RolloutAbort)).To(ContainSubstring("went back to revision 1; what revision 2 changed is held"))
		Expect(w.whys()).To(Equal([]string{"p0=one", "p1=one", "p2=one"}))
		w.settle()
		w.begin()
		w.settle()
		Expect(w.whys()).To(Equal([]string{"p0=one", "p1=one", "p2=one"}))
		w.files.put(w.now, line("two", "three", "two", "new"))
		w.settle()
		Expect(w.whys()).To(Equal([]string{"p0=one", "p1=three", "p2=one", "p3=new"}))
		Expect(w.stack()).To(reconciletest.HaveCondition("Degraded", "True", "RolledBack"))
		_, err := w.applier.Retry(ctx, "default", "alice")
		Expect(err).NotTo(HaveOccurred())
		w.settle()
		Expect(w.whys()).To(Equal([]string{"p0=two", "p1=three", "p2=two", "p3=new"}))
	})

	It("restarts it from its first wave, with the revision before in force in between", func(ctx SpecContext) {
		w := begun(ctx)
		w.health()
		w.step(ctx)
		Expect(w.whys()).To(Equal([]string{"p0=two", "p1=two", "p2=one"}))
		Expect(steer(ctx, w, specs.RolloutRestart)).To(Equal("the rollout of revision 2 begins again from revision 1"))
		Expect(w.whys()).To(Equal([]string{"p0=one", "p1=one", "p2=one"}))
		Expect(w.stack().Status.Live.Number).To(BeEquivalentTo(1))
		w.begin()
		w.step(ctx)
		Expect(w.whys()).To(Equal([]string{"p0=two", "p1=one", "p2=one"}))
		w.settle()
		Expect(w.whys()).To(Equal([]string{"p0=two", "p1=two", "p2=two"}))
		o, _ := reconcile.Get[*specs.Rollout](w.client, "default-2")
		Expect(o).To(reconciletest.HaveCondition("Ready", "True", "RolledOut"))
	})

	It("is refused when nothing is on its way", func(ctx SpecContext) {
		w := begun(ctx)
		w.settle()
		for _, a := range []specs.RolloutAction{specs.RolloutPause, specs.RolloutResume, specs.RolloutAbort, specs.RolloutRestart} {
			_, err := w.applier.Steer(ctx, "default", a, "alice")
			Expect(err).To(MatchError(store.ErrConflict))
			Expect(err).To(MatchError("nothing of stack/default is being rolled out"))
		}
		Expect(w.whys()).To(Equal([]string{"p0=two", "p1=two", "p2=two"}))
	})
})
