package process

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/specs"
)

// script answers probes: failing until a time, or as set.
type script struct {
	mu    sync.Mutex
	now   verdict
	calls int
}

func (s *script) set(v verdict) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = v
}

func (s *script) check(context.Context, time.Duration) (verdict, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	return s.now, "as told"
}

// probing runs a prober on one target for as long as the test.
func probing(t *testing.T, change func(*probeTarget), known health) (p *prober, told *atomic.Int32) {
	told = &atomic.Int32{}
	p = newProber(func(string) { told.Add(1) })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = p.run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	target := &probeTarget{id: "web-h-0", process: "web", attempt: 1, started: time.Now()}
	change(target)
	p.put(target, known)
	return p, told
}

func (s *script) probe(change func(*specs.Probe)) *probed {
	spec := &specs.Probe{PeriodSeconds: 10, TimeoutSeconds: 1, SuccessThreshold: 1, FailureThreshold: 3}
	if change != nil {
		change(spec)
	}
	return &probed{spec: spec, check: s.check}
}

func now(p *prober) health {
	synctest.Wait()
	h, _ := p.health("web-h-0", 1)
	return h
}

func TestReadinessIsFoundSoonAndLostSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, s := NewWithT(t), &script{now: verdictFailure}
		p, told := probing(t, func(t *probeTarget) { t.readiness = s.probe(nil) }, health{Started: true})
		g.Expect(now(p).Ready).To(BeFalse())
		s.set(verdictSuccess)
		<-time.After(2 * early)
		g.Expect(now(p).Ready).To(BeTrue())
		s.set(verdictFailure)
		<-time.After(25 * time.Second)
		g.Expect(now(p).Ready).To(BeTrue())
		<-time.After(6 * time.Second)
		g.Expect(now(p).Ready).To(BeFalse())
		g.Expect(now(p).Message).To(Equal("readiness probe: as told"))
		g.Expect(told.Load()).To(BeNumerically("<=", 4))
	})
}

func TestUnknownIsNotReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, s := NewWithT(t), &script{now: verdictUnknown}
		p, _ := probing(t, func(t *probeTarget) { t.readiness = s.probe(nil) }, health{Started: true})
		<-time.After(time.Hour)
		g.Expect(now(p).Ready).To(BeFalse())
	})
}

func TestWhatWasReadyStaysSoUntilProbedOtherwise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, s := NewWithT(t), &script{now: verdictFailure}
		p, _ := probing(t, func(t *probeTarget) { t.readiness = s.probe(nil) }, health{Started: true, Ready: true})
		g.Expect(now(p).Ready).To(BeTrue())
		<-time.After(21 * time.Second)
		g.Expect(now(p).Ready).To(BeFalse())
	})
}

func TestStartupHoldsTheOthersBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, startup, liveness := NewWithT(t), &script{now: verdictFailure}, &script{now: verdictFailure}
		p, _ := probing(t, func(t *probeTarget) { t.startup, t.liveness = startup.probe(nil), liveness.probe(nil) }, health{Ready: true})
		<-time.After(29 * time.Second)
		g.Expect(now(p)).To(And(HaveField("Started", false), HaveField("Failed", stopReason(""))))
		g.Expect(liveness.calls).To(BeZero())
		startup.set(verdictSuccess)
		<-time.After(10 * time.Second)
		g.Expect(now(p).Started).To(BeTrue())
		<-time.After(20 * time.Second)
		g.Expect(now(p).Failed).To(Equal(stopLiveness))
	})
}

func TestStartupFailsForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, s := NewWithT(t), &script{now: verdictFailure}
		p, _ := probing(t, func(t *probeTarget) { t.startup = s.probe(nil) }, health{})
		<-time.After(45 * time.Second)
		g.Expect(now(p)).To(And(HaveField("Failed", stopStartup), HaveField("Message", "startup probe: as told")))
	})
}

func TestUnknownKillsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, s := NewWithT(t), &script{now: verdictUnknown}
		p, _ := probing(t, func(t *probeTarget) { t.liveness = s.probe(nil) }, health{Started: true, Ready: true})
		<-time.After(24 * time.Hour)
		g.Expect(now(p).Failed).To(BeEmpty())
	})
}

func TestDroppedIsNotProbed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, s := NewWithT(t), &script{now: verdictSuccess}
		p, _ := probing(t, func(t *probeTarget) { t.liveness = s.probe(nil) }, health{Started: true, Ready: true})
		<-time.After(time.Minute)
		p.drop("web-h-0")
		synctest.Wait()
		calls := s.calls
		<-time.After(time.Hour)
		g.Expect(s.calls).To(Equal(calls))
	})
}
