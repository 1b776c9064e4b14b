package stack_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/stack"
	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/audit"
	"mirroros.dev/mirroros/reconcile/reconciletest"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// history is what is kept of a stack, in short: number, whether it was good, and what became of it.
func (w *world) history(name string) (out []string) {
	w.t.Helper()
	list, err := w.r.Revisions(name)
	Expect(err).NotTo(HaveOccurred())
	for _, k := range list.Items {
		text := fmt.Sprint(k.Number)
		if k.Good {
			text += " good"
		}
		if k.Live {
			text += " live"
		}
		if k.Outcome != "" {
			text += ": " + k.Outcome
		}
		out = append(out, text)
	}
	return out
}

// undo goes back, as alice.
func (w *world) undo(name, revision string) specs.Undone {
	w.t.Helper()
	u, err := w.r.Undo(context.Background(), name, specs.UndoRequest{Revision: revision, By: "alice"})
	Expect(err).NotTo(HaveOccurred())
	return u
}

// all marks everything ready and lets the stacks see it.
func (w *world) all() {
	w.t.Helper()
	w.ready()
	w.later(2 * time.Second)
}

func (w *world) why(name string) string { return w.process(name).Spec.Why }

var _ = Describe("revisions by number", func() {
	It("count up, keep what became of each, and outlive a restart", func() {
		w := newWorld(GinkgoTB())
		w.apply(fleet(3))
		Expect(w.history("default")).To(Equal([]string{"1 live"}))
		w.all()
		Expect(w.history("default")).To(Equal([]string{"1 good live"}))
		w.apply(map[string]string{"p0.yaml": process("p0", "why: x")})
		Expect(w.history("default")).To(Equal([]string{"1 good: replaced by revision 2", "2 live"}))
		Expect(w.stack("default").Status.Live.Number).To(BeEquivalentTo(2))
		Expect(w.stack("default").Status.Disk.Number).To(BeEquivalentTo(2))
		w.restart()
		w.apply(fleet(3))
		Expect(w.history("default")).To(Equal([]string{"1 good live", "2: went back to revision 1"}), "a content keeps its number")
		w.apply(map[string]string{"p0.yaml": process("p0", "why: z")})
		Expect(w.history("default")).To(Equal([]string{"1 good: replaced by revision 3", "2: went back to revision 1", "3 live"}))
	})

	It("are as many as the Stack says, and half as many more", func() {
		w := newWorld(GinkgoTB())
		w.apply(map[string]string{"stack.yaml": stackFile("home", "revisionHistoryLimit: 2"), "a.yaml": process("a")})
		for i := range 9 {
			w.apply(map[string]string{"a.yaml": process("a", fmt.Sprintf("why: v%d", i))})
			Expect(len(w.history("home"))).To(BeNumerically("<=", 4))
		}
		// the first is what is gone back to as long as nobody has seen that what came after is ready
		Expect(w.history("home")).To(HaveExactElements("1: replaced by revision 2", "8: replaced by revision 9", "9: replaced by revision 10", "10 live"))
	})

	It("are given to those that a receipt of an older operator names", func(ctx SpecContext) {
		w := newWorld(GinkgoTB())
		w.apply(fleet(3))
		w.apply(map[string]string{"p0.yaml": process("p0", "why: x")})
		data, ok := w.store.Blob("stacks", "default")
		Expect(ok).To(BeTrue())
		text := string(data)
		list, err := w.r.Revisions("default")
		Expect(err).NotTo(HaveOccurred())
		from, to := strings.Index(text, `"kept":`), strings.LastIndex(text, `"numbered":2`)
		text = text[:from] + fmt.Sprintf(`"history":[%q,%q]`, list.Items[0].Digest, list.Items[1].Digest) + text[to+len(`"numbered":2`):]
		_, err = w.client.Txn(ctx, func(t *reconcile.ClientTx) error { t.PutBlob("stacks", "default", []byte(text)); return nil })
		Expect(err).NotTo(HaveOccurred())
		w.restart()
		w.settle()
		Expect(w.history("default")).To(Equal([]string{"1", "2 live"}))
		w.undo("default", "1")
		Expect(w.why("p0")).To(BeEmpty())
	})

	It("are shown as the files had them, and compared without their comments", func() {
		w := newWorld(GinkgoTB())
		w.apply(map[string]string{"a.yaml": "# first\n" + process("a"), "b.yaml": process("b")})
		w.apply(map[string]string{"a.yaml": "# second\n" + process("a"), "b.yaml": process("b", "why: x"), "x/c.yaml": process("c")})
		m, err := w.r.Manifests("default", "1")
		Expect(err).NotTo(HaveOccurred())
		Expect(m.Items).To(HaveExactElements(
			And(HaveField("Name", "a"), HaveField("Place", "a.yaml:2"), HaveField("Text", strings.TrimSpace(process("a")))), HaveField("Name", "b")))
		d, err := w.r.Differences("default", "1", "live")
		Expect(err).NotTo(HaveOccurred())
		Expect(d.Changes).To(HaveExactElements(
			And(HaveField("Name", "b"), HaveField("From.Declared", Not(Equal(d.Changes[0].To.Declared)))),
			And(HaveField("Name", "c"), HaveField("From", BeNil()), HaveField("To.Place", "x/c.yaml:1"))))
		Expect(d.To.Number).To(BeEquivalentTo(2))
		same, err := w.r.Differences("default", "live", "disk")
		Expect(err).NotTo(HaveOccurred())
		Expect(same.Changes).To(BeEmpty())
		byDigest, err := w.r.Manifests("default", m.Revision.Digest[:9])
		Expect(err).NotTo(HaveOccurred())
		Expect(byDigest.Revision.Number).To(BeEquivalentTo(1))
		for _, name := range []string{"7", "none", "", m.Revision.Digest[:4]} {
			_, err = w.r.Manifests("default", name)
			Expect(err).To(MatchError(store.ErrConflict), name)
		}
		w.apply(map[string]string{"b.yaml": process("b", "comand: x")})
		_, err = w.r.Differences("default", "live", "disk")
		Expect(err).To(BeAssignableToTypeOf(&stack.FaultsError{}))
		Expect(w.r.Manifests("nobody", "live")).Error().To(MatchError(store.ErrNotFound))
	})
})

var _ = Describe("going back", func() {
	// two revisions, the first good: b needs a, and c is new in the second.
	two := func(more ...func(*stack.Options)) *world {
		w := newWorld(GinkgoTB(), more...)
		w.apply(map[string]string{"a.yaml": process("a"), "b.yaml": process("b", "dependsOn: [{process: a}]")})
		w.all()
		w.apply(map[string]string{"a.yaml": process("a", "why: two"), "b.yaml": process("b", "why: two", "dependsOn: [{process: a}]"), "c.yaml": process("c")})
		w.drive()
		return w
	}
	first := func(w *world) bool { return w.why("a") == "" && w.why("b") == "" && len(w.processes()) == 2 }

	It("puts the last good revision in force, holds what the files hold, and says what to type", func() {
		var records []*audit.Record
		w := two(func(o *stack.Options) {
			o.Audit = func(r *audit.Record) error { records = append(records, r); return nil }
		})
		u := w.undo("default", "")
		Expect(first(w)).To(BeTrue())
		Expect(u.Text).To(ContainSubstring("programs stay as they are now"))
		Expect(u.Message).To(And(ContainSubstring("went back from revision 2 to 1"), ContainSubstring("mirrorctl rollout retry stack/default")))
		Expect(records).To(HaveExactElements(And(HaveField("Target", "stack/default"), HaveField("Text", "alice went back from revision 2 to 1"))))
		Expect(w.history("default")).To(Equal([]string{"1 good live", "2: alice went back to revision 1"}))
		st := w.stack("default")
		Expect(st.Status.Live.By).To(Equal("alice"))
		Expect(st).To(reconciletest.HaveCondition("Synced", "False", "Held"))
		Expect(st.Status.Pending).To(And(HaveField("Reason", "Held"), HaveField("Update", BeEquivalentTo(2)), HaveField("Create", BeEquivalentTo(1)),
			HaveField("Command", "mirrorctl rollout retry stack/default")))
		for range 2 {
			Expect(func() { w.later(time.Minute) }).To(reconciletest.BeNoOp(w.store), "the same content is not applied again by itself")
			w.restart()
			w.settle()
		}
		Expect(first(w)).To(BeTrue())
	})

	It("ends with an edit, which goes on from the files as they are", func() {
		w := two()
		w.undo("default", "1")
		w.apply(map[string]string{"c.yaml": process("c", "why: three")})
		w.drive()
		Expect([]string{w.why("a"), w.why("c")}).To(Equal([]string{"two", "three"}))
		Expect(w.stack("default")).To(reconciletest.HaveCondition("Synced", "True", ""))
		Expect(w.stack("default").Status.Pending).To(BeNil())
	})

	It("ends with a retry, in the name of who asks", func(ctx SpecContext) {
		w := two()
		w.undo("default", "1")
		done, err := w.r.Retry(ctx, "default", "bob")
		Expect(err).NotTo(HaveOccurred())
		Expect(done.Message).To(Equal("1 created, 1 updated; 1 of 2 waves in force"))
		w.drive()
		Expect(w.why("a")).To(Equal("two"))
		Expect(w.stack("default").Status.Live).To(And(HaveField("By", "bob"), HaveField("Number", BeEquivalentTo(2))))
		done, err = w.r.Retry(ctx, "default", "bob")
		Expect(err).NotTo(HaveOccurred())
		Expect(done.Message).To(ContainSubstring("nothing is held"))
	})

	It("ends without a write of objects when the files are reverted, and the content may come again", func() {
		w := two()
		u := w.undo("default", "1")
		version := w.process("a").ResourceVersion
		w.apply(map[string]string{"a.yaml": process("a"), "b.yaml": process("b", "dependsOn: [{process: a}]"), "c.yaml": ""})
		w.later(3 * time.Second)
		Expect(w.process("a").ResourceVersion).To(Equal(version))
		Expect(w.stack("default").Status.Live.Digest).To(Equal(u.To.Digest))
		Expect(w.stack("default")).To(reconciletest.HaveCondition("Synced", "True", ""))
		w.apply(map[string]string{"a.yaml": process("a", "why: two"), "b.yaml": process("b", "why: two", "dependsOn: [{process: a}]"), "c.yaml": process("c")})
		Expect(w.why("a")).To(Equal("two"))
	})

	It("works while the files are refused, and holds nothing of what is mended then", func() {
		w := two()
		w.apply(map[string]string{"c.yaml": process("c", "comand: x")})
		w.undo("default", "1")
		Expect(first(w)).To(BeTrue())
		w.later(time.Minute)
		Expect(first(w)).To(BeTrue())
		w.apply(map[string]string{"c.yaml": process("c", "why: mended")})
		Expect(w.why("c")).To(Equal("mended"))
	})

	It("of a Manual stack leaves a plan that waits, as it does", func(ctx SpecContext) {
		w := newWorld(GinkgoTB())
		w.apply(map[string]string{"stack.yaml": stackFile("home", "sync: Manual"), "a.yaml": process("a")})
		_, err := w.r.Apply(ctx, "home", stack.ApplyOptions{By: "alice"})
		Expect(err).NotTo(HaveOccurred())
		w.apply(map[string]string{"a.yaml": process("a", "why: two")})
		_, err = w.r.Apply(ctx, "home", stack.ApplyOptions{By: "alice"})
		Expect(err).NotTo(HaveOccurred())
		w.undo("home", "1")
		Expect(w.why("a")).To(BeEmpty())
		Expect(w.stack("home")).To(reconciletest.HaveCondition("Synced", "False", "PendingApply"))
		_, err = w.r.Apply(ctx, "home", stack.ApplyOptions{By: "alice"})
		Expect(err).NotTo(HaveOccurred())
		Expect(w.why("a")).To(Equal("two"))
	})

	It("removes no more than prune lets it, and past that needs its plan", func(ctx SpecContext) {
		w := newWorld(GinkgoTB())
		w.apply(map[string]string{"a.yaml": process("a")})
		w.apply(fleet(4))
		_, err := w.r.Undo(ctx, "default", specs.UndoRequest{Revision: "1", By: "alice"})
		Expect(err).To(MatchError(And(ContainSubstring("4 of 5 objects would be removed"), ContainSubstring("--to-revision 1 --prune --plan "))))
		Expect(w.processes()).To(HaveLen(5))
		plan := err.Error()[strings.LastIndex(err.Error(), " ")+1:]
		_, err = w.r.Undo(ctx, "default", specs.UndoRequest{Revision: "1", Prune: true, Plan: "0123456789ab"})
		Expect(err).To(MatchError(ContainSubstring("does not fit any more")))
		_, err = w.r.Undo(ctx, "default", specs.UndoRequest{Revision: "1", Prune: true})
		Expect(err).To(MatchError(ContainSubstring("without a plan")))
		_, err = w.r.Undo(ctx, "default", specs.UndoRequest{Revision: "1", Prune: true, Plan: plan, By: "alice"})
		Expect(err).NotTo(HaveOccurred())
		Expect(w.processes()).To(Equal([]string{"a@default"}))
	})

	It("says what keeps it: another stack has an object now, a suspension, nothing known to be good, the files themselves", func(ctx SpecContext) {
		w := newWorld(GinkgoTB())
		w.apply(map[string]string{"a.yaml": process("a"), "b.yaml": process("b")})
		w.apply(map[string]string{"x/stack.yaml": stackFile("other"), "b.yaml": "", "x/b.yaml": process("b")})
		w.later(3 * time.Second)
		Expect(w.processes()).To(ContainElement("b@other"))
		_, err := w.r.Undo(ctx, "default", specs.UndoRequest{Revision: "1"})
		Expect(err).To(MatchError(ContainSubstring("process/b is declared by stack/other already, in x/b.yaml:1")))
		_, err = w.r.Undo(ctx, "other", specs.UndoRequest{})
		Expect(err).To(MatchError(ContainSubstring("no revision before the one in force is known to have had all of its objects ready")))
		_, err = w.r.Undo(ctx, "other", specs.UndoRequest{Revision: "disk"})
		Expect(err).To(MatchError(ContainSubstring("mirrorctl rollout retry stack/other")))
		u, err := w.r.Undo(ctx, "other", specs.UndoRequest{Revision: "live"})
		Expect(err).NotTo(HaveOccurred())
		Expect(u.Message).To(ContainSubstring("is in force already"))
		w.apply(map[string]string{"x/stack.yaml": stackFile("other", "suspend: true")})
		_, err = w.r.Undo(ctx, "other", specs.UndoRequest{Revision: "1"})
		Expect(err).To(MatchError(ContainSubstring("mirrorctl resume stack/other")))
	})

	It("is not done when it cannot be recorded", func(ctx SpecContext) {
		w := two(func(o *stack.Options) { o.Audit = func(*audit.Record) error { return errors.New("no room") } })
		_, err := w.r.Undo(ctx, "default", specs.UndoRequest{By: "alice"})
		Expect(err).To(MatchError(ContainSubstring("cannot record it in the audit log, so nothing was done: no room")))
		Expect(w.why("a")).To(Equal("two"))
		u, err := w.r.Undo(ctx, "default", specs.UndoRequest{DryRun: true})
		Expect(err).NotTo(HaveOccurred())
		Expect(u.Plan).NotTo(BeEmpty())
	})

	It("that is killed anywhere is done or not begun, and the hold with it", func() {
		for left := range 12 {
			w := two()
			ctx := &ending{Context: context.Background(), left: left}
			_, err := w.r.Undo(ctx, "default", specs.UndoRequest{By: "alice"})
			w.restart()
			w.settle()
			w.later(time.Minute)
			if err == nil || first(w) {
				Expect(first(w)).To(BeTrue(), "killed after %d looks", left)
				Expect(w.stack("default")).To(reconciletest.HaveCondition("Synced", "False", "Held"))
				continue
			}
			Expect([]string{w.why("a"), w.why("b")}).To(Equal([]string{"two", "two"}), "killed after %d looks", left)
			Expect(w.stack("default")).To(reconciletest.HaveCondition("Synced", "True", ""))
		}
	})

	It("any way and any number of times has in force what the revision had, and in the end what the files hold", func() {
		seed := uint64(GinkgoRandomSeed())
		rnd := rand.New(rand.NewPCG(seed, 1))
		w := newWorld(GinkgoTB())
		were := map[string]string{} // objects by digest
		have := func() (out string) {
			for _, p := range reconcile.List[*specs.Process](w.client) {
				out += p.Name + "=" + p.Spec.Why + " "
			}
			return out
		}
		note := func() { were[w.stack("default").Status.Live.Digest] = have() }
		w.apply(map[string]string{"stack.yaml": stackFile("default", "prune: {maxDeletePercent: 100}"), "keep.yaml": process("keep")})
		note()
		for i := range 60 {
			if rnd.IntN(3) > 0 {
				name := fmt.Sprintf("p%d", rnd.IntN(4))
				text := process(name, fmt.Sprintf("why: w%d", rnd.IntN(3)))
				if rnd.IntN(4) == 0 {
					text = ""
				}
				w.apply(map[string]string{name + ".yaml": text})
				note()
				w.later(3 * time.Second)
			} else {
				list, err := w.r.Revisions("default")
				Expect(err).NotTo(HaveOccurred())
				to := list.Items[rnd.IntN(len(list.Items))]
				w.undo("default", fmt.Sprint(to.Number))
				Expect(have()).To(Equal(were[to.Digest]), "step %d, seed %d", i, seed)
				w.later(3 * time.Second)
				Expect(have()).To(Equal(were[to.Digest]), "step %d, seed %d", i, seed)
			}
			if rnd.IntN(5) == 0 {
				w.restart()
				w.settle()
			}
			note()
		}
		_, err := w.r.Retry(context.Background(), "default", "alice")
		Expect(err).NotTo(HaveOccurred())
		Expect(w.stack("default")).To(reconciletest.HaveCondition("Synced", "True", ""))
	})
})
