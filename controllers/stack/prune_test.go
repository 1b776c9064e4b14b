package stack_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/stack"
	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/reconciletest"
	"mirroros.dev/mirroros/specs"
)

// fleet are n processes, a file each.
func fleet(n int) map[string]string {
	return many(n, func(i int) (string, string) { name := fmt.Sprintf("p%d", i); return name + ".yaml", process(name) })
}

func without(n int) map[string]string {
	return many(n, func(i int) (string, string) { return fmt.Sprintf("p%d.yaml", i), "" })
}

var _ = Describe("removals", func() {
	var w *world
	BeforeEach(func() { w = newWorld(GinkgoTB()) })

	It("wait for two quiet seconds, while edits act at once", func() {
		w.apply(fleet(4))
		w.apply(map[string]string{"p0.yaml": "", "p1.yaml": process("p1", "why: new"), "p9.yaml": process("p9")})
		Expect(w.processes()).To(HaveLen(5))
		Expect(w.process("p1").Spec.Why).To(Equal("new"))
		Expect(w.stack("default")).To(reconciletest.HaveCondition("Reconciling", "True", "WaitingForQuiet"))
		w.now = w.now.Add(time.Second)
		Expect(w.reconcile("default")).To(Equal(time.Second))
		Expect(w.processes()).To(HaveLen(5))
		w.later(time.Second)
		Expect(w.processes()).To(Equal([]string{"p1@default", "p2@default", "p3@default", "p9@default"}))
		Expect(w.stack("default")).To(reconciletest.HaveCondition("Synced", "True", ""))
	})

	It("do not happen when the document comes back in time", func() {
		w.apply(fleet(2))
		rv := w.process("p0").ResourceVersion
		w.apply(map[string]string{"p0.yaml": ""})
		w.now = w.now.Add(time.Second)
		w.apply(map[string]string{"p0.yaml": process("p0")})
		w.later(time.Minute)
		Expect(w.process("p0").ResourceVersion).To(Equal(rv))
	})

	DescribeTable("stop at the limit",
		func(total, gone int, spec string, stops bool) {
			edits := fleet(total)
			edits["stack.yaml"] = stackFile("home", spec)
			w.apply(edits)
			w.apply(without(gone))
			w.later(3 * time.Second)
			if !stops {
				Expect(w.processes()).To(HaveLen(total - gone))
				return
			}
			Expect(w.processes()).To(HaveLen(total))
			Expect(w.stack("home")).To(reconciletest.HaveCondition("Stalled", "True", "PruneBlocked"))
			Expect(w.stack("home").Status.Pending.Command).To(HavePrefix("mirrorctl apply --prune --plan "))
		},
		Entry("two of four go", 4, 2, "why: x", false),
		Entry("three of seven go", 7, 3, "why: x", false),
		Entry("three of six stop", 6, 3, "why: x", true),
		Entry("three of six go when 51 percent may", 6, 3, "prune: {maxDeletePercent: 51}", false),
		Entry("three of thirty stop at ten percent", 30, 3, "prune: {maxDeletePercent: 10}", true),
		Entry("two of thirty go at one percent", 30, 2, "prune: {maxDeletePercent: 1}", false),
		Entry("all of two stop", 2, 2, "why: x", true),
		Entry("the only one stops", 1, 1, "why: x", true),
	)

	It("go on for one who names the plan, and the second plan is empty", func(ctx SpecContext) {
		w.apply(fleet(6))
		w.apply(without(4))
		w.later(3 * time.Second)
		pending := w.stack("default").Status.Pending
		Expect(pending).To(HaveField("Delete", BeEquivalentTo(4)))
		Expect(w.events).To(ContainElement(ContainSubstring("PruneBlocked: 4 of 6 objects would be removed (process/p0, process/p1, process/p2, process/p3); to agree: " + pending.Command)))

		By("editing something else meanwhile, which acts")
		w.apply(map[string]string{"p5.yaml": process("p5", "why: new")})
		Expect(w.process("p5").Spec.Why).To(Equal("new"))
		Expect(w.processes()).To(HaveLen(6))
		_, err := w.r.Apply(ctx, "default", stack.ApplyOptions{Plan: pending.Digest, Prune: true})
		Expect(err).To(MatchError(ContainSubstring("does not fit any more: revision")))

		w.restart()
		w.later(3 * time.Second)
		pending = w.stack("default").Status.Pending
		p, err := w.r.Plan(ctx, "default", nil)
		Expect(err).NotTo(HaveOccurred())
		Expect(p.Digest).To(Equal(pending.Digest))
		Expect(p.Blocked).To(Equal("PruneBlocked"))
		Expect(p.Steps).To(HaveLen(4))
		_, err = w.r.Apply(ctx, "default", stack.ApplyOptions{Plan: pending.Digest})
		Expect(err).NotTo(HaveOccurred())
		Expect(w.processes()).To(HaveLen(6), "naming the plan without --prune removes nothing")
		done, err := w.r.Apply(ctx, "default", stack.ApplyOptions{Plan: pending.Digest, Prune: true})
		Expect(err).NotTo(HaveOccurred())
		Expect(done.Message).To(Equal("4 removed"))
		Expect(w.processes()).To(Equal([]string{"p4@default", "p5@default"}))
		Expect(w.stack("default")).To(reconciletest.HaveCondition("Synced", "True", ""))
		p, err = w.r.Plan(ctx, "default", nil)
		Expect(err).NotTo(HaveOccurred())
		Expect(p.Steps).To(BeEmpty())
	})

	It("do not act on a plan after one of its objects was changed", func(ctx SpecContext) {
		w.apply(fleet(6))
		w.apply(without(4))
		w.later(3 * time.Second)
		plan := w.stack("default").Status.Pending.Digest
		p := specs.Copy(w.process("p1"))
		p.Spec.Why = "somebody needs it"
		_, err := w.client.Update(context.Background(), p)
		Expect(err).NotTo(HaveOccurred())
		_, err = w.r.Apply(ctx, "default", stack.ApplyOptions{Plan: plan, Prune: true})
		Expect(err).To(MatchError(ContainSubstring("process/p1 changed")))
		Expect(w.processes()).To(HaveLen(6))
	})

	It("want a plan to be agreed to", func(ctx SpecContext) {
		w.apply(fleet(1))
		_, err := w.r.Apply(ctx, "default", stack.ApplyOptions{Prune: true})
		Expect(err).To(MatchError(ContainSubstring("cannot prune without a plan")))
	})

	It("are taken back by bringing the files back, without a write", func() {
		w.apply(fleet(6))
		w.later(3 * time.Second)
		w.apply(without(6))
		w.later(3 * time.Second)
		rev := w.process("p0").ResourceVersion
		w.apply(fleet(6))
		w.later(3 * time.Second)
		Expect(w.process("p0").ResourceVersion).To(Equal(rev))
		Expect(w.stack("default").Status.Pending).To(BeNil())
		Expect(w.stack("default")).To(reconciletest.HaveCondition("Synced", "True", ""))
	})

	It("keep an object that says so, with its directory, and count it not", func(ctx SpecContext) {
		edits := fleet(4)
		edits["x/p0.yaml"], edits["p0.yaml"] = withAnnotation(process("p0"), specs.AnnotationPrune, "disabled"), process("q")
		w.apply(edits)
		w.apply(map[string]string{"x/p0.yaml": ""})
		p, err := w.r.Plan(ctx, "default", nil)
		Expect(err).NotTo(HaveOccurred())
		Expect(p.Steps).To(ConsistOf(HaveField("Verb", BeEquivalentTo("keep"))))
		w.later(3 * time.Second)
		Expect(w.process("p0").Labels).NotTo(HaveKey(specs.LabelStack))
		Expect(w.process("p0").Annotations).To(HaveKeyWithValue(specs.AnnotationDirectory, "/manifests/x"))
		Expect(w.stack("default").Status.Objects).To(ConsistOf(HaveField("Declared", BeEquivalentTo(4))))
		w.apply(map[string]string{"x/p0.yaml": process("p0")})
		Expect(w.process("p0").Labels).To(HaveKeyWithValue(specs.LabelStack, "default"))
	})

	It("never happen when prune is not enabled", func() {
		edits := fleet(2)
		edits["stack.yaml"] = stackFile("home", "prune: {enabled: false}")
		w.apply(edits)
		w.apply(without(2))
		w.later(3 * time.Second)
		Expect(w.processes()).To(Equal([]string{"p0@", "p1@"}))
	})

	It("touch nothing that the stack did not make", func() {
		w.apply(fleet(3))
		p := specs.Copy(w.process("p0"))
		p.Labels = nil
		_, err := w.client.Update(context.Background(), p)
		Expect(err).NotTo(HaveOccurred())
		w.apply(without(1))
		w.later(3 * time.Second)
		Expect(w.processes()).To(Equal([]string{"p0@", "p1@default", "p2@default"}))
	})

	It("that stop, and what is refused, are told of once the status says so", func() {
		said := map[string]bool{}
		w := newWorld(GinkgoTB(), func(o *stack.Options) {
			client := o.Client
			o.Event = func(_ specs.Object, _, reason, _ string) {
				st, ok := reconcile.Get[*specs.Stack](client, "default")
				said["ManifestsRefused"] = said["ManifestsRefused"] || ok && reason == specs.ReasonManifestsRefused && st.Status.LastFailed != nil
				said["PruneBlocked"] = said["PruneBlocked"] || ok && reason == specs.ReasonPruneBlocked && st.Status.Pending != nil
			}
		})
		w.apply(fleet(6))
		w.apply(map[string]string{"p0.yaml": process("p0", "replicas: -1")})
		w.apply(map[string]string{"p0.yaml": process("p0")})
		w.apply(without(4))
		w.later(3 * time.Second)
		Expect(said).To(Equal(map[string]bool{"ManifestsRefused": true, "PruneBlocked": true}))
	})

	It("count a rename that says so as none", func() {
		w.apply(map[string]string{"a.yaml": process("a", "ports: [{name: http, port: 8080}]")})
		w.apply(map[string]string{"a.yaml": withAnnotation(process("b", "ports: [{name: http, port: 8080}]"), specs.AnnotationRenamedFrom, "a")})
		Expect(w.processes()).To(Equal([]string{"b@default"}))
	})

	It("hold back what needs the port of an object that stays for now", func() {
		w.apply(map[string]string{"a.yaml": process("a", "ports: [{name: http, port: 8080}]"), "c.yaml": process("c")})
		w.apply(map[string]string{"a.yaml": "", "b.yaml": process("b", "ports: [{name: http, port: 8080}]"), "c.yaml": process("c", "why: x")})
		Expect(w.processes()).To(Equal([]string{"a@default", "c@default"}))
		Expect(w.process("c").Spec.Why).To(Equal("x"))
		w.later(3 * time.Second)
		Expect(w.processes()).To(Equal([]string{"b@default", "c@default"}))
	})

	It("act at once where a new document in the same file takes the port of the one that went", func() {
		w.apply(map[string]string{"a.yaml": process("a", "ports: [{name: http, port: 8080}]") + "---\n" + process("d"), "c.yaml": process("c")})
		w.apply(map[string]string{"a.yaml": process("b", "ports: [{name: http, port: 8080}]"), "c.yaml": process("c")})
		Expect(w.processes()).To(Equal([]string{"b@default", "c@default", "d@default"}), "what has no successor waits")
		w.later(3 * time.Second)
		Expect(w.processes()).To(Equal([]string{"b@default", "c@default"}))
	})
})
