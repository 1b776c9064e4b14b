package process

import (
	"slices"
	"time"

	"mirroros.dev/mirroros/controllers/process/runner"
)

// assume is what follows from an action that succeeds: pure, the counterpart of apply for plans. A start is taken to become ready, a
// stop to end the run.
func assume(o *observed, a action) *observed {
	out := o.clone()
	i := slices.IndexFunc(out.Instances, func(in instance) bool { return in.ID == a.ID })
	if i < 0 {
		return out
	}
	in := &out.Instances[i]
	switch a.Verb {
	case verbStart:
		in.Run = &run{Attempt: a.Attempt, Note: note{Ordinal: a.Ordinal, Restarts: a.Restarts, Streak: a.Streak, Restart: o.restartRequest()},
			StartedAt: o.Now.Round(0), Started: o.Now, Limits: limitsOf(&o.Process.Spec)}
		in.Health = health{Started: true, Ready: true, Probed: true}
		in.ReadySince = o.Now.Add(-longReady)
		in.Stop, in.Failure, in.Config, in.ExecutableChanged, in.NewExecutable = nil, nil, "", false, ""
	case verbPreStop:
		in.Stop = &stop{Since: o.Now, SinceAt: o.Now.Round(0), Reason: a.Stop}
	case verbStop:
		in.Stop = &stop{Since: o.Now, SinceAt: o.Now.Round(0), Reason: a.Stop, Signalled: true}
		in.end(o.Now)
	case verbKill:
		in.end(o.Now)
	case verbReload:
		in.Config = ""
	case verbLimit:
		r := *in.Run
		r.Limits, r.Unmet = limitsOf(&o.Process.Spec), ""
		in.Run = &r
	case verbRefuse:
		in.Failure = &failure{fault: a.Fault, At: o.Now, Count: 1, Generation: o.Process.Generation, Restart: o.restartRequest()}
	case verbForget:
		in.Run, in.Stop = nil, nil
		out.Instances = slices.Delete(out.Instances, i, i+1)
	}
	return out
}

// longReady is longer than any minReadySeconds: a plan does not wait.
const longReady = 1000 * time.Hour

// end is the end of a run with exit code 0, as far as anybody is concerned.
func (in *instance) end(now time.Time) {
	if in.Run == nil || in.Run.Exit != nil {
		return
	}
	r := *in.Run
	r.Exit, r.Exited, r.ExitedAt = &runner.Exit{Known: true, At: now.Round(0)}, now, now.Round(0)
	in.Run, in.Ended = &r, terminated(&r, in.Stop, nil)
}

func (o *observed) restartRequest() string {
	if o.Process == nil {
		return ""
	}
	return o.Process.Annotations[restartedAt]
}
