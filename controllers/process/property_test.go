package process

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/process/runner"
	"mirroros.dev/mirroros/reconcile/plan"
	. "mirroros.dev/mirroros/reconcile/reconciletest"
	"mirroros.dev/mirroros/specs"
)

// generator makes random processes and events.
type generator struct {
	*rand.Rand
	names []string
}

// process makes one; it depends only on names before its own, so that there is no cycle.
func (g *generator) process(i int) *specs.Process {
	p := proc(g.names[i], replicas(int32(g.IntN(4))))
	p.Spec.Version = fmt.Sprint(g.IntN(3))
	if g.IntN(3) == 0 {
		p.Spec.Ports = []specs.ProcessPort{{Name: "http"}}
	}
	if g.IntN(8) == 0 {
		p.Spec.Suspend = true
	}
	if g.IntN(10) == 0 {
		p.Spec.Command = []string{"/no/such/program"}
	}
	if g.IntN(5) == 0 {
		p.Spec.RestartPolicy = []specs.RestartPolicy{specs.RestartOnFailure, specs.RestartNever}[g.IntN(2)]
	}
	if g.IntN(6) == 0 {
		g64 := int64(g.IntN(3))
		p.Spec.TerminationGracePeriodSeconds = &g64
	}
	if g.IntN(3) == 0 {
		rolling(p)
	}
	if i > 0 && g.IntN(2) == 0 {
		c := []specs.DependencyCondition{specs.DependencyReady, specs.DependencyStarted}[g.IntN(2)]
		p.Spec.DependsOn = []specs.Dependency{{Process: g.names[g.IntN(i)], Condition: c}}
	}
	return p
}

// edits is a set of changes.
func (g *generator) edits() map[string]*specs.Process {
	out := map[string]*specs.Process{}
	for i := range g.names {
		switch g.IntN(4) {
		case 0:
			out[g.names[i]] = g.process(i)
		case 1:
			if g.IntN(2) == 0 {
				out[g.names[i]] = nil
			}
		}
	}
	return out
}

// disturb does something that nobody declared.
func (g *generator) disturb(w *world) {
	switch g.IntN(5) {
	case 0:
		w.restartOperator()
	case 1:
		w.rt.failNext = g.IntN(3)
	case 2:
		w.wait(time.Duration(g.IntN(5000)) * time.Millisecond)
	default:
		if live := w.rt.live(); len(live) > 0 {
			w.rt.exit(live[g.IntN(len(live))], runner.Exit{Known: g.IntN(8) > 0, Code: g.IntN(2)})
		}
	}
}

// expectConverged holds the host against what is declared.
func expectConverged(w *world) {
	GinkgoHelper()
	live := w.rt.live()
	list, _ := w.client.Store().List("Process")
	want := map[string]bool{}
	for _, o := range list {
		p := o.(*specs.Process)
		hash := templateHash(p, "/")
		if p.Status.ObservedGeneration != p.Generation {
			Fail(p.Name + ": status is of an old generation")
		}
		running := 0
		for i := range replicasOf(p) {
			id := instanceName(p.Name, hash, i)
			want[id] = true
			if slices.Contains(live, id) {
				running++
			}
		}
		if ready := conditionTrue(p.Status.Conditions, specs.ConditionReady); ready && !conditionTrue(p.Status.Conditions, conditionCompleted) &&
			running != int(replicasOf(p)) {
			Fail(fmt.Sprintf("%s is Ready with %d of %d", p.Name, running, replicasOf(p)))
		}
		if p.Spec.Suspend && running > 0 {
			Fail(p.Name + " runs although it is suspended")
		}
		if satisfied(w, p) && !conditionTrue(p.Status.Conditions, specs.ConditionReady) {
			Fail(fmt.Sprintf("%s is not ready: %+v", p.Name, p.Status.Conditions))
		}
	}
	for _, id := range live {
		owner, _, _, _ := parseInstanceName(id)
		p, declared := w.known[owner]
		if !declared {
			Fail(id + " runs and is not declared")
		}
		if !want[id] && !slices.Contains(p.(*specs.Process).Spec.Command, "/no/such/program") && satisfied(w, p.(*specs.Process)) {
			Fail(id + " runs and is of another template")
		}
	}
}

// satisfied tells whether nothing that is declared keeps the process from being ready.
func satisfied(w *world, p *specs.Process) bool {
	if p.Spec.Suspend || slices.Contains(p.Spec.Command, "/no/such/program") || p.Spec.RestartPolicy != specs.RestartAlways {
		return false
	}
	for _, d := range p.Spec.DependsOn {
		dep, ok := w.known[d.Process]
		if !ok || !satisfied(w, dep.(*specs.Process)) {
			return false
		}
	}
	return true
}

// shown is what a log of the runtime looks like as a plan: a stop and the start in its place are one.
func shown(log []string) (out []string) {
	type place struct {
		owner   string
		ordinal int32
	}
	stopped := map[place]string{}
	for _, l := range log {
		f := strings.Fields(l)
		owner, _, ordinal, _ := parseInstanceName(f[len(f)-1])
		at := place{owner, ordinal}
		switch {
		case f[0] == "stop", f[0] == "kill":
			stopped[at] = f[1]
		case stopped[at] == f[1]:
			out = append(out, "restart "+f[1])
			delete(stopped, at)
		case stopped[at] != "":
			out = append(out, "replace "+f[1])
			delete(stopped, at)
		default:
			out = append(out, "start "+f[1])
		}
	}
	for _, id := range stopped {
		out = append(out, "stop "+id)
	}
	return out
}

func steps(list []plan.Step) (out []string) {
	for _, s := range list {
		if s.Verb != plan.Write {
			out = append(out, string(s.Verb)+" "+s.Instance)
		}
	}
	return out
}

// inOrder are the entries of one process, in order.
func inOrder(list []string, name string) (out []string) {
	for _, l := range list {
		if owner, _, _, _ := parseInstanceName(strings.Fields(l)[1]); owner == name && !strings.HasPrefix(l, "stop") {
			out = append(out, l)
		}
	}
	return out
}

var _ = Describe("any order of edits, crashes and restarts", func() {
	seeds := func() []uint64 {
		base := uint64(GinkgoRandomSeed())
		return []uint64{base, base + 1, base + 2, base + 3, base + 4, base + 5}
	}
	It("comes to what is declared, and then does nothing", func() {
		for _, seed := range seeds() {
			GinkgoWriter.Printf("seed %d\n", seed)
			g := &generator{rand.New(rand.NewPCG(seed, 1)), []string{"a", "b", "c", "d", "e"}}
			w := newWorld(GinkgoTB())
			for range 12 {
				w.apply(g.edits())
				for range g.IntN(4) {
					g.disturb(w)
				}
			}
			w.rt.failNext = 0
			w.wait(30 * time.Minute)
			expectConverged(w)
			w.rt.takeLog()
			for _, n := range w.r.remembered() {
				w.add(n)
			}
			Expect(w.drain).To(BeNoOp(w.client.Store()), "seed %d", seed)
			Expect(w.rt.takeLog()).To(BeEmpty(), "seed %d", seed)
		}
	})

	It("does what the plan said", func() {
		for _, seed := range seeds() {
			GinkgoWriter.Printf("seed %d\n", seed)
			g := &generator{rand.New(rand.NewPCG(seed, 2)), []string{"a", "b", "c", "d", "e"}}
			w := newWorld(GinkgoTB())
			for range 10 {
				edits := g.edits()
				planned := steps(w.planned(edits))
				w.rt.takeLog()
				w.apply(edits)
				w.drain()
				done := shown(w.rt.takeLog())
				Expect(done).To(ConsistOf(anything(planned)...), "seed %d", seed)
				for _, n := range g.names {
					Expect(inOrder(done, n)).To(Equal(inOrder(planned, n)), "seed %d", seed)
				}
				Expect(w.planned(nil)).To(BeEmpty(), "seed %d", seed)
				w.wait(30 * time.Minute)
			}
		}
	})
})

func anything(list []string) []any {
	out := make([]any, len(list))
	for i, l := range list {
		out[i] = l
	}
	return out
}
