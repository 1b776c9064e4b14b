package process

import (
	"context"
	"slices"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/process/runner"
	"mirroros.dev/mirroros/specs"
)

// toldOf lists the events of a reason that were told so far.
func (w *world) toldOf(reason string) []string {
	w.events.mu.Lock()
	defer w.events.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(w.events.told), func(e string) bool { return strings.Fields(e)[1] != reason })
}

// killedIn has the operator killed while it does what the hook is in, the next one started, and lets that one go on.
func (w *world) killedIn(hook *func(string), name string) {
	GinkgoHelper()
	*hook = func(string) { panic("killed") }
	Expect(func() { _, _ = w.r.Reconcile(context.Background(), request(name)) }).To(PanicWith("killed"))
	*hook = nil
	w.restartOperator()
	w.wait(time.Minute)
}

var _ = Describe("an event", func() {
	var w *world
	BeforeEach(func() { w = newWorld(GinkgoTB()) })

	DescribeTable("of what is done is told once, also when the operator is killed while it does it",
		func(reason string, change func(*specs.Process)) {
			w.put(proc("web", replicas(2)))
			w.wait(time.Minute)
			w.edit("web", change)
			w.killedIn(&w.rt.onStop, "web")
			times := map[string]int{}
			for _, e := range w.toldOf(reason) {
				times[strings.Fields(e)[2]]++ // the instance: the next operator may know less of what changed
			}
			Expect(times).NotTo(BeEmpty())
			Expect(times).To(HaveEach(1))
		},
		Entry("a replacement", specs.ReasonReplaced, func(p *specs.Process) { p.Spec.Version = "2" }),
		Entry("a scaling down", specs.ReasonScaled, replicas(1)),
		Entry("a restart by hand", specs.ReasonRestarted, func(p *specs.Process) {
			annotate(specs.AnnotationRestartedAt, w.now().Format(time.RFC3339Nano))(p)
		}),
	)

	It("of a tree that is killed is told once, also when the operator is killed while it does it", func() {
		w.put(proc("web"))
		w.wait(time.Minute)
		w.rt.stubborn = true
		w.edit("web", func(p *specs.Process) { p.Spec.Suspend = true })
		w.drain()
		w.passed += time.Hour
		w.killedIn(&w.rt.onKill, "web")
		Expect(w.rt.live()).To(BeEmpty())
		Expect(w.toldOf(specs.ReasonGraceExceeded)).To(HaveLen(1))
	})

	It("of an end is told once: when it ended, and not again when nothing of it is wanted any more", func() {
		w.put(proc("once", func(p *specs.Process) { p.Spec.RestartPolicy = specs.RestartNever }))
		w.put(proc("held"))
		w.wait(time.Minute)
		w.rt.exit(w.instances("once")[0].Name, runner.Exit{Known: true})
		w.edit("held", func(p *specs.Process) { p.Spec.Suspend = true })
		w.wait(time.Minute)
		Expect(w.toldOf(specs.ReasonExited)).To(HaveLen(2))
		w.restartOperator()
		w.apply(map[string]*specs.Process{"once": nil, "held": nil})
		w.wait(time.Minute)
		Expect(w.instances("once")).To(BeEmpty())
		Expect(w.toldOf(specs.ReasonExited)).To(HaveLen(2))
	})

	It("of an end that an earlier operator told is not told again in other words, nor with another time", func() {
		w.put(proc("web", func(p *specs.Process) { p.Spec.RestartPolicy = specs.RestartNever }))
		w.put(proc("loop"))
		w.drain()
		w.passed += 500 * time.Millisecond
		w.logs.tail = []string{"its last words"}
		for _, name := range []string{"web", "loop"} {
			w.rt.exit(w.instances(name)[0].Name, runner.Exit{Known: true, Code: 3})
		}
		w.drain()
		Expect(w.process("loop")).To(HaveField("Status.Conditions", ContainElement(HaveField("Reason", specs.ReasonCrashLoopBackOff))))
		told := len(w.events.told)
		w.logs.tail = []string{"what a stray wrote since"}
		w.rt.change(w.instances("web")[0].Name, func(i *runner.Instance) { i.Exit.At = i.Exit.At.Add(2 * time.Second) })
		w.restartOperator()
		w.drain()
		Expect(w.events.told[told:]).To(BeEmpty())
		Expect(w.instances("web")[0].Status.LastExit().Message).To(ContainSubstring("its last words"))

		w.wait(10 * time.Second) // the next run is told of as ever
		w.rt.exit(w.instances("loop")[0].Name, runner.Exit{Known: true, Signal: syscall.SIGKILL})
		w.drain()
		Expect(w.events.told[told:]).To(ContainElement(And(ContainSubstring("Exited"), ContainSubstring("SIGKILL"))))
	})

	It("of a start that fails is told once, also where the next operator has to look at a dependency first", func() {
		w.put(proc("zdb"))
		w.put(proc("app", func(p *specs.Process) {
			p.Spec.Command = []string{"/nowhere/at-all"}
			p.Spec.DependsOn = []specs.Dependency{{Process: "zdb", Condition: specs.DependencyReady}}
		}))
		w.wait(time.Second)
		Expect(w.toldOf(specs.ReasonCannotStart)).To(HaveLen(1))
		told := len(w.events.told)
		w.restartOperator()
		w.wait(time.Second)
		Expect(w.events.told[told:]).To(BeEmpty())
		w.rt.exit(w.instances("zdb")[0].Name, runner.Exit{Known: true, Code: 1})
		w.drain()
		Expect(w.events.told[told:]).NotTo(BeEmpty())
	})
})
