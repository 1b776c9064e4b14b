package queue_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/reconcile/queue"
)

func TestDelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		q := queue.New[string](queue.Options{})
		defer q.Close()
		begin := time.Now()
		next := func() (string, time.Duration) {
			k, _, ok := q.Get(t.Context())
			g.Expect(ok).To(BeTrue())
			q.Done(k)
			return k, time.Since(begin)
		}
		q.AddAfter("late", time.Hour, queue.Normal)
		q.AddAfter("a", 10*time.Second, queue.Normal)
		q.AddAfter("a", 5*time.Second, queue.Normal) // the earlier one wins
		q.AddAfter("a", 7*time.Second, queue.Exit)
		q.AddAfter("now", 0, queue.Normal)
		for _, want := range []struct {
			key string
			at  time.Duration
		}{{"now", 0}, {"a", 5 * time.Second}, {"late", time.Hour}} {
			k, at := next()
			g.Expect(k).To(Equal(want.key))
			g.Expect(at).To(Equal(want.at))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
		defer cancel()
		_, _, ok := q.Get(ctx)
		g.Expect(ok).To(BeFalse(), "nothing comes twice")
	})
}

func TestAddDoesNotTakeBackALaterTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		q := queue.New[string](queue.Options{})
		defer q.Close()
		begin := time.Now()
		q.AddAfter("a", time.Minute, queue.Normal)
		q.Add("a", queue.Normal)
		for _, at := range []time.Duration{0, time.Minute} {
			k, _, _ := q.Get(t.Context())
			g.Expect(time.Since(begin)).To(Equal(at))
			q.Done(k)
		}
	})
}

func TestTimeComesWhileAWorkerHasTheKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		q := queue.New[string](queue.Options{})
		defer q.Close()
		q.Add("a", queue.Normal)
		k, _, _ := q.Get(t.Context())
		q.AddAfter(k, time.Second, queue.Exit)
		<-time.After(2 * time.Second)
		synctest.Wait()
		g.Expect(q.Len()).To(BeZero())
		q.Done(k)
		g.Expect(q.Len()).To(Equal(1))
	})
}

func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		q := queue.New[string](queue.Options{Backoff: time.Second, MaxBackoff: 10 * time.Second})
		defer q.Close()
		var waits []time.Duration
		fail := func() {
			begin := time.Now()
			q.AddRateLimited("a", queue.Normal)
			k, _, _ := q.Get(t.Context())
			q.Done(k)
			waits = append(waits, time.Since(begin)/time.Second)
		}
		for range 6 {
			fail()
		}
		g.Expect(q.Failures("a")).To(Equal(6))
		q.Forget("a")
		g.Expect(q.Failures("a")).To(BeZero())
		fail()
		g.Expect(waits).To(Equal([]time.Duration{1, 2, 4, 8, 10, 10, 1}))
	})
}
