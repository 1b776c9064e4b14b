package process

import (
	"context"
	"fmt"
	"net"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"mirroros.dev/mirroros/controllers/process/probe"
	"mirroros.dev/mirroros/reconcile"
	. "mirroros.dev/mirroros/reconcile/reconciletest"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

var _ = Describe("Ask", func() {
	ctx := context.Background()
	ask := func(w *world, hash string) ([]Asked, error) {
		return w.r.Ask(ctx, "web", hash, &specs.Handler{TCPSocket: &specs.TCPSocketAction{Port: intstr.FromString("http")}}, time.Second)
	}
	withPort := func(p *specs.Process) { p.Spec.Ports = []specs.ProcessPort{{Name: "http"}} }

	It("asks each running copy at its own port", func() {
		w := newWorld(GinkgoTB())
		w.put(proc("web", withPort, replicas(2)))
		w.drain()
		first := w.instances("web")[0]
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first.Status.Ports[0].Port))
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(l.Close)
		got, err := ask(w, "")
		Expect(err).NotTo(HaveOccurred())
		Expect(got).To(HaveLen(2))
		for _, a := range got {
			Expect(a.Status == probe.Success).To(Equal(a.Instance == first.Name), a.Message)
		}
		Expect(ask(w, first.Spec.TemplateHash)).To(HaveLen(2))
		Expect(ask(w, "another")).To(BeEmpty())
	})

	It("asks none that does not run, and says what is not to", func() {
		w := newWorld(GinkgoTB())
		_, err := ask(w, "")
		Expect(err).To(MatchError(store.ErrNotFound))
		w.put(proc("web", withPort, func(p *specs.Process) { p.Spec.Suspend = true }))
		w.drain()
		_, err = ask(w, "")
		Expect(err).To(MatchError(ErrStopped))
	})
})

var _ = Describe("a check of a process", func() {
	It("makes a condition, changes nothing else, and takes it away when it goes", func() {
		ctx := context.Background()
		w := newWorld(GinkgoTB())
		w.put(proc("web"))
		w.drain()
		w.rt.takeLog()
		c := &specs.Check{ObjectMeta: metav1.ObjectMeta{Name: "answers"}, Spec: specs.CheckSpec{Target: specs.CheckTarget{Process: "web"},
			Exec: &specs.ExecAction{Command: []string{"true"}}, Schedule: &specs.CheckSchedule{Every: metav1.Duration{Duration: time.Minute}}}}
		specs.Default(c)
		moved := func(e store.Event) { // as the manager does
			for _, q := range w.r.watched(e) {
				w.add(q.Name)
			}
			w.drain()
		}
		_, err := w.client.Create(ctx, c)
		Expect(err).NotTo(HaveOccurred())
		moved(store.Event{Type: store.Added, Object: c})
		Expect(w.process("web")).To(HaveCondition("Healthy", "Unknown", "CheckUnknown"))
		live, _ := reconcile.Get[*specs.Check](w.client, "answers")
		n := specs.Copy(live)
		n.Status = specs.CheckStatus{ObservedGeneration: 1, Verdict: specs.CheckFailing, LastRun: &specs.CheckRun{TargetGeneration: 1},
			Conditions: []metav1.Condition{{Type: specs.ConditionPassing, Status: metav1.ConditionFalse, Reason: "Failing", Message: "it is so"}}}
		_, err = w.client.UpdateStatus(ctx, n)
		Expect(err).NotTo(HaveOccurred())
		moved(store.Event{Type: store.Modified, Object: n, Old: live})
		Expect(w.process("web")).To(And(HaveCondition("Healthy", "False", "CheckFailing"), HaveCondition("Ready", "True", "Running")))
		Expect(w.process("web").Status.Conditions).To(ContainElement(And(HaveField("Type", "Healthy"), HaveField("ObservedGeneration", BeEquivalentTo(1)))))
		before := w.process("web").ResourceVersion
		w.add("web")
		w.drain()
		Expect(w.process("web").ResourceVersion).To(Equal(before), "a second look writes nothing")
		Expect(w.client.Delete(ctx, reconcile.KeyOf(c))).To(Succeed())
		moved(store.Event{Type: store.Deleted, Object: n, Old: n})
		Expect(w.process("web").Status.Conditions).NotTo(ContainElement(HaveField("Type", "Healthy")))
		Expect(w.rt.takeLog()).To(BeEmpty())
	})
})
