package queue_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/reconcile/queue"
)

var _ = Describe("Queue", func() {
	ctx := context.Background()
	var q *queue.Queue[string]
	BeforeEach(func() {
		q = queue.New[string](queue.Options{})
		DeferCleanup(q.Close)
	})
	get := func() string {
		GinkgoHelper()
		k, _, ok := q.Get(ctx)
		Expect(ok).To(BeTrue())
		return k
	}

	It("hands out the highest priority first, equal ones in order", func() {
		q.Add("resync", queue.Resync)
		q.Add("a", queue.Normal)
		q.Add("exit", queue.Exit)
		q.Add("b", queue.Normal)
		Expect([]string{get(), get(), get(), get()}).To(Equal([]string{"exit", "a", "b", "resync"}))
	})

	It("hands a key out once, at the highest priority it was added with", func() {
		q.Add("a", queue.Resync)
		q.Add("b", queue.Normal)
		q.Add("a", queue.Exit)
		q.Add("a", queue.Resync)
		Expect(q.Len()).To(Equal(2))
		k, p, _ := q.Get(ctx)
		Expect(k).To(Equal("a"))
		Expect(p).To(Equal(queue.Exit))
		Expect(get()).To(Equal("b"))
		Expect(q.Len()).To(BeZero())
	})

	It("gives no key to two workers, and hands it out again when it was added meanwhile", func() {
		q.Add("a", queue.Normal)
		get()
		q.Add("a", queue.Exit)
		q.Add("b", queue.Normal)
		Expect(get()).To(Equal("b"))
		Expect(q.Len()).To(BeZero())
		q.Done("a")
		k, p, _ := q.Get(ctx)
		Expect(k).To(Equal("a"))
		Expect(p).To(Equal(queue.Exit))
		q.Done("a")
		Expect(q.Len()).To(BeZero())
	})

	It("wakes a worker that waits, and one that is cancelled takes nothing with it", func() {
		got := make(chan string)
		cancelled, cancel := context.WithCancel(ctx)
		worker := func(ctx context.Context) {
			k, _, _ := q.Get(ctx)
			got <- k
		}
		go worker(cancelled)
		go worker(ctx)
		cancel()
		Eventually(got).Should(Receive(BeEmpty()))
		q.Add("a", queue.Normal)
		Eventually(got).Should(Receive(Equal("a")))
	})

	It("ends every Get when it is closed", func() {
		done := make(chan bool)
		for range 3 {
			go func() {
				_, _, ok := q.Get(ctx)
				done <- ok
			}()
		}
		q.Close()
		for range 3 {
			Eventually(done).Should(Receive(BeFalse()))
		}
		q.Add("a", queue.Normal)
		q.AddAfter("a", 1, queue.Normal)
		q.AddRateLimited("a", queue.Normal)
		Expect(q.Len()).To(BeZero())
	})
})
