package stack_test

import (
	"context"
	"strconv"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/stack"
	"mirroros.dev/mirroros/reconcile/reconciletest"
	"mirroros.dev/mirroros/reconcile/source"
	"mirroros.dev/mirroros/specs"
)

var _ = Describe("putting back", func() {
	failed := []specs.FailedObject{{Kind: "Process", Name: "c", Message: "exit 1"}}
	// lastWave is a change of a, b and c of which every wave is in force, and that is not judged yet.
	lastWave := func() *world {
		w := newWorld(GinkgoTB())
		w.apply(chain("one"))
		w.all()
		edits := chain("two")
		edits["d.yaml"] = process("d", "dependsOn: [{process: c}]")
		w.apply(edits)
		w.drive()
		Expect(w.whys()).To(Equal("two two two"))
		return w
	}
	version := func(w *world, name string) int {
		v, err := strconv.Atoi(w.process(name).ResourceVersion)
		Expect(err).NotTo(HaveOccurred())
		return v
	}

	It("goes in the reverse order, removes what was made last, and holds", func(ctx SpecContext) {
		w := lastWave()
		o := w.r.Rolling("default")
		Expect(w.r.RollBack(ctx, "default", o.Name, 1, failed)).To(Succeed())
		Expect(w.whys()).To(Equal("two two two"), "whoever asks has not seen how it is")
		Expect(w.r.RollBack(ctx, "default", o.Name, o.Spec.InForce, failed)).To(Succeed())
		Expect(w.whys()).To(Equal("one one one"))
		Expect(w.processes()).To(HaveLen(3))
		Expect(version(w, "c")).To(BeNumerically("<", version(w, "b")))
		Expect(version(w, "b")).To(BeNumerically("<", version(w, "a")))
		Expect(w.events).To(ContainElement(MatchRegexp(`RolledBack: revision 2 .* failed: process/c: exit 1; revision 1 .* is in force again`)))
		Expect(w.history("default")).To(Equal([]string{"1 good live", "2: failed, revision 1 put back: process/c: exit 1"}))
		Expect(w.stack("default")).To(reconciletest.HaveCondition("Synced", "False", "Held"))
		Expect(w.r.RollBack(ctx, "default", o.Name, o.Spec.InForce, failed)).To(Succeed())
		Expect(func() { w.later(time.Minute) }).To(reconciletest.BeNoOp(w.store))
		w.restart()
		w.settle()
		Expect(w.whys()).To(Equal("one one one"))
		Expect(w.r.Rolling("default").Status.Failure.Objects).To(Equal(failed))
	})

	It("names the commit that git tells only after the save", func(ctx SpecContext) {
		w := newWorld(GinkgoTB())
		w.save(chain("one")).Git = &source.Git{Commit: "1111111aaaa", Branch: "main"}
		w.settle()
		w.all()
		w.apply(chain("two"))
		w.save(nil).Git = &source.Git{Commit: "2222222bbbb", Branch: "main"}
		w.settle()
		o := w.r.Rolling("default")
		Expect(o.Spec.To.Commit).To(Equal("2222222bbbb"))
		Expect(w.r.RollBack(ctx, "default", o.Name, o.Spec.InForce, failed)).To(Succeed())
		Expect(w.stack("default").Status.Conditions).To(ContainElement(HaveField("Message", HavePrefix("revision 2 (2222222 main) failed at "))))
		Expect(w.stack("default").Status.Live.Commit).To(Equal("1111111aaaa"))
		w.save(nil).Git = &source.Git{Commit: "3333333cccc", Branch: "next"}
		w.settle()
		Expect(w.stack("default").Status.Conditions).To(ContainElement(HaveField("Message", HavePrefix("revision 2 (3333333 next) failed at "))))
		Expect(func() { w.later(time.Minute) }).To(reconciletest.BeNoOp(w.store))
	})

	It("that is killed anywhere is done or not begun, and done when it began", func() {
		for left := range 14 {
			w := lastWave()
			o := w.r.Rolling("default")
			err := w.r.RollBack(&ending{Context: context.Background(), left: left}, "default", o.Name, o.Spec.InForce, failed)
			w.restart()
			w.settle()
			w.later(time.Minute)
			if err == nil || w.whys() != "two two two" {
				Expect(w.whys()).To(Equal("one one one"), "killed after %d looks", left)
				Expect(w.stack("default")).To(reconciletest.HaveCondition("Synced", "False", "Held"))
				Expect(w.r.Rolling("default").Status.Failure).NotTo(BeNil())
			} else {
				Expect(w.r.Rolling("default").Status.Failure).To(BeNil())
			}
		}
	})

	It("is refused where an object of it is another stack's now", func(ctx SpecContext) {
		w := lastWave()
		o := w.r.Rolling("default")
		w.apply(map[string]string{"x/stack.yaml": stackFile("other"), "d.yaml": "", "x/e.yaml": process("e")})
		w.later(3 * time.Second)
		Expect(w.r.Rolling("default").Name).NotTo(Equal(o.Name))
		Expect(w.r.RollBack(ctx, "default", o.Name, o.Spec.InForce, failed)).To(Succeed())
		Expect(w.whys()).To(Equal("two two two"), "another change has taken its place")
	})

	It("makes room for a retry by hand, and a plan says that the content is held", func(ctx SpecContext) {
		w := lastWave()
		o := w.r.Rolling("default")
		Expect(w.r.RollBack(ctx, "default", o.Name, o.Spec.InForce, failed)).To(Succeed())
		w.apply(map[string]string{"a.yaml": process("a", "why: three")})
		w.drive()
		Expect(w.whys()).To(Equal("three two one"))
		Expect(w.stack("default")).To(reconciletest.HaveCondition("Degraded", "True", "RolledBack"))
		p, err := w.r.Plan(ctx, "default", nil)
		Expect(err).NotTo(HaveOccurred())
		Expect(p.Blocked).To(Equal("Held"))
		done, err := w.r.Retry(ctx, "default", "alice")
		Expect(err).NotTo(HaveOccurred())
		Expect(done).To(BeAssignableToTypeOf(stack.Applied{}))
		w.drive()
		Expect(w.whys()).To(Equal("three two two"))
		Expect(w.stack("default")).To(reconciletest.HaveCondition("Synced", "True", ""))
	})
})
