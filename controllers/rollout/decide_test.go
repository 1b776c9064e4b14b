package rollout

import (
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"

	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/specs"
)

var (
	gone      = object{}
	good      = object{Found: true, Health: reconcile.Health{Ready: true, Reason: "Running"}}
	starting  = object{Found: true, Health: reconcile.Health{Reason: "Progressing", Message: "0 of 1 ready"}}
	stalled   = object{Found: true, Health: reconcile.Health{Stalled: true, Reason: "CrashLoopBackOff", Message: "exit 1"}}
	suspended = object{Found: true, Health: reconcile.Health{Suspended: true, Reason: "Suspended"}}
	older     = object{Found: true} // its conditions speak of an earlier generation
)

// at is a rollout of waves of one object each, of which some are in force.
func at(inForce int, objects ...object) observed {
	o := observed{Now: time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC), Spec: &specs.RolloutSpec{InForce: int32(inForce)}, Current: true, Generation: 1, Ready: steady}
	for i, obj := range objects {
		w := specs.RolloutObject{Kind: "Process", Name: string(rune('a' + i)), Change: specs.RolloutUpdate}
		o.Spec.Waves = append(o.Spec.Waves, specs.RolloutWave{Objects: []specs.RolloutObject{w}})
		o.Objects = append(o.Objects, []object{obj})
	}
	return o
}

// short is a decision in a line: the states, the reason of Ready, what is stalled, and whether the next wave is due.
func short(d decision) string {
	var out []string
	for _, s := range d.Status.States {
		out = append(out, string(s.State))
	}
	text := strings.Join(out, " ")
	if c := meta.FindStatusCondition(d.Status.Conditions, specs.ConditionReady); c != nil {
		text += "; " + string(c.Status) + " " + c.Reason
	}
	if c := meta.FindStatusCondition(d.Status.Conditions, specs.ConditionStalled); c != nil {
		text += "; stalled: " + c.Message
	}
	if d.Advance {
		text += "; next"
	}
	if d.Status.CompletedAt != nil {
		text += "; over"
	}
	return text
}

var _ = DescribeTable("a rollout", func(o observed, want string) {
	Expect(short(decide(o))).To(Equal(want))
},
	Entry("of which nothing is in force begins", at(0, older, older), "Waiting Waiting; False RollingOut; next"),
	Entry("waits for an object that says nothing of its new generation", at(1, older, good), "Applied Waiting; False RollingOut"),
	Entry("waits for an object that is on its way", at(1, starting, good), "Applied Waiting; False RollingOut"),
	Entry("goes on when it is ready", at(1, good, good), "Ready Waiting; False RollingOut; next"),
	Entry("waits for objects of every earlier wave", at(2, starting, good, good), "Applied Ready Waiting; False RollingOut"),
	Entry("holds when an object is stalled, and says which", at(1, stalled, good), "Failed Waiting; False RollingOut; stalled: process/a: CrashLoopBackOff: exit 1"),
	Entry("does not wait for what somebody suspended", at(1, suspended, good), "Ready Waiting; False RollingOut; next"),
	Entry("does not wait for what somebody removed", at(1, gone, good), "Ready Waiting; False RollingOut; next"),
	Entry("is over when all is ready", at(2, good, good), "Ready Ready; True RolledOut; over"),
	Entry("is not over before", at(2, good, starting), "Ready Applied; False RollingOut"),
	Entry("waits for what is to go", func() observed {
		o := at(1, good)
		o.Spec.Waves[0].Objects[0].Change = specs.RolloutDelete
		return o
	}(), "Applied; False RollingOut"),
	Entry("is over when another took its place", func() observed {
		o := at(1, starting, good)
		o.Current = false
		return o
	}(), "; False Replaced; over"),
)

var _ = Describe("a rollout that is over", func() {
	It("says the same whatever becomes of its objects", func() {
		o := at(1, good)
		done := decide(o)
		o.Old, o.Objects[0][0] = done.Status, stalled
		Expect(decide(o)).To(Equal(decision{Status: done.Status}))
		o.Current = false
		Expect(decide(o)).To(Equal(decision{Status: done.Status}))
	})
})
