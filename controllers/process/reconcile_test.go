package process

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/controllers/process/runner"
	"mirroros.dev/mirroros/reconcile/plan"
	. "mirroros.dev/mirroros/reconcile/reconciletest"
	"mirroros.dev/mirroros/specs"
)

// freePort is a port that nobody listens on.
func freePort() int32 {
	GinkgoHelper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	defer l.Close()
	return int32(l.Addr().(*net.TCPAddr).Port)
}

func replicas(n int32) func(*specs.Process) {
	return func(p *specs.Process) { p.Spec.Replicas = &n }
}

func annotate(key, value string) func(*specs.Process) {
	return func(p *specs.Process) {
		if p.Annotations == nil {
			p.Annotations = map[string]string{}
		}
		p.Annotations[key] = value
	}
}

// verbs of the runtime's log without the hashes.
func verbs(log []string) []string {
	out := make([]string, len(log))
	for i, l := range log {
		f := strings.Fields(l)
		owner, _, ordinal, _ := parseInstanceName(f[len(f)-1])
		out[i] = fmt.Sprintf("%s %s/%d", strings.Join(f[:len(f)-1], " "), owner, ordinal)
	}
	return out
}

var _ = Describe("Reconciler", func() {
	var w *world
	BeforeEach(func() { w = newWorld(GinkgoTB()) })

	It("starts what is declared and says so", func() {
		w.put(proc("web", replicas(2)))
		w.wait(time.Minute)
		Expect(verbs(w.rt.takeLog())).To(Equal([]string{"start web/0", "start web/1"}))
		p := w.process("web")
		Expect(p).To(HaveCondition("Ready", "True", "Running"))
		Expect(p.Status.ReadyReplicas).To(BeEquivalentTo(2))
		Expect(w.instances("web")).To(HaveLen(2))
		Expect(w.instances("web")[0].Status.State.Running).NotTo(BeNil())
		Expect(w.instances("web")[0].OwnerReferences).To(HaveLen(1))
	})

	It("does nothing for an unchanged process", func() {
		w.put(proc("web", replicas(2)))
		w.wait(time.Minute)
		w.rt.takeLog()
		Expect(func() error {
			_, err := w.r.Reconcile(context.Background(), request("web"))
			return err
		}).To(BeNoOp(w.client.Store()))
		Expect(w.rt.takeLog()).To(BeEmpty())
	})

	It("leaves everything alone when the operator starts again", func() {
		w.put(proc("web", replicas(2)))
		w.wait(time.Minute)
		w.rt.takeLog()
		w.restartOperator()
		Expect(w.drain).To(BeNoOp(w.client.Store()))
		Expect(w.rt.takeLog()).To(BeEmpty())
	})

	It("stops and starts nothing when the store was lost, and stops what is removed later", func() {
		web := proc("web", replicas(2))
		w.put(specs.Copy(web))
		w.wait(time.Minute)
		w.rt.takeLog()
		w.client = TempClient(GinkgoTB())
		w.known = map[string]specs.Object{}
		w.restartOperator()
		w.wait(time.Minute)
		w.restartOperator()
		w.wait(time.Minute)
		Expect(w.rt.takeLog()).To(BeEmpty())
		w.put(web)
		w.wait(time.Minute)
		Expect(w.rt.takeLog()).To(BeEmpty())
		Expect(w.process("web")).To(HaveCondition("Ready", "True", "Running"))
		w.apply(map[string]*specs.Process{"web": nil})
		w.wait(time.Minute)
		Expect(verbs(w.rt.takeLog())).To(ContainElements("stop web/0", "stop web/1"))
	})

	It("does not believe the status from before a reboot of what a process depends on", func() {
		w.put(proc("zdb"))
		w.put(proc("app", func(p *specs.Process) {
			p.Spec.DependsOn = []specs.Dependency{{Process: "zdb", Condition: specs.DependencyReady}}
		}))
		w.wait(time.Minute)
		w.rt.takeLog()
		w.queue = nil
		for _, id := range w.rt.live() {
			w.rt.exit(id, runner.Exit{Rebooted: true})
		}
		w.queue = nil
		w.restartOperator()
		Expect(w.queue).To(Equal([]string{"app", "zdb"}))
		w.wait(time.Minute)
		Expect(verbs(w.rt.takeLog())).To(Equal([]string{"start zdb/0", "start app/0"}))
	})

	It("touches nothing for a change outside of the template", func() {
		w.put(proc("web"))
		w.wait(time.Minute)
		w.rt.takeLog()
		w.edit("web", func(p *specs.Process) { p.Spec.Why = "because"; p.Spec.StopSignal = "SIGINT" })
		w.wait(time.Minute)
		Expect(w.rt.takeLog()).To(BeEmpty())
	})

	It("replaces the old copies before new ones start, and tells which fields changed but no values", func() {
		w.put(proc("web", replicas(2)))
		w.wait(time.Minute)
		w.rt.takeLog()
		w.edit("web", func(p *specs.Process) {
			p.Spec.Env = []specs.EnvVar{{Name: "LOG_LEVEL", Value: "debug-value"}}
			p.Spec.Version = "v2"
		})
		w.wait(time.Minute)
		Expect(verbs(w.rt.takeLog())).To(Equal([]string{"stop web/0", "stop web/1", "start web/0", "start web/1"}))
		Expect(w.instances("web")).To(HaveLen(2))
		Expect(w.events.told).To(ContainElement(ContainSubstring("changed: version, env.LOG_LEVEL")))
		Expect(strings.Join(w.events.told, "\n")).NotTo(ContainSubstring("debug-value"))
	})

	It("keeps the old copy when the new template cannot be started", func() {
		w.put(proc("web"))
		w.wait(time.Minute)
		w.rt.takeLog()
		w.edit("web", func(p *specs.Process) { p.Spec.Command = []string{"/no/such/program"} })
		w.wait(time.Minute)
		Expect(w.rt.takeLog()).To(BeEmpty())
		p := w.process("web")
		Expect(p).To(HaveCondition("Ready", "False", "CannotStart"))
		Expect(p).To(HaveCondition("Stalled", "True", "CannotStart"))
		w.edit("web", func(p *specs.Process) { p.Spec.Command = []string{"/bin/sh"} })
		w.wait(time.Minute)
		Expect(w.rt.takeLog()).To(BeEmpty())
		Expect(w.process("web")).To(HaveCondition("Ready", "True", ""))
	})

	It("starts the old copy again when it crashes before the new one can be started, also in a later operator", func() {
		w.put(proc("web", func(p *specs.Process) { p.Spec.Env = []specs.EnvVar{{Name: "GREETING", Value: "old"}} }))
		w.wait(time.Minute)
		id := w.rt.live()[0]
		crash := func() {
			GinkgoHelper()
			w.rt.takeLog()
			w.rt.exit(id, runner.Exit{Known: true, Code: 1})
			w.wait(time.Minute)
			Expect(verbs(w.rt.takeLog())).To(Equal([]string{"start web/0"}))
			Expect(w.rt.live()).To(Equal([]string{id}))
			Expect(w.rt.specs[id].Env).To(ContainElement("GREETING=old"))
			Expect(w.process("web")).To(HaveCondition("Ready", "False", ""))
		}
		w.edit("web", func(p *specs.Process) { p.Spec.Command, p.Spec.Env = []string{"/no/such/program"}, nil })
		w.wait(time.Minute)
		crash()
		w.restartOperator()
		w.wait(time.Minute)
		crash()
		w.edit("web", func(p *specs.Process) {
			p.Spec.Command = []string{"/bin/sh"}
			p.Spec.DependsOn = []specs.Dependency{{Process: "db", Condition: specs.DependencyReady}}
		})
		w.wait(time.Minute)
		crash()
		w.put(proc("db"))
		w.wait(time.Minute)
		Expect(verbs(w.rt.takeLog())).To(Equal([]string{"start db/0", "stop web/0", "start web/0"}))
		Expect(w.rt.live()).NotTo(ContainElement(id))
		Expect(w.process("web")).To(HaveCondition("Ready", "True", "Running"))
		w.client.Store().Blobs(keptBucket, func(string, []byte) bool { Fail("a template is still kept"); return false })
		Expect(func() error {
			_, err := w.r.Reconcile(context.Background(), request("web"))
			return err
		}).To(BeNoOp(w.client.Store()))
	})

	It("shows no value that was taken by reference, whoever says it", func() {
		key := filepath.Join(w.dir, "key")
		Expect(os.WriteFile(key, []byte("SEKRIT-VALUE\n"), 0o600)).To(Succeed())
		w.put(proc("web", func(p *specs.Process) {
			p.Spec.Env = []specs.EnvVar{{Name: "KEY", ValueFrom: &specs.EnvVarSource{File: &specs.FileSource{Path: key}}}, {Name: "LONG", Value: "x-$(KEY)-y"}}
		}))
		w.wait(time.Minute)
		said := func() string {
			w.logs.tail = []string{"bad key SEKRIT-VALUE", "and x-SEKRIT-VALUE-y"}
			w.rt.exit(w.rt.live()[0], runner.Exit{Known: true, Code: 1})
			w.drain()
			return w.instances("web")[0].Status.LastExit().Message
		}
		Expect(said()).To(Equal(`exit 1: "bad key $(KEY) / and $(LONG)"`))
		w.wait(time.Minute)
		w.restartOperator()
		w.wait(time.Minute)
		Expect(said()).To(ContainSubstring("bad key $(KEY) / and $(LONG)"))
		w.wait(time.Minute)
		w.restartOperator()
		w.wait(time.Minute)
		Expect(os.Remove(key)).To(Succeed())
		Expect(said()).To(ContainSubstring("not shown"))
		Expect(strings.Join(w.events.told, "\n")).NotTo(ContainSubstring("SEKRIT"))
	})

	It("restarts a run that was not quick at once, then with backoff, and says when next", func() {
		w.put(proc("web"))
		w.wait(3 * time.Second)
		id := w.rt.live()[0]
		w.rt.exit(id, runner.Exit{Known: true, Code: 1})
		w.drain()
		Expect(w.rt.live()).To(Equal([]string{id}))
		w.logs.tail = []string{"cannot open the database"}
		w.rt.exit(id, runner.Exit{Known: true, Code: 1})
		w.drain()
		Expect(w.rt.live()).To(BeEmpty())
		p := w.process("web")
		Expect(p).To(HaveCondition("Ready", "False", "CrashLoopBackOff"))
		i := w.instances("web")[0]
		Expect(i.Status.State.Waiting.Until).NotTo(BeNil())
		Expect(i.Status.LastState.Terminated.ExitCode).To(BeEquivalentTo(1))
		Expect(i.Status.LastState.Terminated.Message).To(ContainSubstring("cannot open the database"))
		w.wait(900 * time.Millisecond)
		Expect(w.rt.live()).To(BeEmpty())
		w.wait(200 * time.Millisecond)
		Expect(w.rt.live()).To(HaveLen(1))
		Expect(w.instances("web")[0].Status.RestartCount).To(BeEquivalentTo(2))
	})

	It("goes on with a backoff where it was when the operator starts again", func() {
		w.put(proc("web"))
		w.drain()
		w.rt.exit(w.rt.live()[0], runner.Exit{Known: true, Code: 1})
		w.wait(600 * time.Millisecond)
		w.restartOperator()
		w.wait(300 * time.Millisecond)
		Expect(w.rt.live()).To(BeEmpty())
		w.wait(200 * time.Millisecond)
		Expect(w.rt.live()).To(HaveLen(1))
	})

	It("kills what does not stop within the grace period, counted from the first stop across operators", func() {
		w.put(proc("web", func(p *specs.Process) { g := int64(10); p.Spec.TerminationGracePeriodSeconds = &g }))
		w.wait(time.Second)
		w.rt.stubborn = true
		w.rt.takeLog()
		w.apply(map[string]*specs.Process{"web": nil})
		w.wait(6 * time.Second)
		w.restartOperator()
		w.wait(3 * time.Second)
		Expect(verbs(w.rt.takeLog())).To(Equal([]string{"stop web/0"}))
		w.wait(2 * time.Second)
		Expect(verbs(w.rt.takeLog())).To(Equal([]string{"kill web/0"}))
		Expect(w.rt.List()).To(BeEmpty())
		Expect(w.instances("web")).To(BeEmpty())
		Expect(w.logs.List()).To(BeEmpty())
	})

	DescribeTable("counts deadlines by awake time when the clock is set while there is no operator", func(ahead time.Duration) {
		w.rt.awake()
		w.put(proc("slow", func(p *specs.Process) { g := int64(10); p.Spec.TerminationGracePeriodSeconds = &g }))
		w.put(proc("bad", func(p *specs.Process) {
			p.Spec.RestartBackoff = &specs.Backoff{Initial: &metav1.Duration{Duration: 10 * time.Second}}
		}))
		w.wait(time.Second / 2)
		w.rt.stubborn = true
		w.rt.exit(w.instances("bad")[0].Name, runner.Exit{Known: true, Code: 1})
		w.apply(map[string]*specs.Process{"slow": nil})
		w.wait(5 * time.Second)
		Expect(verbs(w.rt.takeLog())).To(ConsistOf("start bad/0", "start slow/0", "stop slow/0"))
		w.rt.setClock(ahead)
		w.restartOperator()
		w.wait(4 * time.Second)
		Expect(w.rt.takeLog()).To(BeEmpty(), "too early")
		w.wait(2 * time.Second)
		Expect(verbs(w.rt.takeLog())).To(ConsistOf("kill slow/0", "start bad/0"))
	},
		Entry("an hour ahead", time.Hour),
		Entry("an hour back", -time.Hour),
	)

	It("counts a grace period from the start of its preStop, also when the clock is set", func() {
		w.rt.awake()
		w.rt.stubborn = true
		w.put(proc("web", func(p *specs.Process) {
			g := int64(10)
			p.Spec.TerminationGracePeriodSeconds = &g
			p.Spec.PreStop = &specs.Handler{Exec: &specs.ExecAction{Command: []string{"/bin/sh", "-c", "exit 0"}}} // nobody runs it here
		}))
		w.wait(time.Second)
		w.apply(map[string]*specs.Process{"web": nil})
		w.wait(5 * time.Second)
		w.rt.takeLog()
		w.rt.setClock(time.Hour)
		w.restartOperator()
		w.wait(4 * time.Second)
		Expect(w.rt.takeLog()).To(BeEmpty(), "too early")
		w.wait(2 * time.Second)
		Expect(verbs(w.rt.takeLog())).To(ContainElement("kill web/0"))
	})

	It("starts what waits for a dependency that becomes ready while it looks", func() {
		w.apply(map[string]*specs.Process{
			"app": proc("app", func(p *specs.Process) {
				p.Spec.DependsOn = []specs.Dependency{{Process: "zdb", Condition: specs.DependencyReady}}
			}),
			"zdb": proc("zdb"),
		})
		Expect(w.queue).To(Equal([]string{"app", "zdb"}))
		v := &meanwhile{View: w.r.view, name: "zdb"}
		v.then = func() {
			for range 3 {
				_, err := w.r.Reconcile(context.Background(), request("zdb"))
				Expect(err).NotTo(HaveOccurred())
				w.follow()
			}
			Expect(w.process("zdb")).To(HaveCondition("Ready", "True", "Running"))
		}
		w.r.view, w.queue = v, []string{"app"}
		w.drain()
		Expect(verbs(w.rt.takeLog())).To(Equal([]string{"start zdb/0", "start app/0"}))
	})

	It("holds a first start back for a dependency, names it, and never stops for it later", func() {
		w.put(proc("app", func(p *specs.Process) { p.Spec.DependsOn = []specs.Dependency{{Process: "db"}} }))
		w.wait(time.Minute)
		Expect(w.process("app")).To(HaveCondition("ResolvedRefs", "False", "RefsNotFound"))
		w.put(proc("db", replicas(0)))
		w.wait(time.Minute)
		w.edit("db", replicas(1))
		w.wait(time.Minute)
		Expect(w.process("app")).To(HaveCondition("Ready", "True", ""))
		w.rt.takeLog()
		w.apply(map[string]*specs.Process{"db": nil})
		w.wait(time.Minute)
		Expect(verbs(w.rt.takeLog())).To(Equal([]string{"stop db/0"}))
		w.rt.exit(w.rt.live()[0], runner.Exit{Known: true, Code: 1})
		w.drain()
		Expect(verbs(w.rt.takeLog())).To(Equal([]string{"start app/0"}))
	})

	It("restarts in place what began before restarted-at, once", func() {
		w.put(proc("web", replicas(2)))
		w.wait(5 * time.Second)
		w.rt.takeLog()
		w.edit("web", annotate(specs.AnnotationRestartedAt, w.now().UTC().Format(time.RFC3339)))
		w.wait(time.Minute)
		Expect(verbs(w.rt.takeLog())).To(Equal([]string{"stop web/0", "stop web/1", "start web/0", "start web/1"}))
		w.restartOperator()
		w.wait(time.Minute)
		Expect(w.rt.takeLog()).To(BeEmpty())
	})

	It("stops on suspend, and resumes by itself", func() {
		w.put(proc("web"))
		w.wait(time.Second)
		w.edit("web", func(p *specs.Process) {
			p.Spec.Suspend = true
			annotate(specs.AnnotationResumeAt, w.now().Add(time.Hour).Format(time.RFC3339Nano))(p)
			annotate(specs.AnnotationSuspendReason, "too loud")(p)
		})
		w.wait(time.Minute)
		Expect(w.rt.live()).To(BeEmpty())
		Expect(w.process("web")).To(HaveCondition("Ready", "False", "Suspended"))
		w.wait(time.Hour)
		Expect(w.rt.live()).To(HaveLen(1))
		Expect(w.process("web").Spec.Suspend).To(BeFalse())
		Expect(w.process("web").Annotations).To(BeEmpty())
		Expect(w.process("web").DesiredReplicas()).To(BeEquivalentTo(1))
	})

	It("runs a one-off once, and not again after a reboot", func() {
		w.put(proc("init", func(p *specs.Process) { p.Spec.RestartPolicy = specs.RestartOnFailure }))
		w.drain()
		id := w.rt.live()[0]
		w.rt.exit(id, runner.Exit{Known: true})
		w.wait(time.Minute)
		Expect(w.process("init")).To(HaveCondition("Ready", "True", "Completed"))
		Expect(w.process("init")).To(HaveCondition("Completed", "True", ""))
		w.restartOperator()
		w.wait(time.Minute)
		Expect(w.rt.live()).To(BeEmpty())
	})

	It("starts everything again after a reboot without counting it", func() {
		w.put(proc("web"))
		w.drain()
		w.rt.exit(w.rt.live()[0], runner.Exit{Rebooted: true})
		w.restartOperator()
		w.drain()
		Expect(w.rt.live()).To(HaveLen(1))
		Expect(w.instances("web")[0].Status.RestartCount).To(BeZero())
	})

	It("says why a program cannot be started, and tries again ever slower", func() {
		w.rt.failNext, w.rt.err = 3, syscall.ENOEXEC
		w.put(proc("web"))
		w.drain()
		Expect(w.process("web")).To(HaveCondition("Stalled", "True", "CannotStart"))
		Expect(w.instances("web")[0].Status.State.Waiting.Message).To(ContainSubstring("no format"))
		w.wait(1500 * time.Millisecond)
		w.wait(2 * time.Second)
		Expect(w.rt.live()).To(BeEmpty())
		w.wait(10 * time.Second)
		Expect(w.rt.live()).To(HaveLen(1))
		Expect(w.process("web")).To(HaveCondition("Ready", "True", ""))
	})

	It("does not spin when the runtime has given the attempt away", func() {
		w.rt.failNext, w.rt.err = 2, runner.ErrTaken
		w.put(proc("web"))
		w.drain()
		Expect(w.process("web")).To(HaveCondition("Stalled", "True", "CannotStart"))
		w.wait(time.Minute)
		Expect(w.process("web")).To(HaveCondition("Ready", "True", ""))
	})

	It("gives each instance ports of its own, and keeps them", func() {
		port := func(p *specs.Process) { p.Spec.Ports = []specs.ProcessPort{{Name: "http"}} }
		w.put(proc("a", port, replicas(2)))
		w.wait(time.Second)
		before := map[string]int32{}
		for _, i := range w.instances("a") {
			before[i.Name] = i.Status.Ports[0].Port
			Expect(i.Status.Endpoints).To(Equal([]string{fmt.Sprintf("127.0.0.1:%d", i.Status.Ports[0].Port)}))
			Expect(w.rt.specs[i.Name].Env).To(ContainElement(fmt.Sprintf("PORT_HTTP=%d", i.Status.Ports[0].Port)))
		}
		for id := range before {
			w.rt.exit(id, runner.Exit{Known: true, Code: 1})
		}
		w.restartOperator()
		w.wait(time.Minute)
		for _, i := range w.instances("a") {
			Expect(i.Status.Ports[0].Port).To(Equal(before[i.Name]))
		}
	})

	It("gives a port on to the copy that takes the place of another, fixed or not", func() {
		for name, number := range map[string]int32{"fixed": 0, "free": 0} {
			if name == "fixed" {
				number = freePort()
			}
			w.put(proc(name, func(p *specs.Process) { p.Spec.Ports = []specs.ProcessPort{{Name: "http", Port: number}} }))
			w.wait(time.Second)
			before := w.instances(name)[0].Status.Ports
			w.edit(name, func(p *specs.Process) { p.Spec.Version = "2" })
			w.wait(time.Second)
			Expect(w.process(name)).To(HaveCondition("Ready", "True", ""))
			Expect(w.instances(name)).To(HaveLen(1))
			Expect(w.instances(name)[0].Status.Ports).To(Equal(before))
		}
	})

	It("runs preStop before the stop signal, and tells when it fails", func() {
		done := make(chan struct{})
		ctx, cancel := context.WithCancel(context.Background())
		go func() { defer close(done); _ = w.r.tasks.run(ctx) }()
		DeferCleanup(func() { cancel(); <-done })
		mark := filepath.Join(w.dir, "mark")
		w.put(proc("web", func(p *specs.Process) {
			p.Spec.Env = []specs.EnvVar{{Name: "MARK", Value: mark}}
			p.Spec.PreStop = &specs.Handler{Exec: &specs.ExecAction{Command: []string{"/bin/sh", "-c", `echo "$MARK" > "$MARK"; exit 3`}}}
		}))
		w.wait(time.Second)
		w.rt.takeLog()
		asked := make(chan string, 10)
		w.r.mu.Lock()
		w.r.enqueue = func(q request_, _ prio) { asked <- q.Name }
		w.r.mu.Unlock()
		w.edit("web", func(p *specs.Process) { p.Spec.Suspend = true })
		w.drain()
		Expect(w.rt.takeLog()).To(BeEmpty())
		Expect(w.instances("web")[0].Status.State.Stopping).NotTo(BeNil())
		Eventually(asked).Should(Receive(Equal("web")))
		Expect(os.ReadFile(mark)).To(BeEquivalentTo(mark + "\n"))
		w.add("web")
		w.drain()
		Expect(verbs(w.rt.takeLog())).To(Equal([]string{"stop web/0"}))
		Expect(strings.Join(w.events.told, "\n")).To(ContainSubstring("PreStopFailed"))
	})

	It("keeps the last logs of a live process", func() {
		w.put(proc("web"))
		for n := range 5 {
			w.edit("web", func(p *specs.Process) { p.Spec.Version = fmt.Sprint(n) })
			w.wait(time.Minute)
		}
		Expect(w.logs.List()).To(HaveLen(3))
		Expect(w.logs.List()).To(ContainElements(w.rt.live()))
	})

	It("does not touch a process of a stack before its directory is known", func() {
		w.put(proc("web"))
		w.drain()
		w.rt.takeLog()
		w.edit("web", func(p *specs.Process) { p.Labels = map[string]string{specs.LabelStack: "home"}; p.Spec.Version = "2" })
		_, err := w.r.Reconcile(context.Background(), request("web"))
		Expect(err).To(MatchError(errNoDirectory))
		Expect(w.rt.takeLog()).To(BeEmpty())
	})

	It("plans a replacement as one step with the names of what changed", func() {
		w.put(proc("web"))
		w.drain()
		p := specs.Copy(w.process("web"))
		p.Spec.Env = []specs.EnvVar{{Name: "A", Value: "x"}}
		steps := w.planned(map[string]*specs.Process{"web": p, "new": proc("new")})
		text := (&plan.Plan{Steps: steps}).Text()
		Expect(text).To(Equal("+ process/new    start 1 of 1      new\n~ process/web    replace 1 of 1    env.A\n1 to start, 1 to replace, 0 to stop.\n"))
	})

	It("stops everything in order, those that others need last", func() {
		w.put(proc("db"))
		w.put(proc("app", func(p *specs.Process) { p.Spec.DependsOn = []specs.Dependency{{Process: "db"}} }))
		w.wait(time.Second)
		w.rt.takeLog()
		w.r.enqueue = func(q request_, _ prio) { w.add(q.Name) }
		w.r.down.Store(true)
		w.add("db")
		w.add("app")
		w.wait(time.Minute)
		Expect(verbs(w.rt.takeLog())).To(Equal([]string{"stop app/0", "stop db/0"}))
	})

	It("scales down from the highest ordinal", func() {
		w.put(proc("web", replicas(3)))
		w.drain()
		w.rt.takeLog()
		w.edit("web", replicas(1))
		w.wait(time.Minute)
		log := verbs(w.rt.takeLog())
		slices.Sort(log)
		Expect(log).To(Equal([]string{"stop web/1", "stop web/2"}))
		Expect(w.instances("web")).To(HaveLen(1))
	})

	It("begins a new template afresh for an instance that was deleted and created", func() {
		w.put(proc("web"))
		w.drain()
		w.apply(map[string]*specs.Process{"web": nil})
		w.apply(map[string]*specs.Process{"web": {ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: proc("web").Spec}})
		w.wait(time.Minute)
		Expect(w.rt.live()).To(HaveLen(1))
		Expect(w.process("web")).To(HaveCondition("Ready", "True", ""))
	})
})
