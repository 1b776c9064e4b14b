package process

import (
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/controllers/process/runner"
	"mirroros.dev/mirroros/specs"
)

// setClock is a step of the wall clock while there is no operator: all that the next one has of before is wall times.
func (w *world) setClock(step time.Duration) {
	w.begin = w.begin.Add(step)
	w.restartOperator()
	w.drain()
}

func started(log []string) int {
	n := 0
	for _, l := range log {
		if strings.HasPrefix(l, "start") {
			n++
		}
	}
	return n
}

var _ = Describe("a wall clock that was set between two operators", func() {
	crashing := func(w *world) {
		w.put(proc("web", func(p *specs.Process) {
			p.Spec.RestartBackoff = &specs.Backoff{Initial: &metav1.Duration{Duration: time.Minute}, Max: &metav1.Duration{Duration: time.Minute}}
		}))
		w.drain()
		w.rt.exit(w.rt.live()[0], runner.Exit{Known: true, Code: 1})
		w.drain()
		Expect(w.rt.live()).To(BeEmpty())
		w.rt.takeLog()
	}

	It("back makes nobody wait for tomorrow", func() {
		w := newWorld(GinkgoTB())
		crashing(w)
		w.setClock(-24 * time.Hour)
		Expect(w.rt.live()).To(BeEmpty(), "it backs off")
		w.wait(time.Minute + time.Second)
		Expect(w.rt.live()).To(HaveLen(1))
		Expect(started(w.rt.takeLog())).To(Equal(1))
	})

	It("forward ends the wait, and starts it once", func() {
		w := newWorld(GinkgoTB())
		crashing(w)
		w.setClock(24 * time.Hour)
		w.wait(time.Minute)
		Expect(w.rt.live()).To(HaveLen(1))
		Expect(started(w.rt.takeLog())).To(Equal(1))
	})

	for _, step := range []time.Duration{-24 * time.Hour, 24 * time.Hour} {
		It("by "+step.String()+" restarts nothing that runs, and shortens no run to a crash", func() {
			w := newWorld(GinkgoTB())
			w.put(proc("web"))
			w.wait(time.Hour)
			ids := w.rt.live()
			w.rt.takeLog()
			w.setClock(step)
			w.wait(time.Minute)
			Expect(w.rt.live()).To(Equal(ids))
			Expect(w.rt.takeLog()).To(BeEmpty())
			w.rt.exit(ids[0], runner.Exit{Known: true, Code: 1})
			w.wait(time.Second)
			Expect(w.rt.live()).To(HaveLen(1), "the first restart after a long run is at once")
		})

		It("by "+step.String()+" lets a stop that is under way come to its end", func() {
			w := newWorld(GinkgoTB())
			w.put(proc("web", func(p *specs.Process) {
				p.Spec.TerminationGracePeriodSeconds = new(int64)
				*p.Spec.TerminationGracePeriodSeconds = 30
			}))
			w.wait(time.Minute)
			w.rt.stubborn = true
			w.edit("web", func(p *specs.Process) { p.Spec.Suspend = true })
			w.wait(time.Second)
			Expect(w.rt.live()).To(HaveLen(1))
			w.setClock(step)
			w.wait(31 * time.Second)
			Expect(w.rt.live()).To(BeEmpty())
			Expect(slices.ContainsFunc(w.rt.takeLog(), func(l string) bool { return strings.HasPrefix(l, "kill") })).To(BeTrue())
		})
	}
})

var _ = Describe("a suspend until a time of the calendar", func() {
	It("looks at the clock now and then: a timer stands still while the host sleeps", func() {
		at := t0.Add(8 * time.Hour)
		p := proc("web", func(p *specs.Process) { p.Spec.Suspend = true }, annotate(specs.AnnotationResumeAt, at.Format(time.RFC3339Nano)))
		Expect(brief(decide(seen(p)))).To(Equal([]string{"again in 1m0s"}))
		o := seen(p)
		o.Now = at.Add(-time.Second)
		Expect(brief(decide(o))).To(Equal([]string{"again in 1s"}))
	})

	It("has slept through it: it resumes at the next look", func() {
		w := newWorld(GinkgoTB())
		w.put(proc("web", func(p *specs.Process) { p.Spec.Suspend = true }, annotate(specs.AnnotationResumeAt, w.now().Add(time.Hour).Format(time.RFC3339Nano))))
		w.wait(time.Second)
		Expect(w.rt.live()).To(BeEmpty())
		w.setClock(2 * time.Hour)
		Expect(w.rt.live()).To(HaveLen(1))
	})
})
