package reconcile_test

import (
	"context"
	"errors"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/reconcile"
	. "mirroros.dev/mirroros/reconcile/reconciletest"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

var _ = Describe("Client", func() {
	ctx := context.Background()
	var c *reconcile.Client
	BeforeEach(func() { c = TempClient(GinkgoTB()) })

	must := func(o specs.Object, err error) *specs.Process {
		GinkgoHelper()
		Expect(err).NotTo(HaveOccurred())
		return o.(*specs.Process)
	}
	webKey := store.Key{Kind: "Process", Name: "web"}

	It("sets the metadata of a new object, and copies what it is given", func() {
		in := process("web")
		p := must(c.Create(ctx, in))
		Expect(p.Kind).To(Equal("Process"))
		Expect(p.APIVersion).To(Equal("mirroros.dev/v1alpha1"))
		Expect(string(p.UID)).To(MatchRegexp(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`))
		Expect(p.CreationTimestamp.Time).To(BeTemporally("~", time.Now(), 5*time.Second))
		Expect(p.Generation).To(BeEquivalentTo(1))
		in.Spec.Command[0] = "false"
		got, ok := reconcile.Get[*specs.Process](c, "web")
		Expect(ok).To(BeTrue())
		Expect(got.Spec.Command).To(Equal([]string{"true"}))
		_, err := c.Create(ctx, in)
		Expect(err).To(MatchError(store.ErrExists))
	})

	It("makes a name from generateName, and asks for one without", func() {
		p := process("")
		p.GenerateName = "web-"
		Expect(must(c.Create(ctx, p)).Name).To(MatchRegexp(`^web-[a-z2-7]{6}$`))
		_, err := c.Create(ctx, process(""))
		Expect(err).To(MatchError("cannot create process: no name"))
	})

	It("counts changes of the spec as generations, and keeps status and metadata", func() {
		first := must(c.Create(ctx, process("web")))
		st := specs.Copy(first)
		st.Status.Replicas = 3
		must(c.UpdateStatus(ctx, st))

		in := process("web")
		in.Spec.Command = []string{"false"}
		p := must(c.Update(ctx, in))
		Expect(p.Generation).To(BeEquivalentTo(2))
		Expect(p.UID).To(Equal(first.UID))
		Expect(p.CreationTimestamp).To(Equal(first.CreationTimestamp))
		Expect(p.Status.Replicas).To(BeEquivalentTo(3))

		in.Labels = map[string]string{"a": "b"}
		Expect(must(c.Update(ctx, in)).Generation).To(BeEquivalentTo(2))
	})

	It("writes nothing where nothing changes, and answers the live object", func() {
		p := must(c.Create(ctx, process("web")))
		Expect(func() error {
			in := process("web")
			in.Labels, in.Spec.Env = map[string]string{}, []specs.EnvVar{}
			Expect(c.Update(ctx, in)).To(BeIdenticalTo(p))
			Expect(c.UpdateStatus(ctx, in)).To(BeIdenticalTo(p))
			return nil
		}).To(BeNoOp(c.Store()))
	})

	DescribeTable("what counts as a change of status or spec", func(change func(*specs.Process), changes bool) {
		quantity := resource.MustParse("1Gi")
		p := process("web")
		p.Spec.Log = &specs.Log{MaxBytes: &quantity}
		p.Spec.Env = []specs.EnvVar{{Name: "A", Value: "1"}}
		p.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: "True", LastTransitionTime: metav1.Unix(1000, 1)}}
		must(c.Create(ctx, p))
		change(p)
		write := func() error {
			_, e1 := c.Update(ctx, p)
			_, e2 := c.UpdateStatus(ctx, p)
			return errors.Join(e1, e2)
		}
		if changes {
			Expect(write).NotTo(BeNoOp(c.Store()))
		} else {
			Expect(write).To(BeNoOp(c.Store()))
		}
	},
		Entry("less than a second", func(p *specs.Process) { p.Status.Conditions[0].LastTransitionTime = metav1.Unix(1000, 999) }, false),
		Entry("a second", func(p *specs.Process) { p.Status.Conditions[0].LastTransitionTime = metav1.Unix(1001, 1) }, true),
		Entry("the same quantity", func(p *specs.Process) { *p.Spec.Log.MaxBytes = resource.MustParse("1024Mi") }, false),
		Entry("another quantity", func(p *specs.Process) { *p.Spec.Log.MaxBytes = resource.MustParse("1G") }, true),
		Entry("an empty list for none", func(p *specs.Process) { p.Spec.Args = []string{} }, false),
		Entry("a value in a list", func(p *specs.Process) { p.Spec.Env[0].Value = "2" }, true),
		Entry("one more in a list", func(p *specs.Process) { p.Status.Conditions = append(p.Status.Conditions, metav1.Condition{Type: "X"}) }, true),
		Entry("a pointer to nothing", func(p *specs.Process) { p.Spec.Log = nil }, true),
		Entry("an empty map of labels", func(p *specs.Process) { p.Labels = map[string]string{} }, false),
		Entry("an owner", func(p *specs.Process) { p.OwnerReferences = []metav1.OwnerReference{{Name: "x"}} }, true),
		Entry("the time of a manager only", func(p *specs.Process) {
			now := metav1.Now()
			p.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "m"}}
			must(c.Update(ctx, p))
			p.ManagedFields[0].Time = &now
		}, false),
	)

	It("refuses an object that was changed, or replaced, since it was read", func() {
		old := specs.Copy(must(c.Create(ctx, process("web"))))
		in := process("web")
		in.Spec.Suspend = true
		must(c.Update(ctx, in))
		_, err := c.Update(ctx, old)
		Expect(err).To(MatchError(store.ErrConflict))
		old.Status.Replicas = 1
		_, err = c.UpdateStatus(ctx, old)
		Expect(err).To(MatchError(store.ErrConflict))
		old.ResourceVersion = ""
		Expect(must(c.UpdateStatus(ctx, old)).Spec.Suspend).To(BeTrue())

		Expect(c.Delete(ctx, webKey)).To(Succeed())
		must(c.Create(ctx, process("web")))
		_, err = c.Update(ctx, old)
		Expect(err).To(MatchError(ContainSubstring("deleted and created again")))
		Expect(err).To(MatchError(store.ErrConflict))
	})

	It("says what is not there", func() {
		_, err := c.Update(ctx, process("none"))
		Expect(err).To(MatchError("process/none: not found"))
		_, err = c.UpdateStatus(ctx, process("none"))
		Expect(err).To(MatchError(store.ErrNotFound))
		Expect(c.Delete(ctx, store.Key{Kind: "Process", Name: "none"})).To(MatchError(store.ErrNotFound))
		_, ok := reconcile.Get[*specs.Process](c, "none")
		Expect(ok).To(BeFalse())
	})

	It("deletes at once, or after the last finalizer", func() {
		must(c.Create(ctx, process("web")))
		Expect(c.Delete(ctx, webKey)).To(Succeed())
		p := process("web")
		p.Finalizers = []string{"a/b"}
		p = specs.Copy(must(c.Create(ctx, p)))
		Expect(c.Delete(ctx, webKey)).To(Succeed())
		Expect(func() error { return c.Delete(ctx, webKey) }).To(BeNoOp(c.Store()))
		live, _ := reconcile.Get[*specs.Process](c, "web")
		Expect(live.DeletionTimestamp).NotTo(BeNil())
		p.Finalizers, p.ResourceVersion = nil, ""
		must(c.Update(ctx, p))
		Expect(reconcile.List[*specs.Process](c)).To(BeEmpty())
	})

	It("does several things as one revision, or none of them", func() {
		_, err := c.Txn(ctx, func(t *reconcile.ClientTx) error {
			_, e1 := t.Create(process("a"))
			_, e2 := t.Update(process("none"))
			return errors.Join(e1, e2)
		})
		Expect(err).To(MatchError(store.ErrNotFound))
		Expect(reconcile.List[*specs.Process](c)).To(BeEmpty())

		rev, err := c.Txn(ctx, func(t *reconcile.ClientTx) error {
			_, e1 := t.Create(process("a"))
			p := process("a")
			p.Status.Replicas = 1
			_, e2 := t.UpdateStatus(p)
			_, e3 := t.Create(instance("a-1"))
			t.PutBlob("revisions", "x", []byte("y"))
			_, ok := t.Get(store.Key{Kind: "Process", Name: "a"})
			Expect(ok).To(BeTrue())
			Expect(t.List("Process")).To(HaveLen(1))
			return errors.Join(e1, e2, e3)
		})
		Expect(err).NotTo(HaveOccurred())
		Expect(c.Store().Rev()).To(Equal(rev))
		Expect(reconcile.List[*specs.Process](c)[0].Status.Replicas).To(BeEquivalentTo(1))
		Expect(reconcile.List[*specs.Instance](c)).To(HaveLen(1))
	})

	It("keeps conditions in order and tells whether they changed", func() {
		var conds []metav1.Condition
		set := func(typ, reason string) bool {
			return reconcile.SetCondition(&conds, metav1.Condition{Type: typ, Status: "True", Reason: reason})
		}
		Expect(set("Other", "X")).To(BeTrue())
		Expect(set("Stalled", "X")).To(BeTrue())
		Expect(set("Ready", "X")).To(BeTrue())
		Expect(set("Ready", "X")).To(BeFalse())
		Expect(set("Ready", "Y")).To(BeTrue())
		Expect([]string{conds[0].Type, conds[1].Type, conds[2].Type}).To(Equal([]string{"Ready", "Stalled", "Other"}))
		Expect(conds).To(HaveCondition("Ready", "True", "Y"))
		Expect(conds).NotTo(HaveCondition("Ready", "False", ""))
	})
})
