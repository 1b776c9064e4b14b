package process

import (
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/process/runner"
	"mirroros.dev/mirroros/controllers/process/runner/group"
	"mirroros.dev/mirroros/reconcile/plan"
	"mirroros.dev/mirroros/specs"
)

func TestLimitsChangeInPlace(t *testing.T) {
	w := newWorld(t)
	g := NewWithT(t)
	w.put(proc("web", limited("64Mi")))
	w.wait(time.Second)
	id := w.instances("web")[0].Name
	g.Expect(w.rt.specs[id].Limits).To(Equal(group.Limits{Memory: 64 << 20}))
	w.rt.takeLog()

	changed := specs.Copy(w.process("web"))
	limited("128Mi")(changed)
	changed.ResourceVersion = ""
	steps := w.planned(map[string]*specs.Process{"web": changed})
	g.Expect(steps).To(HaveLen(1))
	g.Expect(steps[0].Verb).To(Equal(plan.Limit))
	g.Expect(steps[0].Reason).To(ContainSubstring("resources.limits.memory"))
	w.put(changed)
	w.wait(time.Second)
	g.Expect(w.rt.takeLog()).To(Equal([]string{"limit " + id}))
	now, _ := w.rt.Get(id)
	g.Expect(now.Limits.Memory).To(BeEquivalentTo(128 << 20))
	g.Expect(w.events.told).To(ContainElement(ContainSubstring("Limited " + id)))

	w.restartOperator()
	w.wait(time.Second)
	g.Expect(w.rt.takeLog()).To(BeEmpty(), "what is in force is not set again")
}

func TestLimitsThatAreNotInForce(t *testing.T) {
	w := newWorld(t)
	g := NewWithT(t)
	w.rt.unmet = group.Unmet{group.CPU: "no controller", group.Memory: "only as RLIMIT_AS"}
	w.put(proc("web", limited("64Mi")))
	w.wait(time.Second)
	is := func(c string) bool {
		p := w.process("web").Status.Conditions
		i := w.instances("web")[0].Status.Conditions
		return conditionTrue(p, c) && conditionTrue(i, c)
	}
	g.Expect(is(specs.ConditionLimitsDegraded)).To(BeTrue())
	g.Expect(is(specs.ConditionReady)).To(BeTrue(), "it runs all the same")
	for _, c := range w.process("web").Status.Conditions {
		if c.Type == specs.ConditionLimitsDegraded {
			g.Expect(c.Message).To(Equal("cpu: no controller; memory: only as RLIMIT_AS"))
		}
	}
}

var _ = DescribeTable("an end at the limit of memory", func(x runner.Exit, s *stop, reason, message string) {
	in := down("new", time.Minute, time.Second, x, 0)
	t := terminated(in.Run, s, nil)
	Expect(t.Reason).To(Equal(reason))
	Expect(t.Message).To(ContainSubstring(message))
},
	Entry("of the main process", runner.Exit{Known: true, Signal: syscall.SIGKILL, OOMKills: 1, PeakMemory: 64 << 20}, nil,
		specs.ReasonOOMKilled, "killed for want of memory: it used 64Mi"),
	Entry("of another of its processes, without which it could not go on", runner.Exit{Known: true, Code: 3, OOMKills: 2, PeakMemory: 64 << 20}, nil,
		specs.ReasonOOMKilled, "exit 3, and 2 processes of it had to be killed for want of memory; it used up to 64Mi"),
	Entry("of another of its processes, and it ended well", runner.Exit{Known: true, OOMKills: 1, PeakMemory: 64 << 20}, nil, specs.ReasonCompleted, ""),
	Entry("of another long before somebody stopped it", runner.Exit{Known: true, Signal: syscall.SIGTERM, OOMKills: 1}, &stop{Reason: stopRestart},
		specs.ReasonSignaled, "ended by SIGTERM"),
)
