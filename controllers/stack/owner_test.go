package stack_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/stack"
	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/reconciletest"
	"mirroros.dev/mirroros/specs"
)

var _ = Describe("who owns what", func() {
	var w *world
	BeforeEach(func() { w = newWorld(GinkgoTB()) })

	It("is decided by the nearest Stack up the tree", func() {
		w.apply(map[string]string{
			"a.yaml": process("a"), "x/stack.yaml": stackFile("ex"), "x/b.yaml": process("b"),
			"x/y/stack.yaml": stackFile("why"), "x/y/c.yaml": process("c"), "x/z/d.yaml": process("d"),
		})
		Expect(w.processes()).To(Equal([]string{"a@default", "b@ex", "c@why", "d@ex"}))
	})

	It("hands objects over when a Stack comes and goes, and prunes none of them", func() {
		w.apply(map[string]string{"a.yaml": process("a"), "x/b.yaml": process("b"), "x/c.yaml": process("c")})
		uid := w.process("b").UID
		w.apply(map[string]string{"x/stack.yaml": stackFile("ex")})
		w.later(3 * time.Second)
		Expect(w.processes()).To(Equal([]string{"a@default", "b@ex", "c@ex"}))
		Expect(w.events).To(ContainElement(ContainSubstring("ex HandedOver: process/b was taken over from stack/default")))
		Expect(w.stack("default")).To(reconciletest.HaveCondition("Synced", "True", ""))

		w.apply(map[string]string{"x/stack.yaml": ""})
		Expect(w.processes()).To(Equal([]string{"a@default", "b@ex", "c@ex"}), "a Stack document that went waits too")
		w.later(3 * time.Second)
		w.later(3 * time.Second)
		Expect(w.processes()).To(Equal([]string{"a@default", "b@default", "c@default"}))
		Expect(w.process("b").UID).To(Equal(uid))
		_, there := reconcile.Get[*specs.Stack](w.client, "ex")
		Expect(there).To(BeFalse())
		w.restart()
		Expect(func() { w.later(time.Minute) }).To(reconciletest.BeNoOp(w.store))
	})

	It("lets fields go that only the old stack's file set", func() {
		w.apply(map[string]string{"a.yaml": process("q"), "x/b.yaml": process("b", "why: old", "replicas: 3")})
		w.apply(map[string]string{"x/b.yaml": "", "y/stack.yaml": stackFile("new"), "y/b.yaml": process("b")})
		w.later(3 * time.Second)
		Expect(w.processes()).To(Equal([]string{"b@new", "q@default"}))
		Expect(w.process("b").Spec.Why).To(BeEmpty())
		Expect(*w.process("b").Spec.Replicas).To(BeEquivalentTo(1))
	})

	It("refuses in the newcomer what another stack declares", func() {
		w.apply(map[string]string{"x/stack.yaml": stackFile("ex"), "x/b.yaml": process("b"), "y/stack.yaml": stackFile("a-new")})
		w.apply(map[string]string{"y/b.yaml": process("b")})
		Expect(w.stack("a-new").Status.Faults[0].String()).To(Equal("y/b.yaml:4:9  metadata.name: process/b is declared by stack/ex already, in x/b.yaml:1"))
		Expect(w.stack("ex").Status.Faults).To(BeEmpty())
		Expect(w.processes()).To(Equal([]string{"b@ex"}))
		w.apply(map[string]string{"x/b.yaml": process("c")})
		w.later(3 * time.Second)
		Expect(w.processes()).To(Equal([]string{"b@a-new", "c@ex"}))
	})

	It("asks before it prunes all that a removed Stack has", func(ctx SpecContext) {
		w.apply(map[string]string{"q.yaml": process("q"), "x/stack.yaml": stackFile("ex"), "x/b.yaml": process("b")})
		w.apply(map[string]string{"x/stack.yaml": "", "x/b.yaml": ""})
		w.later(3 * time.Second)
		w.later(3 * time.Second)
		Expect(w.processes()).To(Equal([]string{"b@ex", "q@default"}))
		Expect(w.stack("ex")).To(reconciletest.HaveCondition("Stalled", "True", "PruneBlocked"))
		w.restart()
		w.later(3 * time.Second)
		_, err := w.r.Apply(ctx, "ex", stack.ApplyOptions{Plan: w.stack("ex").Status.Pending.Digest, Prune: true})
		Expect(err).NotTo(HaveOccurred())
		Expect(w.processes()).To(Equal([]string{"q@default"}))
		_, there := reconcile.Get[*specs.Stack](w.client, "ex")
		Expect(there).To(BeFalse())
		left := 0
		w.store.Blobs("revisions", func(key string, _ []byte) bool {
			if key[:3] == "ex/" {
				left++
			}
			return true
		})
		Expect(left).To(BeZero())
	})

	It("leaves everything running when a removed Stack says Orphan", func() {
		w.apply(map[string]string{"q.yaml": process("q"), "x/stack.yaml": stackFile("ex", "deletionPolicy: Orphan"), "x/b.yaml": process("b")})
		w.apply(map[string]string{"x/stack.yaml": "", "x/b.yaml": ""})
		w.later(3 * time.Second)
		w.later(3 * time.Second)
		Expect(w.processes()).To(Equal([]string{"b@", "q@default"}))
		_, there := reconcile.Get[*specs.Stack](w.client, "ex")
		Expect(there).To(BeFalse())
	})

	It("keeps the last Stack in force while its document has faults", func() {
		w.apply(map[string]string{"x/stack.yaml": stackFile("ex", "sync: Auto"), "x/b.yaml": process("b")})
		w.apply(map[string]string{"x/stack.yaml": stackFile("ex", "sync: Sometimes"), "x/b.yaml": process("b", "why: new")})
		w.later(time.Minute)
		Expect(w.stack("ex").Spec.Sync).To(Equal(specs.SyncAuto))
		Expect(w.stack("ex").Status.Faults[0].String()).To(ContainSubstring("x/stack.yaml:7:9  spec.sync:"))
		Expect(w.process("b").Spec.Why).To(BeEmpty())
		w.apply(map[string]string{"x/stack.yaml": ": broken"})
		w.later(time.Minute)
		Expect(w.processes()).To(Equal([]string{"b@ex"}))
		w.restart()
		w.later(time.Minute)
		Expect(w.processes()).To(Equal([]string{"b@ex"}))
	})

	It("refuses two Stacks for one directory, both places named", func() {
		w.apply(map[string]string{"x/stack.yaml": stackFile("ex"), "x/b.yaml": process("b")})
		w.apply(map[string]string{"x/more.yaml": stackFile("other")})
		Expect(w.stack("ex").Status.Faults[0].String()).To(Equal("x/more.yaml:6:18  spec.source.path: the directory x is governed by stack/ex already, in x/stack.yaml:1"))
		w.apply(map[string]string{"x/more.yaml": "", "y/stack.yaml": stackFile("ex")})
		Expect(w.stack("ex").Status.Faults).To(BeEmpty())
		Expect(w.stack("default").Status.Faults[0].String()).To(Equal("y/stack.yaml:4:9  metadata.name: stack/ex is declared in x/stack.yaml:1 already"))
		Expect(w.processes()).To(Equal([]string{"b@ex"}))
	})

	It("passes over what a Stack excludes", func() {
		w.apply(map[string]string{"stack.yaml": stackFile("home") + "  # none\n", "a.yaml": process("a"), "vendor/b.yaml": process("b"), "docker-compose.yml": "services: {}"})
		Expect(w.processes()).To(BeEmpty())
		w.apply(map[string]string{"stack.yaml": "apiVersion: mirroros.dev/v1alpha1\nkind: Stack\nmetadata: {name: home}\nspec:\n  source: {exclude: [docker-compose*.yml, vendor/]}\n"})
		Expect(w.processes()).To(Equal([]string{"a@home"}))
		Expect(w.files.exclude("vendor", true)).To(BeTrue())
		Expect(w.files.exclude("a.yaml", false)).To(BeFalse())
		w.apply(map[string]string{"vendor/stack.yaml": stackFile("hidden")})
		Expect(w.processes()).To(Equal([]string{"a@home"}))
	})

	It("follows a Stack whose directory moves", func() {
		w.apply(map[string]string{"x/stack.yaml": stackFile("ex"), "x/b.yaml": process("b")})
		uid := w.process("b").UID
		w.apply(map[string]string{"x/stack.yaml": "", "x/b.yaml": "", "y/stack.yaml": stackFile("ex"), "y/b.yaml": process("b")})
		w.later(3 * time.Second)
		Expect(w.process("b").UID).To(Equal(uid))
		Expect(w.processes()).To(Equal([]string{"b@ex"}))
	})

	It("keeps what was written to a Stack's own free fields", func() {
		w.apply(map[string]string{"stack.yaml": stackFile("home"), "a.yaml": process("a")})
		s := specs.Copy(w.stack("home"))
		s.Spec.Suspend = true
		_, err := w.client.Update(context.Background(), s)
		Expect(err).NotTo(HaveOccurred())
		w.apply(map[string]string{"stack.yaml": stackFile("home", "why: x")})
		Expect(w.stack("home").Spec.Suspend).To(BeTrue())
		Expect(w.stack("home").Spec.Why).To(Equal("x"))
	})
})

var _ = Describe("a Manual stack", func() {
	It("waits for apply, which acts on the plan alone", func(ctx SpecContext) {
		w := newWorld(GinkgoTB())
		w.apply(map[string]string{"stack.yaml": stackFile("home", "sync: Manual"), "a.yaml": process("a"), "b.yaml": process("b")})
		Expect(w.processes()).To(BeEmpty())
		pending := w.stack("home").Status.Pending
		Expect(pending).To(And(HaveField("Reason", "Manual"), HaveField("Create", BeEquivalentTo(2)), HaveField("Command", "mirrorctl apply --plan "+pending.Digest)))
		Expect(w.stack("home")).To(reconciletest.HaveCondition("Synced", "False", "PendingApply"))
		done, err := w.r.Apply(ctx, "home", stack.ApplyOptions{Plan: pending.Digest})
		Expect(err).NotTo(HaveOccurred())
		Expect(done.Message).To(Equal("2 created"))
		Expect(w.processes()).To(HaveLen(2))

		w.apply(map[string]string{"a.yaml": process("a", "why: new")})
		plan, err := w.r.Plan(ctx, "home", nil)
		Expect(err).NotTo(HaveOccurred())
		Expect(plan.Steps).To(ConsistOf(And(HaveField("Name", "a"), HaveField("Reason", "why"))))
		w.apply(map[string]string{"b.yaml": process("b", "why: new")})
		_, err = w.r.Apply(ctx, "home", stack.ApplyOptions{Plan: plan.Digest})
		Expect(err).To(MatchError(ContainSubstring("process/b changed")))
		Expect(w.process("a").Spec.Why).To(BeEmpty())
		_, err = w.r.Apply(ctx, "home", stack.ApplyOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(w.process("b").Spec.Why).To(Equal("new"))
		done, err = w.r.Apply(ctx, "home", stack.ApplyOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(done.Message).To(Equal("nothing to apply"))
	})

	It("heals from the last applied revision", func() {
		w := newWorld(GinkgoTB())
		w.apply(map[string]string{"stack.yaml": stackFile("home"), "a.yaml": process("a")})
		w.apply(map[string]string{"stack.yaml": stackFile("home", "sync: Manual"), "a.yaml": process("a", "why: new")})
		Expect(w.client.Delete(context.Background(), reconcile.KeyOf(w.process("a")))).To(Succeed())
		w.restart()
		w.later(time.Second)
		Expect(w.process("a").Spec.Why).To(BeEmpty())
	})
})

var _ = Describe("an Auto stack", func() {
	It("answers apply that it follows the files", func(ctx SpecContext) {
		w := newWorld(GinkgoTB())
		w.apply(map[string]string{"a.yaml": process("a")})
		done, err := w.r.Apply(ctx, "default", stack.ApplyOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(done.Message).To(Equal("follows the files; nothing to apply"))
	})

	It("plans files before they are saved", func(ctx SpecContext) {
		w := newWorld(GinkgoTB())
		w.apply(map[string]string{"a.yaml": process("a"), "b.yaml": process("b")})
		plan, err := w.r.Plan(ctx, "default", map[string]string{"a.yaml": process("a", "why: x"), "c.yaml": process("c")})
		Expect(err).NotTo(HaveOccurred())
		var got []string
		for _, s := range plan.Steps {
			got = append(got, string(s.Change)+" "+s.Name+" "+s.Reason)
		}
		Expect(got).To(ConsistOf("~ a why", "+ c new", "- b removed"))
		_, err = w.r.Plan(ctx, "default", map[string]string{"a.yaml": process("a", "comand: x")})
		Expect(err).To(BeAssignableToTypeOf(&stack.FaultsError{}))
		Expect(w.processes()).To(Equal([]string{"a@default", "b@default"}))
	})
})

var _ = Describe("a suspended stack", func() {
	It("stops following its files, and puts them in force again when it is resumed", func(ctx SpecContext) {
		w := newWorld(GinkgoTB())
		w.apply(map[string]string{"a.yaml": process("a", "why: file")})
		w.later(time.Second)
		w.now = w.now.Add(time.Second)
		s := specs.Copy(w.stack("default"))
		s.Spec.Suspend = true
		s.Annotations = map[string]string{specs.AnnotationResumeAt: w.now.Add(time.Hour).Format(time.RFC3339)}
		_, err := w.client.Update(ctx, s)
		Expect(err).NotTo(HaveOccurred())
		Expect(w.reconcile("default")).To(Equal(time.Minute), "timers stand still while the host sleeps")
		_, _, suspended, _ := w.r.Index().Declared("Process", "a")
		Expect(suspended).To(BeTrue())
		w.apply(map[string]string{"b.yaml": process("b")})
		Expect(w.processes()).To(Equal([]string{"a@default"}))
		Expect(w.stack("default")).To(reconciletest.HaveCondition("Synced", "False", "Suspended"))
		_, err = w.r.Apply(ctx, "default", stack.ApplyOptions{})
		Expect(err).To(MatchError(ContainSubstring("is suspended")))
		p := specs.Copy(w.process("a"))
		p.Spec.Why = "by hand"
		_, err = w.client.Update(ctx, p)
		Expect(err).NotTo(HaveOccurred())
		w.restart()
		w.later(time.Minute)
		Expect(w.process("a").Spec.Why).To(Equal("by hand"))
		w.later(time.Hour)
		w.later(time.Minute)
		Expect(w.stack("default").Spec.Suspend).To(BeFalse())
		Expect(w.stack("default").Annotations).To(BeEmpty())
		Expect(w.processes()).To(Equal([]string{"a@default", "b@default"}))
		Expect(w.process("a").Spec.Why).To(Equal("file"))
	})
})
