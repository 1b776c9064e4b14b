package process

import (
	"context"
	"reflect"
	"sync"
	"time"

	"mirroros.dev/mirroros/specs"
)

// verdict is what one probe found. Unknown, because the probe itself could not be made, is no success; but it kills nothing either.
type verdict int

const (
	verdictUnknown verdict = iota
	verdictSuccess
	verdictFailure
)

// checker runs a probe or another handler once.
type checker func(ctx context.Context, timeout time.Duration) (verdict, string)

// probed is one probe, ready to be made.
type probed struct {
	spec  *specs.Probe
	check checker
}

// probeTarget is a run to be probed.
type probeTarget struct {
	id, process                  string
	attempt                      int
	started                      time.Time
	startup, readiness, liveness *probed
}

// prober probes runs. It has goroutines for those alone that have probes, and tells their process when a verdict changes.
type prober struct {
	changed func(process string)

	mu      sync.Mutex // guards all below
	targets map[string]*probeTarget
	results map[string]health
	wake    chan struct{}
}

func newProber(changed func(process string)) *prober {
	return &prober{changed: changed, targets: map[string]*probeTarget{}, results: map[string]health{}, wake: make(chan struct{}, 1)}
}

// probes tells whether a run is probed as the spec says; else it is to be put.
func (p *prober) probes(id string, attempt int, s *specs.ProcessSpec) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.targets[id]
	return t != nil && t.attempt == attempt && t.startup.same(s.StartupProbe) && t.readiness.same(s.ReadinessProbe) && t.liveness.same(s.LivenessProbe)
}

func (b *probed) same(s *specs.Probe) bool {
	if b == nil || s == nil {
		return b == nil && s == nil
	}
	return b.spec == s || reflect.DeepEqual(b.spec, s)
}

// put has a run probed, in place of what was there of the instance; it begins with what is known.
func (p *prober) put(t *probeTarget, known health) {
	p.mu.Lock()
	p.targets[t.id], p.results[t.id] = t, known
	p.mu.Unlock()
	wake(p.wake)
}

// drop ends the probing of an instance.
func (p *prober) drop(id string) {
	p.mu.Lock()
	_, had := p.targets[id]
	delete(p.targets, id)
	delete(p.results, id)
	p.mu.Unlock()
	if had {
		wake(p.wake)
	}
}

// health is what the probes of a run have found.
func (p *prober) health(id string, attempt int) (health, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t := p.targets[id]; t == nil || t.attempt != attempt {
		return health{}, false
	}
	return p.results[id], true
}

// report changes what is known of a target, and tells its process when that says something else.
func (p *prober) report(t *probeTarget, change func(*health)) {
	p.mu.Lock()
	if p.targets[t.id] != t {
		p.mu.Unlock()
		return
	}
	was := p.results[t.id]
	now := was
	now.Probed = true
	change(&now)
	p.results[t.id] = now
	p.mu.Unlock()
	if now != was {
		p.changed(t.process)
	}
}

// run probes until ctx ends, and then waits for the probes under way.
func (p *prober) run(ctx context.Context) error {
	var children sync.WaitGroup
	defer children.Wait()
	running := map[*probeTarget]context.CancelFunc{}
	defer func() {
		for _, cancel := range running {
			cancel()
		}
	}()
	for {
		p.mu.Lock()
		wanted := make(map[*probeTarget]bool, len(p.targets))
		for _, t := range p.targets {
			wanted[t] = true
		}
		p.mu.Unlock()
		for t, cancel := range running {
			if !wanted[t] {
				cancel()
				delete(running, t)
			}
		}
		for t := range wanted {
			if running[t] == nil {
				one, cancel := context.WithCancel(ctx)
				running[t] = cancel
				children.Go(func() { p.probe(one, t) })
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-p.wake:
		}
	}
}

// probe probes one run: first whether it has started, then whether it is ready, and beside that whether it lives.
func (p *prober) probe(ctx context.Context, t *probeTarget) {
	known, _ := p.health(t.id, t.attempt)
	if t.startup != nil && !known.Started && !p.startup(ctx, t) {
		return
	}
	if t.readiness == nil && t.liveness == nil {
		p.report(t, func(*health) {})
		return
	}
	var liveness sync.WaitGroup
	defer liveness.Wait()
	if t.liveness != nil {
		liveness.Go(func() { p.liveness(ctx, t) })
	}
	if t.readiness != nil {
		p.readiness(ctx, t, known.Ready)
	}
}

// early is the first wait while something comes up: probing begins often and slows down to the period, so that what is up in
// milliseconds is found so. Only time counts toward failing meanwhile.
const early = 20 * time.Millisecond

// startup probes until the run has started; false when it did not, or ctx ended.
func (p *prober) startup(ctx context.Context, t *probeTarget) bool {
	s := t.startup.spec
	period := every(s)
	if !sleep(ctx, time.Until(t.started.Add(seconds32(s.InitialDelaySeconds)))) {
		return false
	}
	begin := time.Now()
	for wait := early; ; wait = min(2*wait, period) {
		v, message := t.startup.check(ctx, seconds32(max(s.TimeoutSeconds, 1)))
		switch {
		case ctx.Err() != nil:
			return false
		case v == verdictSuccess:
			p.report(t, func(h *health) { h.Started, h.Message, h.Ready = true, "", h.Ready || t.readiness == nil })
			return true
		case time.Since(begin) >= period*time.Duration(max(s.FailureThreshold, 1)):
			p.report(t, func(h *health) { h.Failed, h.Message = stopStartup, "startup probe: "+message })
			return false
		}
		p.report(t, func(h *health) { h.Message = "startup probe: " + message })
		if !sleep(ctx, wait) {
			return false
		}
	}
}

// readiness probes until ctx ends.
func (p *prober) readiness(ctx context.Context, t *probeTarget, ready bool) {
	s := t.readiness.spec
	if !sleep(ctx, time.Until(t.started.Add(seconds32(s.InitialDelaySeconds)))) {
		return
	}
	successes, failures := int32(0), int32(0)
	for wait := early; ; {
		v, message := t.readiness.check(ctx, seconds32(max(s.TimeoutSeconds, 1)))
		if ctx.Err() != nil {
			return
		}
		if v == verdictSuccess {
			successes, failures = successes+1, 0
			if ready = ready || successes >= max(s.SuccessThreshold, 1); ready {
				p.report(t, func(h *health) { h.Ready, h.Message = true, "" })
			}
		} else {
			successes, failures = 0, failures+1
			if !ready || failures >= max(s.FailureThreshold, 1) {
				ready = false
				p.report(t, func(h *health) { h.Ready, h.Message = false, "readiness probe: "+message })
			}
		}
		wait = min(2*wait, every(s))
		if ready || successes > 0 {
			wait = every(s)
		}
		if !sleep(ctx, wait) {
			return
		}
	}
}

// liveness probes until the run fails for good, or ctx ends.
func (p *prober) liveness(ctx context.Context, t *probeTarget) {
	s := t.liveness.spec
	if !sleep(ctx, time.Until(t.started.Add(seconds32(s.InitialDelaySeconds)))) {
		return
	}
	for failures := int32(0); ; {
		v, message := t.liveness.check(ctx, seconds32(max(s.TimeoutSeconds, 1)))
		switch {
		case ctx.Err() != nil:
			return
		case v == verdictSuccess:
			failures = 0
		case v == verdictFailure:
			failures++
		}
		if failures >= max(s.FailureThreshold, 1) {
			p.report(t, func(h *health) { h.Failed, h.Message = stopLiveness, "liveness probe: "+message })
			return
		}
		if !sleep(ctx, every(s)) {
			return
		}
	}
}

func every(s *specs.Probe) time.Duration { return seconds32(max(s.PeriodSeconds, 1)) }

func seconds32(n int32) time.Duration { return time.Duration(n) * time.Second }

// sleep waits; false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
