package stack_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/stack"
	"mirroros.dev/mirroros/reconcile/reconciletest"
	"mirroros.dev/mirroros/specs"
)

// chain are processes a, b and c, each needing the one before, that all say why.
func chain(why string) map[string]string {
	return map[string]string{"a.yaml": process("a", "why: "+why), "b.yaml": process("b", "why: "+why, "dependsOn: [{process: a}]"),
		"c.yaml": process("c", "why: "+why, "dependsOn: [{process: b}]")}
}

// whys are the words of a, b and c.
func (w *world) whys() string { return w.why("a") + " " + w.why("b") + " " + w.why("c") }

// next puts the next wave of a stack in force.
func (w *world) next(name string) {
	w.t.Helper()
	o := w.r.Rolling(name)
	Expect(w.r.Advance(context.Background(), name, o.Name, o.Spec.InForce)).To(Succeed())
	w.settle()
}

var _ = Describe("a change of several waves", func() {
	begun := func(more ...func(*stack.Options)) *world {
		w := newWorld(GinkgoTB(), more...)
		w.apply(chain("one"))
		Expect(w.whys()).To(Equal("one one one"), "what is only made waits for nothing")
		w.all()
		w.apply(chain("two"))
		Expect(w.whys()).To(Equal("two one one"))
		return w
	}

	It("is put in force one wave at a time, when somebody says that it is due", func() {
		w := begun()
		Expect(func() { w.later(time.Minute) }).To(reconciletest.BeNoOp(w.store), "nothing goes on by itself")
		o := w.r.Rolling("default")
		Expect(o).To(And(HaveField("Name", "default-2"), HaveField("Spec.Stack", "default"), HaveField("Spec.From.Number", BeEquivalentTo(1)), HaveField("Spec.InForce", BeEquivalentTo(1))))
		Expect(o.Spec.Waves).To(HaveExactElements(
			HaveField("Objects", HaveExactElements(specs.RolloutObject{Kind: "Process", Name: "a", Change: specs.RolloutUpdate, WasReady: true})),
			HaveField("Objects", HaveLen(1)), HaveField("Objects", HaveLen(1))))
		st := w.stack("default")
		Expect(st.Status.Live.Number).To(BeEquivalentTo(1))
		Expect(st).To(reconciletest.HaveCondition("Reconciling", "True", "RollingOut"))
		Expect(st.Status.Conditions).To(ContainElement(HaveField("Message", "revision 2: 1 of 3 waves in force; the next waits until process/a is ready")))
		Expect(w.history("default")).To(Equal([]string{"1 good live", "2: on its way"}))
		w.next("default")
		Expect(w.whys()).To(Equal("two two one"))
		Expect(w.r.Advance(context.Background(), "default", o.Name, 1)).To(Succeed())
		Expect(w.whys()).To(Equal("two two one"), "a wave that is in force already is not due again")
		w.next("default")
		Expect(w.whys()).To(Equal("two two two"))
		Expect(w.history("default")).To(Equal([]string{"1 good: replaced by revision 2", "2 live"}))
		Expect(w.stack("default")).To(reconciletest.HaveCondition("Synced", "True", ""))
		Expect(w.stack("default").Status.Live.Digest).To(Equal(w.stack("default").Status.Disk.Digest))
		w.restart()
		Expect(func() { w.later(time.Minute) }).To(reconciletest.BeNoOp(w.store))
	})

	It("is one transaction when it has one wave", func() {
		w := newWorld(GinkgoTB())
		w.apply(chain("one"))
		w.apply(map[string]string{"c.yaml": chain("two")["c.yaml"]})
		Expect(w.whys()).To(Equal("one one two"))
		Expect(w.stack("default")).To(reconciletest.HaveCondition("Synced", "True", ""))
		Expect(w.r.Rolling("default").Spec).To(And(HaveField("Waves", HaveLen(1)), HaveField("InForce", BeEquivalentTo(1))))
	})

	It("makes new objects at once, and changes what there is when they are ready", func() {
		w := newWorld(GinkgoTB())
		w.apply(map[string]string{"app.yaml": process("app")})
		w.apply(map[string]string{"db.yaml": process("db"), "cache.yaml": process("cache", "dependsOn: [{process: db}]"), "app.yaml": process("app", "dependsOn: [{process: cache}]")})
		Expect(w.processes()).To(Equal([]string{"app@default", "cache@default", "db@default"}))
		Expect(w.process("app").Spec.DependsOn).To(BeEmpty())
		Expect(w.r.Rolling("default").Spec).To(And(HaveField("Waves", HaveLen(3)), HaveField("InForce", BeEquivalentTo(2))))
		w.next("default")
		Expect(w.process("app").Spec.DependsOn).To(HaveLen(1))
	})

	It("hands a port over within one wave", func() {
		w := newWorld(GinkgoTB())
		w.apply(map[string]string{"a.yaml": process("a"), "b.yaml": process("b", "dependsOn: [{process: a}]", "ports: [{name: http, port: 8099}]")})
		w.apply(map[string]string{"a.yaml": process("a", "ports: [{name: http, port: 8099}]"), "b.yaml": process("b", "dependsOn: [{process: a}]")})
		Expect(w.process("a").Spec.Ports).To(HaveLen(1))
		Expect(w.process("b").Spec.Ports).To(BeEmpty())
		Expect(w.stack("default")).To(reconciletest.HaveCondition("Synced", "True", ""))
	})

	It("removes with its last wave", func() {
		w := newWorld(GinkgoTB())
		w.apply(chain("one"))
		w.apply(map[string]string{"a.yaml": process("a", "why: two"), "b.yaml": process("b", "why: two", "dependsOn: [{process: a}]"), "c.yaml": ""})
		w.later(3 * time.Second)
		Expect(w.processes()).To(HaveLen(3))
		w.drive()
		Expect(w.processes()).To(Equal([]string{"a@default", "b@default"}))
		Expect(w.why("b")).To(Equal("two"))
	})

	It("gives way to a newer one, and still waits for what it has in force", func() {
		w := begun()
		w.apply(map[string]string{"b.yaml": chain("three")["b.yaml"]})
		Expect(w.whys()).To(Equal("two one one"), "a is not ready yet")
		o := w.r.Rolling("default")
		Expect(o.Name).To(Equal("default-3"))
		Expect(o.Spec.From.Number).To(BeEquivalentTo(1))
		Expect(o.Spec.Waves).To(HaveExactElements(HaveField("Objects", ConsistOf(HaveField("Name", "a"))), HaveField("Objects", ConsistOf(HaveField("Name", "b"))),
			HaveField("Objects", ConsistOf(HaveField("Name", "c")))))
		Expect(w.history("default")).To(Equal([]string{"1 good live", "2: was left with 1 of 3 waves in force", "3: on its way"}))
		w.apply(map[string]string{"a.yaml": chain("four")["a.yaml"], "z.yaml": process("z")})
		Expect(w.whys()).To(Equal("four one one"), "what needs nothing that is on its way waits for nothing")
		w.apply(map[string]string{"a.yaml": chain("two")["a.yaml"], "z.yaml": ""})
		w.later(3 * time.Second)
		w.drive()
		Expect(w.whys()).To(Equal("two three two"))
		Expect(w.history("default")[0]).To(Equal("1 good: replaced by revision 3"))
	})

	It("goes back when the files do, and when somebody goes back", func() {
		w := begun()
		w.apply(chain("one"))
		Expect(w.whys()).To(Equal("one one one"))
		Expect(w.stack("default").Status.Live.Number).To(BeEquivalentTo(1))
		w = begun()
		u := w.undo("default", "")
		Expect(u.Message).To(ContainSubstring("went back from revision 2 to 1"))
		Expect(w.whys()).To(Equal("one one one"))
		Expect(w.stack("default")).To(reconciletest.HaveCondition("Synced", "False", "Held"))
		Expect(w.history("default")).To(Equal([]string{"1 good live", "2: was left with 1 of 3 waves in force"}))
	})

	It("goes on while the files are refused, and stands still while the stack is suspended", func(ctx SpecContext) {
		w := begun()
		w.apply(map[string]string{"c.yaml": process("c", "comand: x")})
		w.next("default")
		Expect(w.whys()).To(Equal("two two one"))
		s := specs.Copy(w.stack("default"))
		s.Spec.Suspend, s.ResourceVersion = true, ""
		_, err := w.client.Update(ctx, s)
		Expect(err).NotTo(HaveOccurred())
		w.next("default")
		Expect(w.whys()).To(Equal("two two one"))
		s = specs.Copy(w.stack("default"))
		s.Spec.Suspend, s.ResourceVersion = false, ""
		_, err = w.client.Update(ctx, s)
		Expect(err).NotTo(HaveOccurred())
		w.next("default")
		Expect(w.whys()).To(Equal("two two two"))
	})

	It("of a Manual stack goes on to what was agreed to, whatever the files hold", func(ctx SpecContext) {
		w := newWorld(GinkgoTB())
		w.apply(map[string]string{"stack.yaml": stackFile("home", "sync: Manual")})
		for _, why := range []string{"one", "two"} {
			w.apply(chain(why))
			_, err := w.r.Apply(ctx, "home", stack.ApplyOptions{})
			Expect(err).NotTo(HaveOccurred())
		}
		w.apply(chain("three"))
		w.drive()
		Expect(w.whys()).To(Equal("two two two"))
		Expect(w.stack("home")).To(reconciletest.HaveCondition("Synced", "False", "PendingApply"))
	})

	It("that is killed anywhere goes on where it was", func() {
		for kill := range 16 {
			w := begun()
			for w.whys() != "two two two" {
				o := w.r.Rolling("default")
				ctx := &ending{Context: context.Background(), left: kill % 8}
				if kill < 8 || w.why("b") == "two" {
					_ = w.r.Advance(ctx, "default", o.Name, o.Spec.InForce)
				} else {
					w.next("default")
				}
				w.restart()
				w.settle()
				Expect(w.whys()).To(BeElementOf("two one one", "two two one", "two two two"))
				if o := w.r.Rolling("default"); int(o.Spec.InForce) < len(o.Spec.Waves) {
					kill = 100 // from now on it lives
				}
			}
			Expect(w.stack("default")).To(reconciletest.HaveCondition("Synced", "True", ""))
			Expect(w.history("default")).To(Equal([]string{"1 good: replaced by revision 2", "2 live"}))
		}
	})

	It("is begun again from its first wave after a reboot, and not after a crash", func(ctx SpecContext) {
		boot := "1"
		w := begun(func(o *stack.Options) { o.Boot = boot })
		w.next("default")
		w.restart()
		Expect(w.r.Return(ctx)).To(Succeed())
		w.settle()
		Expect(w.whys()).To(Equal("two two one"))
		Expect(w.events).To(BeEmpty())
		boot = "2"
		w.restart()
		Expect(w.r.Return(ctx)).To(Succeed())
		Expect(w.whys()).To(Equal("one one one"), "before the files were read")
		Expect(w.events).To(ContainElement(ContainSubstring("revision 2 was on its way when the host went down: revision 1 is in force again")))
		w.settle()
		Expect(w.whys()).To(Equal("one one one"))
		Expect(w.r.Rolling("default").Spec).To(And(HaveField("InForce", BeEquivalentTo(0)), HaveField("Waves", HaveLen(3))))
		w.next("default")
		Expect(w.whys()).To(Equal("two one one"))
		w.restart()
		Expect(w.r.Return(ctx)).To(Succeed())
		w.drive()
		Expect(w.whys()).To(Equal("two two two"))
	})

	It("leaves no more on disk than the revisions need", func() {
		w := begun()
		for i := range 30 {
			w.apply(chain(fmt.Sprintf("v%d", i)))
			if i%2 == 0 {
				w.drive()
			} else {
				w.next("default")
			}
		}
		w.drive()
		roots := 0
		w.store.Blobs("revisions", func(key string, _ []byte) bool {
			if strings.HasPrefix(key, "default/r/") {
				roots++
			}
			return true
		})
		list, err := w.r.Revisions("default")
		Expect(err).NotTo(HaveOccurred())
		Expect(roots).To(Equal(len(list.Items)))
	})
})
