package rollout

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/controllers/stack"
	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/reconciletest"
	"mirroros.dev/mirroros/reconcile/source"
	"mirroros.dev/mirroros/specs"
)

// files are manifests that a test holds in its hands.
type files struct{ snap *source.Snapshot }

func (f *files) Latest() *source.Snapshot           { return f.snap }
func (f *files) Changed() <-chan struct{}           { return nil }
func (f *files) SetExclude(func(string, bool) bool) {}
func (f *files) put(now time.Time, text map[string]string) {
	next := &source.Snapshot{Seq: 1, Root: "/m", Files: map[string]*source.File{}, Changed: now}
	for rel, t := range text {
		next.Files[rel] = &source.File{Rel: rel, Data: []byte(t), Digest: sha256.Sum256([]byte(t))}
	}
	f.snap = next
}

// world is the applier and who drives it, over a store; the test says how objects are.
type world struct {
	client  *reconcile.Client
	files   files
	applier *stack.Reconciler
	rollout *Reconciler
	now     time.Time
	events  []string
	// bad are the words of specs that never get ready.
	bad string
}

func newWorld() *world {
	w := &world{client: reconciletest.TempClient(GinkgoTB()), now: time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)}
	w.begin()
	return w
}

// begin is a new operator over the same store.
func (w *world) begin() {
	clock := func() time.Time { return w.now }
	w.applier = stack.New(stack.Options{Client: w.client, Files: &w.files, Root: "/m", Now: clock})
	copies := func(_, name string) []specs.FailedCopy { return []specs.FailedCopy{{Name: name + "-0"}} }
	w.rollout = New(Options{Client: w.client, Applier: w.applier, Now: clock, Copies: copies, Event: func(_ specs.Object, _, reason, message string) {
		w.events = append(w.events, reason+": "+message)
	}})
}

// step lets everybody look once: the applier, the objects (all of which get ready, but the bad), and who drives. ctx may end in the middle.
func (w *world) step(ctx context.Context) {
	GinkgoHelper()
	w.now = w.now.Add(3 * time.Second)
	for range 3 {
		for _, q := range w.applier.Look() {
			_, _ = w.applier.Reconcile(ctx, q)
		}
		for _, s := range reconcile.List[*specs.Stack](w.client) {
			_, _ = w.applier.Reconcile(ctx, reconcile.KeyOf(s))
		}
	}
	for _, o := range reconcile.List[*specs.Rollout](w.client) {
		_, _ = w.rollout.Reconcile(ctx, reconcile.KeyOf(o))
	}
	if o := w.applier.Rolling("default"); o != nil {
		_, _ = w.rollout.Reconcile(ctx, reconcile.Request{Kind: "Rollout", Name: o.Name})
	}
}

// health says of every object how it is.
func (w *world) health() {
	GinkgoHelper()
	for _, p := range reconcile.List[*specs.Process](w.client) {
		n := specs.Copy(p)
		c := metav1.Condition{Type: specs.ConditionReady, Status: metav1.ConditionTrue, Reason: "Running", ObservedGeneration: p.Generation}
		if w.bad != "" && strings.Contains(p.Spec.Why, w.bad) {
			c.Status, c.Reason = metav1.ConditionFalse, "CrashLoopBackOff"
			reconcile.SetCondition(&n.Status.Conditions, metav1.Condition{Type: specs.ConditionStalled, Status: metav1.ConditionTrue, Reason: "CrashLoopBackOff",
				Message: "exit 1", ObservedGeneration: p.Generation})
		}
		reconcile.SetCondition(&n.Status.Conditions, c)
		n.Status.ObservedGeneration, n.ResourceVersion = p.Generation, ""
		_, err := w.client.UpdateStatus(context.Background(), n)
		Expect(err).NotTo(HaveOccurred())
	}
}

// settle lets everybody look, and all objects get ready or not, until nothing changes.
func (w *world) settle() {
	GinkgoHelper()
	for range 16 {
		w.step(context.Background())
		w.health()
	}
}

func (w *world) whys() (out []string) {
	for _, p := range reconcile.List[*specs.Process](w.client) {
		out = append(out, p.Name+"="+p.Spec.Why)
	}
	return out
}

// line are processes p0, p1, ... each needing the one before; the words say why, by their order.
func line(words ...string) map[string]string {
	out := map[string]string{}
	for i, why := range words {
		text := fmt.Sprintf("apiVersion: mirroros.dev/v1alpha1\nkind: Process\nmetadata: {name: p%d}\nspec:\n  command: [x]\n  why: %s\n", i, why)
		if i > 0 {
			text += fmt.Sprintf("  dependsOn: [{process: p%d}]\n", i-1)
		}
		out[fmt.Sprintf("p%d.yaml", i)] = text
	}
	return out
}

var _ = Describe("driving", func() {
	It("goes from wave to wave as objects get ready, and tells how far it is", func(ctx SpecContext) {
		w := newWorld()
		w.files.put(w.now, line("one", "one", "one"))
		w.step(ctx)
		w.health()
		Expect(reconcile.List[*specs.Rollout](w.client)).To(BeEmpty(), "the first content has nothing to wait for")
		w.files.put(w.now, line("two", "two", "two"))
		for _, want := range [][]string{{"p0=two", "p1=one", "p2=one"}, {"p0=two", "p1=two", "p2=one"}, {"p0=two", "p1=two", "p2=two"}} {
			w.step(ctx)
			Expect(w.whys()).To(Equal(want))
			w.step(ctx)
			Expect(w.whys()).To(Equal(want), "before they are ready nothing goes on")
			o, ok := reconcile.Get[*specs.Rollout](w.client, "default-2")
			Expect(ok).To(BeTrue())
			Expect(o).To(reconciletest.HaveCondition("Ready", "False", "RollingOut"))
			w.health()
		}
		w.step(ctx)
		o, _ := reconcile.Get[*specs.Rollout](w.client, "default-2")
		Expect(o).To(reconciletest.HaveCondition("Ready", "False", "RollingOut"), "a program that ends at once was ready for a moment")
		w.step(ctx)
		o, _ = reconcile.Get[*specs.Rollout](w.client, "default-2")
		Expect(o).To(reconciletest.HaveCondition("Ready", "True", "RolledOut"))
		Expect(o.Status).To(And(HaveField("ReadyObjects", BeEquivalentTo(3)), HaveField("Objects", BeEquivalentTo(3)), HaveField("Wave", BeEquivalentTo(3))))
		Expect(w.events).To(HaveExactElements("RolledOut: 3 of 3 objects ready"))
		Expect(func() { w.step(ctx) }).To(reconciletest.BeNoOp(w.client.Store()))
	})

	It("holds at an object that is stalled where nothing is put back, and goes on when it is mended", func(ctx SpecContext) {
		w := newWorld()
		line := func(words ...string) map[string]string {
			out := line(words...)
			out["stack.yaml"] = "apiVersion: mirroros.dev/v1alpha1\nkind: Stack\nmetadata: {name: default}\nspec: {autoRollback: false}\n"
			return out
		}
		w.files.put(w.now, line("one", "one"))
		w.step(ctx)
		w.health()
		w.bad = "bad"
		w.files.put(w.now, line("bad", "two"))
		w.step(ctx)
		w.health()
		w.step(ctx)
		o, _ := reconcile.Get[*specs.Rollout](w.client, "default-2")
		Expect(o).To(reconciletest.HaveCondition("Stalled", "True", "ObjectFailed"))
		Expect(w.whys()).To(Equal([]string{"p0=bad", "p1=one"}))
		w.files.put(w.now, line("fine", "two"))
		w.settle()
		Expect(w.whys()).To(Equal([]string{"p0=fine", "p1=two"}))
		o, _ = reconcile.Get[*specs.Rollout](w.client, "default-2")
		Expect(o).To(reconciletest.HaveCondition("Ready", "False", "Replaced"))
		o, _ = reconcile.Get[*specs.Rollout](w.client, "default-3")
		Expect(o).To(reconciletest.HaveCondition("Ready", "True", "RolledOut"))
	})

	It("keeps a few rollouts, and none of a stack that is gone", func(ctx SpecContext) {
		w := newWorld()
		for i := range 14 {
			w.files.put(w.now, line(fmt.Sprintf("w%d", i)))
			w.settle()
		}
		list := reconcile.List[*specs.Rollout](w.client)
		Expect(list).To(HaveLen(kept))
		Expect(w.client.Delete(ctx, reconcile.Request{Kind: "Stack", Name: "default"})).To(Succeed())
		for _, o := range list {
			_, err := w.rollout.Reconcile(ctx, reconcile.KeyOf(o))
			Expect(err).NotTo(HaveOccurred())
		}
		Expect(reconcile.List[*specs.Rollout](w.client)).To(BeEmpty())
	})

	It("ends with what the files say, whatever is edited and wherever it is killed", func() {
		seed := uint64(GinkgoRandomSeed())
		rnd := rand.New(rand.NewPCG(seed, 1))
		w := newWorld()
		words := []string{"a", "a", "a", "a", "a"}
		for range 150 {
			if rnd.IntN(4) == 0 {
				for range 1 + rnd.IntN(3) {
					words[rnd.IntN(len(words))] = string(rune('a' + rnd.IntN(5)))
				}
				w.files.put(w.now, line(words...))
			}
			ctx, end := context.WithCancel(context.Background())
			killed := rnd.IntN(6) == 0
			if killed {
				ctx = &dying{ctx, rnd.IntN(6)}
			}
			if w.files.snap != nil {
				w.step(ctx)
			}
			end()
			if rnd.IntN(2) == 0 {
				w.health()
			}
			if killed {
				w.begin()
			}
		}
		w.files.put(w.now, line(words...))
		w.settle()
		var want []string
		for i, why := range words {
			want = append(want, fmt.Sprintf("p%d=%s", i, why))
		}
		Expect(w.whys()).To(Equal(want), "seed %d", seed)
		open := slices.DeleteFunc(reconcile.List[*specs.Rollout](w.client), func(o *specs.Rollout) bool { return over(&o.Status) })
		Expect(open).To(BeEmpty())
		Expect(func() { w.step(context.Background()) }).To(reconciletest.BeNoOp(w.client.Store()))
	})
})

// dying is a context that ends when it was asked a number of times, as if the operator had been killed there.
type dying struct {
	context.Context
	left int
}

func (d *dying) Err() error {
	if d.left--; d.left < 0 {
		return context.Canceled
	}
	return nil
}
