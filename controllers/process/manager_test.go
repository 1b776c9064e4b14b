package process

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/process/runner"
	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/plan"
	"mirroros.dev/mirroros/reconcile/reconciletest"
	"mirroros.dev/mirroros/specs"
)

// tellingRuntime has a Run that tells, as the real one does.
type tellingRuntime struct{ *fakeRuntime }

func (r tellingRuntime) Run(ctx context.Context, notify func(string)) error {
	r.mu.Lock()
	r.notify = func(id string) { go notify(id) }
	r.mu.Unlock()
	<-ctx.Done()
	return nil
}

var _ = Describe("under the manager", func() {
	It("keeps many processes running while they are edited, crash, and are planned for", func() {
		client := reconciletest.TempClient(GinkgoTB())
		rt, logs := newFakeRuntime(time.Now), newFakeLogs()
		r := New(Options{Client: client, Recorder: &fakeEvents{}, Runtime: tellingRuntime{rt}, Logs: logs, StateDir: GinkgoT().TempDir()})
		m := reconcile.NewManager(reconcile.ManagerOptions{Client: client, Log: logr.Discard()})
		m.Add(r.Controller())
		ctx, cancel := context.WithCancel(context.Background())
		var parts sync.WaitGroup
		parts.Go(func() { _ = m.Run(ctx) })
		DeferCleanup(func() { cancel(); parts.Wait() })
		const n = 20
		for i := range n {
			p := proc(fmt.Sprintf("p%02d", i), func(p *specs.Process) { p.Spec.Ports = []specs.ProcessPort{{Name: "http"}} })
			if i > 0 {
				p.Spec.DependsOn = []specs.Dependency{{Process: fmt.Sprintf("p%02d", i/2), Condition: specs.DependencyReady}}
			}
			_, err := client.Create(ctx, p)
			Expect(err).NotTo(HaveOccurred())
		}
		ready := func(g Gomega) {
			for _, p := range reconcile.List[*specs.Process](client) {
				g.Expect(p.Status.ObservedGeneration).To(Equal(p.Generation), p.Name)
				g.Expect(p).To(reconciletest.HaveCondition("Ready", "True", "Running"), p.Name)
			}
			g.Expect(rt.live()).To(HaveLen(n))
		}
		Eventually(ready).Should(Succeed())
		for i := range n / 2 {
			p, _ := reconcile.Get[*specs.Process](client, fmt.Sprintf("p%02d", i))
			p = specs.Copy(p)
			p.Spec.Version, p.ResourceVersion = "2", ""
			_, err := client.Update(ctx, p)
			Expect(err).NotTo(HaveOccurred())
			_, err = plan.Run(ctx, []plan.Kind{r.Planner()}, plan.Live(client.Store()), nil)
			Expect(err).NotTo(HaveOccurred())
			live := rt.live()
			rt.exit(live[len(live)-1], runner.Exit{Known: true, Code: 1})
		}
		Eventually(ready).Should(Succeed())
		Expect(r.Shutdown(ctx)).To(Succeed())
		Expect(rt.live()).To(BeEmpty())
	})
})
