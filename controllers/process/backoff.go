package process

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/specs"
)

// backOff tells whether a start is due, or what it waits for.
func (d *decider) backOff(in *instance) (specs.StateWaiting, bool) {
	if f := in.Failure; f != nil {
		return d.afterFailure(in, f)
	}
	r := in.Run
	if r == nil || d.fresh(in) {
		return specs.StateWaiting{}, true
	}
	wait := restartDelay(r, d.Process.Spec.RestartBackoff)
	left := wait - d.Now.Sub(r.Exited)
	if left <= 0 {
		return specs.StateWaiting{}, true
	}
	d.after(left)
	w := waiting(specs.ReasonCrashLoopBackOff, endText(in))
	w.Until = seconds(r.ExitedAt.Add(wait))
	return w, false
}

// afterFailure waits longer after each start that did not come to a run; what was found by reading files is tried as soon as they are right,
// and what lacked a port of another instance as soon as that has given it back.
func (d *decider) afterFailure(in *instance, f *failure) (specs.StateWaiting, bool) {
	mended := f.Early && d.Template == nil && in.Hash == d.Hash
	if mended || in.Freed || f.Generation != d.Process.Generation || f.Restart != d.Process.Annotations[specs.AnnotationRestartedAt] {
		return specs.StateWaiting{}, true
	}
	wait := exponential(d.Process.Spec.RestartBackoff, f.Count)
	left := wait - d.Now.Sub(f.At)
	if left <= 0 {
		return specs.StateWaiting{}, true
	}
	d.after(left)
	w := waiting(f.Reason, f.Message)
	w.Until = seconds(f.At.Round(0).Add(wait))
	return w, false
}

// restartDelay is how long a restart waits: not at all after a healthy run, nor the first time after a run that was not quick;
// then initial, doubled each time, up to max.
func restartDelay(r *run, b *specs.Backoff) time.Duration {
	ran, streak := r.Exited.Sub(r.Started), r.Note.Streak
	reset := resetAfter(b)
	if ran >= reset || streak == 0 && ran >= min(quickRun, reset) {
		return 0
	}
	return exponential(b, max(streak, 1))
}

// nextStreak counts on: 0 is after a healthy run, 1 a restart at once, n one that waited initial × 2^(n-2).
func nextStreak(r *run, reset time.Duration) int {
	ran := r.Exited.Sub(r.Started)
	switch {
	case ran >= reset:
		return 1
	case r.Note.Streak == 0 && ran < min(quickRun, reset):
		return 2
	}
	return r.Note.Streak + 1
}

// exponential is initial × 2^(n-1), at most max.
func exponential(b *specs.Backoff, n int) time.Duration {
	wait, most := specs.DefaultBackoffInitial, specs.DefaultBackoffMax
	if b != nil && b.Initial != nil {
		wait = b.Initial.Duration
	}
	if b != nil && b.Max != nil {
		most = b.Max.Duration
	}
	for ; n > 1 && wait < most; n-- {
		wait *= 2
	}
	return min(wait, most)
}

func resetAfter(b *specs.Backoff) time.Duration {
	if b == nil || b.ResetAfter == nil {
		return specs.DefaultBackoffResetAfter
	}
	return b.ResetAfter.Duration
}

func (d *decider) resetAfter() time.Duration { return resetAfter(d.Process.Spec.RestartBackoff) }

// endText says how the last run ended, as it was told.
func endText(in *instance) string {
	if in.Ended != nil && in.Ended.Message != "" {
		return in.Ended.Message
	}
	return exitText(in.Run.Exit)
}

// lastWords is what a program said before it ended, in one line.
func lastWords(tail []string) string {
	if len(tail) == 0 {
		return ""
	}
	text := strings.Join(tail, " / ")
	if len(text) > 400 {
		text = "…" + strings.ToValidUTF8(text[len(text)-400:], "")
	}
	return fmt.Sprintf(": %q", text)
}

// seconds is a time as status keeps it: whole seconds, so that it reads back from disk as it was written.
func seconds(t time.Time) *metav1.Time {
	m := metav1.NewTime(t.Round(0).Truncate(time.Second))
	return &m
}
