package stack_test

import (
	"context"
	"errors"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/stack"
	"mirroros.dev/mirroros/reconcile/audit"
	"mirroros.dev/mirroros/reconcile/reconciletest"
	"mirroros.dev/mirroros/reconcile/store"
)

var _ = Describe("a change that must be confirmed", func() {
	armed := func(ctx context.Context, more ...func(*stack.Options)) *world {
		w := newWorld(GinkgoTB(), more...)
		w.apply(map[string]string{"stack.yaml": stackFile("home", "sync: Manual"), "a.yaml": process("a", "why: one")})
		_, err := w.r.Apply(ctx, "home", stack.ApplyOptions{By: "alice"})
		Expect(err).NotTo(HaveOccurred())
		w.apply(map[string]string{"a.yaml": process("a", "why: two")})
		_, err = w.r.Apply(ctx, "home", stack.ApplyOptions{By: "alice", ConfirmWithin: 2 * time.Minute})
		Expect(err).NotTo(HaveOccurred())
		Expect(w.why("a")).To(Equal("two"))
		Expect(w.stack("home")).To(reconciletest.HaveCondition("Reconciling", "True", "WaitingForConfirm"))
		return w
	}

	It("stays when it is", func(ctx SpecContext) {
		w := armed(ctx)
		Expect(w.reconcile("home")).To(And(BeNumerically(">", 0), BeNumerically("<=", time.Minute)), "a calendar time is looked at now and then")
		w.later(time.Minute)
		Expect(w.r.Confirm(ctx, "home", "alice")).To(Equal("is confirmed"))
		w.later(time.Hour)
		Expect(w.why("a")).To(Equal("two"))
		_, err := w.r.Confirm(ctx, "home", "alice")
		Expect(err).To(MatchError(store.ErrConflict))
	})

	It("is gone back from when it is not, also when that cannot be recorded, and then is a plan again", func(ctx SpecContext) {
		full := false
		w := armed(ctx, func(o *stack.Options) {
			o.Audit = func(*audit.Record) error {
				if full {
					return errors.New("no room")
				}
				return nil
			}
		})
		full = true
		w.later(119 * time.Second)
		Expect(w.why("a")).To(Equal("two"))
		w.later(time.Second)
		Expect(w.why("a")).To(Equal("one"))
		Expect(w.events).To(ContainElement(ContainSubstring("nobody confirmed in time, went back from revision 2 to 1")))
		Expect(w.stack("home")).To(reconciletest.HaveCondition("Synced", "False", "PendingApply"))
		Expect(func() { w.later(time.Hour) }).To(reconciletest.BeNoOp(w.store))
	})

	It("is gone back from first thing by an operator that starts too late, and its files are held", func(ctx SpecContext) {
		w := newWorld(GinkgoTB())
		w.apply(map[string]string{"a.yaml": process("a", "why: one")})
		w.apply(map[string]string{"a.yaml": process("a", "why: two")})
		w.undo("default", "1")
		_, err := w.r.Apply(ctx, "default", stack.ApplyOptions{By: "alice", ConfirmWithin: time.Minute})
		Expect(err).NotTo(HaveOccurred())
		Expect(w.why("a")).To(Equal("two"))
		w.restart()
		Expect(w.r.Return(ctx)).To(Succeed())
		Expect(w.why("a")).To(Equal("two"), "there is time yet")
		w.now = w.now.Add(time.Minute)
		w.restart()
		Expect(w.r.Return(ctx)).To(Succeed())
		Expect(w.why("a")).To(Equal("one"), "before the files were read")
		w.settle()
		w.later(time.Minute)
		Expect(w.why("a")).To(Equal("one"))
		Expect(w.stack("default")).To(reconciletest.HaveCondition("Synced", "False", "Held"))
	})

	It("is refused where there is nothing to go back to, or nothing to apply", func(ctx SpecContext) {
		w := newWorld(GinkgoTB())
		w.apply(map[string]string{"stack.yaml": stackFile("home", "sync: Manual"), "a.yaml": process("a", "why: one")})
		_, err := w.r.Apply(ctx, "home", stack.ApplyOptions{ConfirmWithin: time.Minute})
		Expect(err).To(MatchError(ContainSubstring("nothing to apply that could be gone back from")))
		Expect(w.processes()).To(BeEmpty())
		_, err = w.r.Apply(ctx, "home", stack.ApplyOptions{})
		Expect(err).NotTo(HaveOccurred())
		_, err = w.r.Apply(ctx, "home", stack.ApplyOptions{ConfirmWithin: time.Minute})
		Expect(err).To(MatchError(store.ErrConflict))
		auto := newWorld(GinkgoTB())
		auto.apply(map[string]string{"a.yaml": process("a")})
		_, err = auto.r.Apply(ctx, "default", stack.ApplyOptions{ConfirmWithin: time.Minute})
		Expect(err).To(MatchError(ContainSubstring("there is nothing to confirm")))
	})
})
