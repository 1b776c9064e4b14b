package stack_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/stack"
	"mirroros.dev/mirroros/reconcile/plan"
	"mirroros.dev/mirroros/reconcile/reconciletest"
	"mirroros.dev/mirroros/specs"
)

var _ = Describe("revisions", func() {
	It("are kept, the last ten at least, and no more than half as many again", func() {
		w := newWorld(GinkgoTB())
		edits := fleet(30)
		w.apply(edits)
		for i := range 40 {
			w.apply(map[string]string{"p7.yaml": process("p7", fmt.Sprintf("why: v%d", i))})
		}
		roots, parts := 0, 0
		w.store.Blobs("revisions", func(key string, _ []byte) bool {
			if strings.HasPrefix(key, "default/r/") {
				roots++
			} else {
				parts++
			}
			return true
		})
		Expect(roots).To(And(BeNumerically(">=", 10), BeNumerically("<=", 15)))
		Expect(parts).To(BeNumerically("<=", 2*(16+15)))
		w.restart()
		w.apply(map[string]string{"p7.yaml": process("p7")})
		Expect(w.process("p7").Spec.Why).To(BeEmpty(), "the last declaration was kept, so a field that went is known")
		Expect(w.stack("default")).To(reconciletest.HaveCondition("Synced", "True", ""))
	})

	It("come back when the content does", func() {
		w := newWorld(GinkgoTB())
		w.apply(fleet(3))
		first := w.stack("default").Status.Live.Digest
		w.apply(map[string]string{"p0.yaml": process("p0", "why: x")})
		Expect(w.stack("default").Status.Live.Digest).NotTo(Equal(first))
		w.apply(fleet(3))
		Expect(w.stack("default").Status.Live.Digest).To(Equal(first))
		w.restart()
		Expect(func() { w.later(time.Minute) }).To(reconciletest.BeNoOp(w.store))
	})
})

var _ = Describe("a plan", func() {
	It("asks the planner what the changes lead to, in their order", func(ctx SpecContext) {
		var asked []plan.Changed
		w := newWorld(GinkgoTB(), func(o *stack.Options) {
			o.Planner = func(_ context.Context, changed []plan.Changed) ([]plan.Step, error) {
				asked = changed
				return []plan.Step{{Wave: 0, Change: plan.Create, Kind: "Process", Name: "b", Verb: plan.Start, Reason: "new"},
					{Wave: 1, Change: plan.None, Kind: "Process", Name: "z", Verb: plan.Start, Repair: true}}, nil
			}
		})
		w.apply(map[string]string{"a.yaml": process("a")})
		p, err := w.r.Plan(ctx, "default", map[string]string{"a.yaml": process("a", "why: x"), "x/b.yaml": process("b", "dependsOn: [{process: a}]")})
		Expect(err).NotTo(HaveOccurred())
		Expect(asked).To(HaveExactElements(
			And(HaveField("Name", "a"), HaveField("Wave", 0), HaveField("Fields", []string{"why"}), HaveField("Dir", "/manifests")),
			And(HaveField("Name", "b"), HaveField("Wave", 1), HaveField("Dir", "/manifests/x"), HaveField("Old", BeNil())),
		))
		var got []string
		for _, s := range p.Steps {
			got = append(got, fmt.Sprint(s.Change, s.Name, " ", s.Verb))
		}
		Expect(got).To(Equal([]string{"+b start", "=z start", "~a write"}))
		Expect(p.Read).To(HaveLen(1))
	})

	It("asks about an object whose file moves to another directory, and shows nothing when that leads to nothing", func(ctx SpecContext) {
		var asked []plan.Changed
		verb := plan.Replace
		w := newWorld(GinkgoTB(), func(o *stack.Options) {
			o.Planner = func(_ context.Context, changed []plan.Changed) ([]plan.Step, error) {
				asked = changed
				return []plan.Step{{Change: plan.Update, Kind: "Process", Name: "a", Verb: verb}}, nil
			}
		})
		w.apply(map[string]string{"a.yaml": process("a")})
		p, err := w.r.Plan(ctx, "default", map[string]string{"sub/a.yaml": process("a")})
		Expect(err).NotTo(HaveOccurred())
		Expect(asked).To(ConsistOf(And(HaveField("Name", "a"), HaveField("Dir", "/manifests/sub"), HaveField("Fields", []string{"workingDir"}))))
		Expect(p.Steps).To(HaveLen(1))
		verb = plan.Write
		p, err = w.r.Plan(ctx, "default", map[string]string{"sub/a.yaml": process("a")})
		Expect(err).NotTo(HaveOccurred())
		Expect(p.Steps).To(BeEmpty())
	})

	It("that does not fit any more names the objects whose files changed since", func(ctx SpecContext) {
		w := newWorld(GinkgoTB())
		w.apply(map[string]string{"stack.yaml": stackFile("home", "sync: Manual"), "a.yaml": process("a"), "b.yaml": process("b")})
		first := w.stack("home").Status.Pending.Digest
		w.apply(map[string]string{"b.yaml": process("b", "why: x")})
		_, err := w.r.Apply(ctx, "home", stack.ApplyOptions{Plan: first})
		Expect(err).To(MatchError(And(ContainSubstring("process/b changed"), Not(ContainSubstring("process/a")), ContainSubstring("`mirrorctl plan home`"))))
	})

	It("has the same digest when nothing changed, and is the one that status names", func(ctx SpecContext) {
		w := newWorld(GinkgoTB())
		w.apply(map[string]string{"stack.yaml": stackFile("home", "sync: Manual"), "a.yaml": process("a")})
		first, err := w.r.Plan(ctx, "home", nil)
		Expect(err).NotTo(HaveOccurred())
		Expect(first.Blocked).To(Equal("Manual"))
		Expect(w.stack("home").Status.Pending.Digest).To(Equal(first.Digest))
		same, err := w.r.Plan(ctx, "home", map[string]string{"stack.yaml": stackFile("home", "sync: Manual"), "a.yaml": process("a")})
		Expect(err).NotTo(HaveOccurred())
		Expect(same.Digest).To(Equal(first.Digest))
		_, err = w.r.Plan(ctx, "nobody", nil)
		Expect(err).To(MatchError(ContainSubstring("stack/nobody: not found")))
	})

	It("is refused with every fault, and status holds a hundred of them", func(ctx SpecContext) {
		w := newWorld(GinkgoTB())
		w.apply(many(150, func(i int) (string, string) {
			n := fmt.Sprintf("p%03d", i)
			return n + ".yaml", process(n, "dependsOn: [{process: nobody}]")
		}))
		_, err := w.r.Plan(ctx, "default", nil)
		Expect(err.(*stack.FaultsError).Faults).To(HaveLen(150))
		_, err = w.r.Apply(ctx, "default", stack.ApplyOptions{})
		Expect(err).To(MatchError(ContainSubstring(`p000.yaml:7:25  spec.dependsOn[0].process: no process "nobody" (and 149 more)`)))
		Expect(w.stack("default").Status.Faults).To(HaveLen(100))
		Expect(w.stack("default").Status.Conditions).To(ContainElement(HaveField("Message", ContainSubstring("150 faults in 150 of 150 files"))))
	})

	It("says what is not removed without somebody's word", func(ctx SpecContext) {
		w := newWorld(GinkgoTB())
		w.apply(fleet(4))
		w.apply(without(3))
		w.later(3 * time.Second)
		done, err := w.r.Apply(ctx, "default", stack.ApplyOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(done.Message).To(ContainSubstring("3 objects are not removed without your word: mirrorctl apply --prune --plan "))
	})
})

var _ = Describe("what does not fit to what others wrote", func() {
	It("is refused at its place, and tried again when that changes", func(ctx SpecContext) {
		w := newWorld(GinkgoTB())
		w.apply(map[string]string{"a.yaml": process("a")})
		p := specs.Copy(w.process("a"))
		p.Spec.Ports = []specs.ProcessPort{{Name: "http", Port: 8080}}
		_, err := w.client.Update(ctx, p)
		Expect(err).NotTo(HaveOccurred())
		w.apply(map[string]string{"a.yaml": process("a", "replicas: 2")})
		Expect(w.stack("default").Status.Faults).To(HaveLen(1))
		Expect(w.stack("default").Status.Faults[0].String()).To(And(HavePrefix("a.yaml:"), HaveSuffix("(with what was written to the object through the API)")))
		Expect(*w.process("a").Spec.Replicas).To(BeEquivalentTo(1))
		p = specs.Copy(w.process("a"))
		p.Spec.Ports, p.ResourceVersion = nil, ""
		_, err = w.client.Update(ctx, p)
		Expect(err).NotTo(HaveOccurred())
		w.later(time.Second)
		Expect(*w.process("a").Spec.Replicas).To(BeEquivalentTo(2))
	})
})
