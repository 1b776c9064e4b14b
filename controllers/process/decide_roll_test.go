package process

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/util/intstr"

	"mirroros.dev/mirroros/controllers/process/runner"
	"mirroros.dev/mirroros/specs"
)

func rolling(p *specs.Process) {
	p.Spec.Strategy = &specs.Strategy{Type: specs.StrategyRollingUpdate}
}

// rolls is a process of three that rolls, with its new copies before the old ones that are given.
func rolls(change []func(*specs.Process), list ...instance) *observed {
	o := seen(proc("web", append(change, replicas(3), rolling)...))
	for i := range int32(3) {
		id := instanceName("web", "new", i)
		in := instance{ID: id, Ordinal: i, Hash: "new"}
		for _, l := range list {
			if l.ID == id {
				in = l
			}
		}
		o.Instances = append(o.Instances, in)
	}
	for _, l := range list {
		if l.Hash != "new" {
			o.Instances = append(o.Instances, l)
		}
	}
	return o
}

func unready(in instance) instance {
	return with(in, func(in *instance) { in.Health.Ready = false })
}

func crashed(hash string, ordinal int32) instance {
	return with(down(hash, 20*time.Millisecond, 0, failed, 3), func(in *instance) {
		in.ID, in.Ordinal, in.Earlier = instanceName("web", hash, ordinal), ordinal, hash != "new"
	})
}

func leaving(in instance) instance {
	return with(in, func(in *instance) { in.Stop = &stop{Since: t0, Reason: stopReplaced, Signalled: true} })
}

var minReady = []func(*specs.Process){func(p *specs.Process) { p.Spec.MinReadySeconds = 5 }}

var _ = DescribeTable("decide about a rolling update", func(o *observed, want ...string) {
	Expect(brief(decide(o))).To(Equal(want))
},
	Entry("only old ones: start one new beside them", rolls(nil, up("old", 0), up("old", 1), up("old", 2)), "Start web-new-0"),
	Entry("the new one is not ready: wait", rolls(nil, unready(up("new", 0)), up("old", 0), up("old", 1), up("old", 2))),
	Entry("the new one is ready: stop an old one, start the next", rolls(nil, up("new", 0), up("old", 0), up("old", 1), up("old", 2)),
		"Start web-new-1", "Stop web-old-0 Replaced"),
	Entry("it is ready, but not for minReadySeconds: wait until then",
		rolls(minReady, with(up("new", 0), func(in *instance) { in.ReadySince = t0.Add(-3 * time.Second) }), up("old", 0), up("old", 1), up("old", 2)), "again in 2s"),
	Entry("an old one is on its way out: it counts no more", rolls(nil, up("new", 0), leaving(up("old", 0)), up("old", 1), up("old", 2)),
		"Start web-new-1", "again in 30s"),
	Entry("all new ones are ready: stop the last old one", rolls(nil, up("new", 0), up("new", 1), up("new", 2), up("old", 2)), "Stop web-old-2 Replaced"),
	Entry("an old one is not ready: it goes first", rolls(nil, up("new", 0), up("old", 0), unready(up("old", 1)), up("old", 2)),
		"Start web-new-1", "Stop web-old-1 Replaced"),
	Entry("the template changed again in the middle: the unready one goes first", rolls(nil, unready(up("mid", 0)), up("old", 0), up("old", 1), up("old", 2)),
		"Start web-new-0", "Stop web-mid-0 Replaced"),
	Entry("the new one crashes: start it again when its time comes, start no other, stop none",
		rolls(nil, crashed("new", 0), up("old", 0), up("old", 1), up("old", 2)), "again in 4s"),
	Entry("an old one crashes meanwhile: start it again by its own template", rolls(nil, unready(up("new", 0)), up("old", 0), up("old", 1),
		with(crashed("old", 2), func(in *instance) { in.Run.Exited = t0.Add(-time.Hour) })), "Start web-old-2"),
	Entry("an old one has crashed and is not needed any more: forget it", rolls(nil, up("new", 0), up("old", 0), up("old", 1), crashed("old", 2)),
		"Start web-new-1", "Forget web-old-2"),
	Entry("fewer are declared: those that are too many go at once", func() *observed {
		o := rolls(nil, up("old", 0), up("old", 1), up("old", 2))
		*o.Process.Spec.Replicas = 1
		o.Instances = append(o.Instances[:1:1], o.Instances[3:]...)
		return o
	}(), "Start web-new-0", "Stop web-old-0 Replaced", "Stop web-old-1 Replaced"),
	Entry("more are declared: the new ones start beside", rolls(nil, up("old", 0)), "Start web-new-0", "Start web-new-1", "Start web-new-2"),
	Entry("none are declared: all go", func() *observed {
		o := rolls(nil, up("old", 0))
		*o.Process.Spec.Replicas = 0
		o.Instances = o.Instances[3:]
		return o
	}(), "Stop web-old-0 Replaced"),
	Entry("back to the template before: its copies are the new ones again, the other goes when enough are ready",
		rolls(nil, up("new", 1), up("new", 2), up("old", 0)), "Start web-new-0"),
	Entry("the template cannot be started: keep all, note the fault", func() *observed {
		o := rolls(nil, up("old", 0), up("old", 1), up("old", 2))
		o.Template = &fault{Reason: specs.ReasonCannotStart, Message: "no program"}
		return o
	}(), "Refuse web-new-0", "Refuse web-new-1", "Refuse web-new-2"),
	Entry("what it depends on is not there: keep all", func() *observed {
		o := rolls(nil, up("old", 0), up("old", 1), up("old", 2))
		o.Dependencies = []dependency{{Name: "db", Condition: specs.DependencyReady}}
		return o
	}()),
	Entry("suspended: all go", rolls([]func(*specs.Process){func(p *specs.Process) { p.Spec.Suspend = true }}, up("new", 0), up("old", 1)),
		"Stop web-new-0 Suspended", "Stop web-old-1 Suspended"),
	Entry("all old ones are on their way out, and take long: the new ones start", rolls(nil, leaving(up("old", 0))),
		"Start web-new-0", "Start web-new-1", "Start web-new-2", "again in 30s"),
	Entry("nothing old is there: all start", rolls(nil), "Start web-new-0", "Start web-new-1", "Start web-new-2"),
)

var _ = Describe("a rolling update", func() {
	It("says that the new copies are not ready, and how many of the old serve on", func() {
		d := decide(rolls(nil, with(unready(up("new", 0)), func(in *instance) { in.Health.Message = "503" }), up("old", 0), up("old", 1), up("old", 2)))
		Expect(d.Status.Conditions).To(ContainElement(And(HaveField("Type", "Ready"), HaveField("Status", BeEquivalentTo("False")),
			HaveField("Message", ContainSubstring("0 of 3 ready, 3 of the old serving on: web-new-")))))
	})

	It("begins a new template when the program's file changed, and stops nothing for it", func() {
		o := rolls([]func(*specs.Process){func(p *specs.Process) { p.Spec.OnExecutableChange = specs.ExecutableChangeRestart }},
			with(up("new", 0), func(in *instance) { in.ExecutableChanged, in.NewExecutable = true, "sha256:2" }), up("new", 1), up("new", 2))
		d := decide(o)
		Expect(d.Actions).To(BeEmpty())
		Expect(d.Executable).To(Equal("sha256:2"))
		annotate(specs.AnnotationExecutable, "sha256:2")(o.Process)
		Expect(decide(o).Executable).To(BeEmpty())
	})

	It("goes on probing the old copies, which stay ready until they are stopped", func() {
		w := newWorld(GinkgoTB())
		w.put(proc("web", rolling, func(p *specs.Process) {
			p.Spec.Ports = []specs.ProcessPort{{Name: "http"}}
			p.Spec.ReadinessProbe = &specs.Probe{Handler: specs.Handler{TCPSocket: &specs.TCPSocketAction{Port: intstr.FromString("http")}}}
		}))
		w.drain()
		old := w.rt.live()[0]
		well := func(id string) {
			w.r.prober.mu.Lock()
			w.r.prober.results[id] = health{Started: true, Ready: true, Probed: true}
			w.r.prober.mu.Unlock()
			w.add("web")
			w.drain()
		}
		well(old)
		w.edit("web", func(p *specs.Process) { p.Spec.Version = "2" })
		w.drain()
		Expect(w.rt.live()).To(HaveLen(2))
		w.add("web")
		w.drain()
		for _, i := range w.instances("web") {
			Expect(i.Status.Ready).To(Equal(i.Name == old), i.Name)
		}
		for _, id := range w.rt.live() {
			well(id)
		}
		Expect(w.rt.live()).To(And(HaveLen(1), Not(ContainElement(old))))
	})

	It("replaces copies one by one when the program's file changed", func() {
		w := newWorld(GinkgoTB())
		file := w.dir + "/program"
		Expect(os.WriteFile(file, []byte("#!/bin/sh\n"), 0o755)).To(Succeed())
		w.put(proc("web", replicas(2), rolling, func(p *specs.Process) {
			p.Spec.Command, p.Spec.OnExecutableChange = []string{file}, specs.ExecutableChangeRestart
		}))
		w.drain()
		digest := func() { // the worker that reads files is not running here
			for id, ok := w.r.digests.next(); ok; id, ok = w.r.digests.next() {
				w.r.digests.finish(id, digestOf(context.Background(), id))
			}
			w.add("web")
			w.drain()
		}
		digest()
		was := w.rt.live()
		Expect(was).To(HaveLen(2))
		Expect(os.WriteFile(file+".new", []byte("#!/bin/sh\n# 2\n"), 0o755)).To(Succeed())
		Expect(os.Rename(file+".new", file)).To(Succeed())
		delete(w.r.files.ids, file) // as its watcher does
		w.rt.takeLog()
		w.add("web")
		w.drain()
		digest()
		now := w.rt.live()
		Expect(now).To(HaveLen(2))
		Expect(now).NotTo(ContainElements(was[0]))
		Expect(w.rt.takeLog()).To(Equal([]string{"start " + now[0], "start " + now[1], "stop " + was[0], "stop " + was[1]}))
	})

	It("never has fewer ready copies than are declared, whatever the order of edits and crashes", func() {
		seed := uint64(GinkgoRandomSeed())
		GinkgoWriter.Printf("seed %d\n", seed)
		g := &generator{rand.New(rand.NewPCG(seed, 3)), []string{"a"}}
		for range 20 {
			w := newWorld(GinkgoTB())
			n := int32(1 + g.IntN(4))
			w.put(proc("a", replicas(n), rolling))
			w.drain()
			w.rt.onStop = func(id string) {
				left := 0
				for _, l := range w.rt.live() {
					if owner, _, _, _ := parseInstanceName(l); owner == "a" && l != id {
						left++
					}
				}
				if left < int(n) {
					Fail(fmt.Sprintf("%s is stopped and leaves %d of %d", id, left, n))
				}
			}
			for range 15 {
				switch g.IntN(5) {
				case 0:
					w.restartOperator()
				case 1:
					if live := w.rt.live(); len(live) > 0 {
						w.rt.exit(live[g.IntN(len(live))], runner.Exit{Known: true, Code: 1})
					}
				case 2:
					w.rt.failNext = g.IntN(3)
				case 3:
					w.wait(time.Duration(g.IntN(4000)) * time.Millisecond)
				default:
					w.edit("a", func(p *specs.Process) { p.Spec.Version = fmt.Sprint(g.IntN(3)) })
				}
				if g.IntN(2) == 0 {
					w.drain()
				}
			}
			w.rt.failNext = 0
			w.wait(time.Hour)
			live := w.rt.live()
			Expect(live).To(HaveLen(int(n)))
			hash := templateHash(w.process("a"), "/")
			for _, id := range live {
				Expect(strings.Contains(id, hash)).To(BeTrue(), id)
			}
		}
	})
})
