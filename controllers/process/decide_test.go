package process

import (
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/resource"

	"mirroros.dev/mirroros/controllers/process/runner"
	"mirroros.dev/mirroros/specs"
)

var t0 = time.Now()

// seen is an observed process of one replica with the instances given.
func seen(p *specs.Process, list ...instance) *observed {
	return &observed{Now: t0, Name: p.Name, Process: p, Hash: "new", Instances: list}
}

// up is a live run of a template that began a minute ago.
func up(hash string, ordinal int32) instance {
	at := t0.Add(-time.Minute)
	return instance{ID: instanceName("web", hash, ordinal), Ordinal: ordinal, Hash: hash,
		Run: &run{Attempt: 1, PID: 7, Started: at, StartedAt: at.Round(0)}, Health: health{Started: true, Ready: true, Probed: true}}
}

// down is a run that ended a moment ago after a while.
func down(hash string, ran, ago time.Duration, e runner.Exit, streak int) instance {
	in := up(hash, 0)
	in.Run.Exited = t0.Add(-ago)
	in.Run.Started = in.Run.Exited.Add(-ran)
	in.Run.ExitedAt, in.Run.StartedAt = in.Run.Exited.Round(0), in.Run.Started.Round(0)
	in.Run.Note.Streak = streak
	in.Run.Exit = &e
	in.Ended = terminated(in.Run, nil, nil)
	return in
}

func none() instance { return instance{ID: "web-new-0", Hash: "new"} }

// brief is a decision in words: verbs with reasons, and when to look again.
func brief(d decision) []string {
	out := []string{}
	for _, a := range d.Actions {
		s := string(a.Verb) + " " + a.ID
		if a.Stop != "" {
			s += " " + string(a.Stop)
		}
		out = append(out, s)
	}
	if d.Result.RequeueAfter > 0 {
		out = append(out, "again in "+d.Result.RequeueAfter.Round(time.Millisecond).String())
	}
	return out
}

func with(in instance, change func(*instance)) instance {
	change(&in)
	return in
}

// limited gives a process a limit of memory.
func limited(memory string) func(*specs.Process) {
	return func(p *specs.Process) {
		q := resource.MustParse(memory)
		p.Spec.Resources = &specs.ProcessResources{Limits: &specs.ResourceLimits{Memory: &q}}
	}
}

var failed, fine = runner.Exit{Known: true, Code: 3}, runner.Exit{Known: true}

var _ = DescribeTable("decide about a run", func(o *observed, want ...string) {
	Expect(brief(decide(o))).To(Equal(want))
},
	Entry("nothing there: start", seen(proc("web"), none()), "Start web-new-0"),
	Entry("as it should be: nothing", seen(proc("web"), up("new", 0))),
	Entry("other limits: bring them in force", seen(proc("web", limited("64Mi")), up("new", 0)), "Limit web-new-0"),
	Entry("the limits that it has: nothing",
		seen(proc("web", limited("64Mi")), with(up("new", 0), func(in *instance) { in.Run.Limits.Memory = 64 << 20 }))),
	Entry("other limits and an old template: replace it, and nothing else", seen(proc("web", limited("64Mi")), none(), up("old", 0)), "Stop web-old-0 Replaced"),
	Entry("other limits of what is suspended: stop it, and nothing else",
		seen(proc("web", limited("64Mi"), func(p *specs.Process) { p.Spec.Suspend = true }), up("new", 0)), "Stop web-new-0 Suspended"),
	Entry("old template: stop it", seen(proc("web"), none(), up("old", 0)), "Stop web-old-0 Replaced"),
	Entry("old template, new one cannot start: keep it, note the fault",
		func() *observed {
			o := seen(proc("web"), none(), up("old", 0))
			o.Template = &fault{Reason: specs.ReasonCannotStart, Message: "no program"}
			return o
		}(), "Refuse web-new-0"),
	Entry("old template, its dependency is not there: keep it",
		func() *observed {
			o := seen(proc("web"), none(), up("old", 0))
			o.Dependencies = []dependency{{Name: "db", Condition: specs.DependencyReady}}
			return o
		}()),
	Entry("old run ended: start the new one, forget the old", seen(proc("web"), none(), down("old", time.Hour, 0, fine, 0)),
		"Start web-new-0", "Forget web-old-0"),
	Entry("ordinal is not wanted: stop it", seen(proc("web"), up("new", 0), up("new", 1)), "Stop web-new-1 ScaledDown"),
	Entry("suspended: stop", seen(proc("web", func(p *specs.Process) { p.Spec.Suspend = true }), up("new", 0)), "Stop web-new-0 Suspended"),
	Entry("object gone: stop", func() *observed {
		o := seen(proc("web"), up("new", 0))
		o.Process = nil
		return o
	}(), "Stop web-new-0 Removed"),
	Entry("preStop first", seen(proc("web", func(p *specs.Process) {
		p.Spec.Suspend = true
		p.Spec.PreStop = &specs.Handler{Exec: &specs.ExecAction{}}
	}),
		up("new", 0)), "PreStop web-new-0 Suspended"),
	Entry("preStop runs: wait for it, within the grace period", seen(proc("web"), with(up("new", 0), func(in *instance) {
		in.Stop = &stop{Since: t0.Add(-10 * time.Second), Reason: stopSuspended, PreStop: true}
	})), "again in 20s"),
	Entry("preStop is done: stop, and look again when the grace period is over", seen(proc("web"), with(up("new", 0), func(in *instance) {
		in.Stop = &stop{Since: t0.Add(-10 * time.Second), Reason: stopSuspended}
	})), "Stop web-new-0 Suspended", "again in 20s"),
	Entry("preStop of an earlier operator: again, it may have been cut short", seen(proc("web", func(p *specs.Process) {
		p.Spec.PreStop = &specs.Handler{Exec: &specs.ExecAction{}}
	}), with(up("new", 0), func(in *instance) {
		in.Stop = &stop{Since: t0.Add(-10 * time.Second), Reason: stopSuspended, Found: true}
	})), "PreStop web-new-0 Suspended", "again in 20s"),
	Entry("grace is over: kill", seen(proc("web"), with(up("new", 0), func(in *instance) {
		in.Stop = &stop{Since: t0.Add(-30 * time.Second), Signalled: true}
	})), "Kill web-new-0"),
	Entry("killed and still there: again later", seen(proc("web"), with(up("new", 0), func(in *instance) {
		in.Stop = &stop{Since: t0.Add(-31 * time.Second), Signalled: true, Killed: t0.Add(-time.Second)}
	})), "again in 9s"),
	Entry("stopping although it is wanted again: go on, it starts anew then", seen(proc("web"), with(up("new", 0), func(in *instance) {
		in.Stop = &stop{Since: t0, Reason: stopSuspended, Signalled: true}
	})), "again in 30s"),
	Entry("liveness failed: restart", seen(proc("web"), with(up("new", 0), func(in *instance) { in.Health.Failed = stopLiveness })),
		"Stop web-new-0 LivenessFailed"),
	Entry("config file changed: restart", seen(proc("web"), with(up("new", 0), func(in *instance) { in.Config = specs.ConfigChangeRestart })),
		"Stop web-new-0 ConfigChanged"),
	Entry("config file changed: reload", seen(proc("web"), with(up("new", 0), func(in *instance) { in.Config = specs.ConfigChangeReload })),
		"Reload web-new-0"),
	Entry("executable changed: nothing by itself", seen(proc("web"), with(up("new", 0), func(in *instance) { in.ExecutableChanged = true }))),
	Entry("executable changed, Restart: restart", seen(proc("web", func(p *specs.Process) { p.Spec.OnExecutableChange = specs.ExecutableChangeRestart }),
		with(up("new", 0), func(in *instance) { in.ExecutableChanged = true })), "Stop web-new-0 ExecutableReplaced"),
	Entry("a missing dependency never stops what runs", func() *observed {
		o := seen(proc("web"), up("new", 0))
		o.Dependencies = []dependency{{Name: "db"}}
		return o
	}()),
	Entry("a missing dependency holds a first start back", func() *observed {
		o := seen(proc("web"), none())
		o.Dependencies = []dependency{{Name: "db"}}
		return o
	}()),
	Entry("a missing dependency does not hold a crash restart back", func() *observed {
		o := seen(proc("web"), down("new", time.Hour, 0, failed, 0))
		o.Dependencies = []dependency{{Name: "db"}}
		return o
	}(), "Start web-new-0"),
	Entry("a missing dependency holds the first start after a boot back", func() *observed {
		o := seen(proc("web"), down("new", time.Hour, 0, runner.Exit{Rebooted: true}, 0))
		o.Dependencies = []dependency{{Name: "db"}}
		return o
	}()),
	Entry("everything stops, but others need it still", func() *observed {
		o := seen(proc("web"), up("new", 0))
		o.Down, o.Held = true, []string{"app"}
		return o
	}()),
)

var _ = DescribeTable("decide about a run that ended", func(change func(*specs.Process), in instance, want ...string) {
	p := proc("web")
	if change != nil {
		change(p)
	}
	Expect(brief(decide(seen(p, in)))).To(Equal(want))
},
	Entry("healthy run: at once", nil, down("new", 10*time.Second, 0, failed, 5), "Start web-new-0"),
	Entry("first short run: at once", nil, down("new", 2*time.Second, 0, failed, 0), "Start web-new-0"),
	Entry("second short run: after the initial wait", nil, down("new", 2*time.Second, 0, failed, 1), "again in 1s"),
	Entry("first run at once over: after the initial wait", nil, down("new", 10*time.Millisecond, 300*time.Millisecond, failed, 0), "again in 700ms"),
	Entry("doubled", nil, down("new", 2*time.Second, 0, failed, 3), "again in 4s"),
	Entry("at most max", nil, down("new", 2*time.Second, 0, failed, 40), "again in 5m0s"),
	Entry("the wait is over", nil, down("new", 2*time.Second, 4*time.Second, failed, 3), "Start web-new-0"),
	Entry("exit 0 under Always: again", nil, down("new", time.Minute, 0, fine, 0), "Start web-new-0"),
	Entry("exit 0 under OnFailure: done", onFailure, down("new", time.Minute, 0, fine, 0)),
	Entry("exit 3 under OnFailure: again", onFailure, down("new", time.Minute, 0, failed, 0), "Start web-new-0"),
	Entry("unknown under OnFailure: again", onFailure, down("new", time.Minute, 0, runner.Exit{}, 0), "Start web-new-0"),
	Entry("a signal under OnFailure: again", onFailure, down("new", time.Minute, 0, runner.Exit{Known: true, Signal: syscall.SIGSEGV}, 0), "Start web-new-0"),
	Entry("exit 3 under Never: done", never, down("new", time.Minute, 0, failed, 0)),
	Entry("stopped by suspend under Never: runs again when resumed", never,
		with(down("new", time.Minute, 0, fine, 0), func(in *instance) { in.Stop = &stop{Reason: stopSuspended} }), "Start web-new-0"),
	Entry("restart asked for under Never: again", func(p *specs.Process) {
		never(p)
		annotate(specs.AnnotationRestartedAt, t0.Format(time.RFC3339Nano))(p)
	}, down("new", time.Minute, 0, fine, 0), "Start web-new-0"),
	Entry("reboot under Always: at once whatever came before", nil, down("new", time.Millisecond, 0, runner.Exit{Rebooted: true}, 9), "Start web-new-0"),
	Entry("a config file was mended while it waits: at once", nil,
		with(down("new", time.Millisecond, 0, failed, 9), func(in *instance) { in.Config = specs.ConfigChangeRestart }), "Start web-new-0"),
	Entry("a start that failed: after the wait", nil, with(none(), func(in *instance) { in.Failure = &failure{At: t0, Count: 2} }), "again in 2s"),
	Entry("a start that failed with another spec: at once", nil, with(none(), func(in *instance) { in.Failure = &failure{At: t0, Count: 2, Generation: 7} }),
		"Start web-new-0"),
	Entry("a fault that was found by reading, and is mended: at once", nil,
		with(none(), func(in *instance) { in.Failure = &failure{At: t0, Count: 9, fault: fault{Early: true}} }), "Start web-new-0"),
)

func onFailure(p *specs.Process) { p.Spec.RestartPolicy = specs.RestartOnFailure }
func never(p *specs.Process)     { p.Spec.RestartPolicy = specs.RestartNever }

var _ = Describe("decide", func() {
	It("counts restarts, but not those that a reboot made", func() {
		in := down("new", time.Minute, 0, failed, 0)
		in.Run.Note.Restarts = 4
		Expect(decide(seen(proc("web"), in)).Actions[0].Restarts).To(BeEquivalentTo(5))
		in.Run.Exit = &runner.Exit{Rebooted: true}
		Expect(decide(seen(proc("web"), in)).Actions[0].Restarts).To(BeEquivalentTo(4))
	})

	It("does not count an instance as ready before minReadySeconds, and looks again then", func() {
		p := proc("web", func(p *specs.Process) { p.Spec.MinReadySeconds = 5 })
		in := up("new", 0)
		in.ReadySince = t0.Add(-2 * time.Second)
		d := decide(seen(p, in))
		Expect(d.Status.ReadyReplicas).To(BeZero())
		Expect(brief(d)).To(Equal([]string{"again in 3s"}))
		in.ReadySince = t0.Add(-5 * time.Second)
		Expect(decide(seen(p, in)).Status.ReadyReplicas).To(BeEquivalentTo(1))
	})

	It("gives the same answer twice, and leaves what it was given alone", func() {
		o := seen(proc("web", replicas(2)), up("new", 0), instance{ID: "web-new-1", Ordinal: 1, Hash: "new"}, up("old", 0))
		before := o.clone()
		Expect(decide(o)).To(Equal(decide(o)))
		Expect(o).To(Equal(before))
	})
})
