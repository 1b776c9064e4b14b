package check

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// Answer is what one copy of the target gave.
type Answer struct {
	// Instance that was asked.
	Instance string
	Outcome  specs.CheckOutcome
	// Message says what failed.
	Message string
}

// ErrStopped is what Ask answers of a target of which no copy is to run.
var ErrStopped = errors.New("no copy of it is to run")

// Measure runs a check: it makes its measurements and says what they amount to. revision is the template hash of the copies to look at; empty is
// the one in force, and the only one that a route has. Each measurement is told as it is made; tell may be nil. A context that ends ends the run, which is then Unknown.
func (r *Reconciler) Measure(ctx context.Context, c *specs.Check, revision string, tell func(specs.CheckMeasurement)) specs.CheckRun {
	c = specs.Copy(c)
	c.Default()
	run := specs.CheckRun{Started: stamp(r.now()), Generation: c.Generation}
	for _, ref := range c.References() {
		if o, ok := r.o.Client.Store().Get(store.Key{Kind: ref.Kind, Name: ref.Name}); ok {
			run.TargetGeneration = o.GetGeneration()
		}
	}
	failed := int32(0)
	for i := range *c.Spec.Count {
		if i > 0 && !sleep(ctx, c.Spec.Interval.Duration) {
			break
		}
		m := r.measurement(ctx, c, revision)
		if ctx.Err() != nil {
			break
		}
		run.Measurements = append(run.Measurements, m)
		if tell != nil {
			tell(m)
		}
		if m.Outcome == specs.OutcomeFailure {
			failed++
		}
		if failed > *c.Spec.FailureLimit {
			break
		}
	}
	run.Verdict, run.Message = judge(run.Measurements, *c.Spec.FailureLimit)
	if ctx.Err() != nil {
		run.Verdict, run.Message = specs.CheckUnknown, "it was broken off"
	}
	run.Finished = stamp(r.now())
	return run
}

// measurement looks once: it asks a route, or every copy of a process, and has failed when one did.
func (r *Reconciler) measurement(ctx context.Context, c *specs.Check, revision string) specs.CheckMeasurement {
	begin := time.Now()
	var m specs.CheckMeasurement
	if c.Spec.Prompt != nil {
		ctx, cancel := context.WithTimeout(ctx, c.Spec.Timeout.Duration)
		defer cancel()
		m = r.ask(ctx, c)
	} else {
		ctx, cancel := context.WithTimeout(ctx, c.Spec.Timeout.Duration+grace)
		defer cancel()
		m = combine(r.o.Ask(ctx, c.Spec.Target.Process, revision, c.Spec.Handler(), c.Spec.Timeout.Duration))
	}
	m.Took = time.Since(begin).Milliseconds()
	return m
}

// grace is what a measurement may take beyond its timeout to end what it began.
const grace = 5 * time.Second

// combine makes one measurement of what the copies gave: pure.
func combine(answers []Answer, err error) specs.CheckMeasurement {
	switch {
	case errors.Is(err, ErrStopped), errors.Is(err, store.ErrNotFound):
		return specs.CheckMeasurement{Outcome: specs.OutcomeUnknown, Message: clip(err.Error())}
	case err != nil:
		return specs.CheckMeasurement{Outcome: specs.OutcomeUnknown, Message: clip("cannot ask: " + err.Error())}
	case len(answers) == 0:
		return specs.CheckMeasurement{Outcome: specs.OutcomeFailure, Message: "no copy of it runs"}
	}
	for _, outcome := range []specs.CheckOutcome{specs.OutcomeFailure, specs.OutcomeUnknown} {
		for _, a := range answers {
			if a.Outcome == outcome {
				return specs.CheckMeasurement{Outcome: outcome, Message: clip(a.Instance + ": " + a.Message)}
			}
		}
	}
	return specs.CheckMeasurement{Outcome: specs.OutcomeSuccess}
}

// judge says what measurements amount to: pure.
func judge(list []specs.CheckMeasurement, limit int32) (specs.CheckVerdict, string) {
	failed, unknown, message, unclear := 0, 0, "", ""
	for _, m := range list {
		switch m.Outcome {
		case specs.OutcomeFailure:
			failed++
			message = m.Message
		case specs.OutcomeUnknown:
			unknown++
			unclear = m.Message
		}
	}
	switch {
	case failed > int(limit):
		return specs.CheckFailing, fmt.Sprintf("%d of %d measurements failed: %s", failed, len(list), message)
	case unknown == len(list):
		return specs.CheckUnknown, "no measurement could be made: " + unclear
	case unknown > 0:
		return specs.CheckInconclusive, fmt.Sprintf("%d of %d measurements could not be made: %s", unknown, len(list), unclear)
	}
	return specs.CheckPassing, ""
}

// clip keeps the first line of a text, and no more of it than a status is to hold.
func clip(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	return strings.ToValidUTF8(s[:min(len(s), 300)], "")
}

// sleep waits; false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
