package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/queue"
	. "mirroros.dev/mirroros/reconcile/reconciletest"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// reconcileFunc is a Reconciler.
type reconcileFunc func(context.Context, reconcile.Request) (reconcile.Result, error)

func (f reconcileFunc) Reconcile(ctx context.Context, r reconcile.Request) (reconcile.Result, error) {
	return f(ctx, r)
}

// sourceFunc is a Source.
type sourceFunc func(context.Context, func(reconcile.Request, queue.Priority)) error

func (f sourceFunc) Run(ctx context.Context, enqueue func(reconcile.Request, queue.Priority)) error {
	return f(ctx, enqueue)
}

// calls counts the reconciles of each name.
type calls struct {
	mu sync.Mutex
	n  map[string]int
}

func (c *calls) add(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[string]int{}
	}
	c.n[name]++
	return c.n[name]
}

func (c *calls) of(name string) func() int {
	return func() int {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.n[name]
	}
}

var _ = Describe("Manager", func() {
	ctx := context.Background()
	var (
		c    *reconcile.Client
		m    *reconcile.Manager
		seen *calls
	)
	BeforeEach(func() {
		c = TempClient(GinkgoTB())
		m = reconcile.NewManager(reconcile.ManagerOptions{Client: c, Log: GinkgoLogr, Backoff: time.Millisecond, MaxBackoff: 5 * time.Millisecond})
		seen = &calls{}
	})
	run := func() (stop func()) {
		ctx, cancel := context.WithCancel(ctx)
		done := make(chan error)
		go func() { done <- m.Run(ctx) }()
		stop = sync.OnceFunc(func() {
			cancel()
			Expect(<-done).To(Succeed())
		})
		DeferCleanup(stop)
		return stop
	}
	count := reconcileFunc(func(_ context.Context, r reconcile.Request) (reconcile.Result, error) {
		seen.add(r.Name)
		return reconcile.Result{}, nil
	})
	make1 := func(o specs.Object) specs.Object {
		GinkgoHelper()
		o, err := c.Create(ctx, o)
		Expect(err).NotTo(HaveOccurred())
		return o
	}

	It("begins with every object, and goes on with what is made, edited and deleted", func() {
		make1(process("old"))
		m.Add(reconcile.Controller{Name: "p", Kind: "Process", Reconciler: count})
		run()
		Eventually(seen.of("old")).Should(Equal(1))
		make1(process("new"))
		Eventually(seen.of("new")).Should(Equal(1))
		p := process("new")
		p.Spec.Suspend = true
		_, err := c.Update(ctx, p)
		Expect(err).NotTo(HaveOccurred())
		Eventually(seen.of("new")).Should(Equal(2))
		p.Annotations = map[string]string{"a": "b"}
		_, err = c.Update(ctx, p)
		Expect(err).NotTo(HaveOccurred())
		Eventually(seen.of("new")).Should(Equal(3))
		Expect(c.Delete(ctx, store.Key{Kind: "Process", Name: "new"})).To(Succeed())
		Eventually(seen.of("new")).Should(Equal(4))
		Expect(seen.of("old")()).To(Equal(1))
	})

	It("does not wake a controller for the status of its own kind", func() {
		m.Add(reconcile.Controller{Name: "p", Kind: "Process", Reconciler: count})
		make1(process("a"))
		run()
		Eventually(seen.of("a")).Should(Equal(1))
		p := process("a")
		p.Status.Replicas = 1
		_, err := c.UpdateStatus(ctx, p)
		Expect(err).NotTo(HaveOccurred())
		make1(process("after"))
		Eventually(seen.of("after")).Should(Equal(1))
		Expect(seen.of("a")()).To(Equal(1))
	})

	It("maps what it watches to requests, a Map that panics included", func() {
		m.Add(reconcile.Controller{Name: "p", Kind: "Process", Reconciler: count, Watches: []reconcile.Watch{
			{Kind: "Instance", Map: func(e store.Event) []reconcile.Request { panic("ouch") }},
			{Kind: "Instance", Map: func(e store.Event) []reconcile.Request {
				return []reconcile.Request{{Kind: "Process", Name: string(e.Type) + e.Object.(*specs.Instance).Spec.Process}}
			}},
		}})
		run()
		make1(instance("web-1"))
		Eventually(seen.of("ADDEDweb")).Should(Equal(1))
		in := instance("web-1")
		in.Status.Ready = true
		_, err := c.UpdateStatus(ctx, in)
		Expect(err).NotTo(HaveOccurred())
		Eventually(seen.of("MODIFIEDweb")).Should(Equal(1))
		Expect(c.Delete(ctx, store.Key{Kind: "Instance", Name: "web-1"})).To(Succeed())
		Eventually(seen.of("DELETEDweb")).Should(Equal(1))
	})

	It("tries again after errors and panics, and not after a terminal error", func() {
		m.Add(reconcile.Controller{Name: "p", Kind: "Process", Workers: 2, Reconciler: reconcileFunc(func(ctx context.Context, r reconcile.Request) (reconcile.Result, error) {
			reconcile.Log(ctx).Info("here")
			n := seen.add(r.Name)
			switch {
			case n > 3:
				return reconcile.Result{}, nil
			case r.Name == "panics":
				panic("ouch")
			case r.Name == "conflicts":
				return reconcile.Result{}, fmt.Errorf("x: %w", store.ErrConflict)
			case r.Name == "terminal":
				return reconcile.Result{}, fmt.Errorf("x: %w", reconcile.TerminalError(errors.New("hopeless")))
			case r.Name == "again":
				return reconcile.Result{RequeueAfter: time.Millisecond}, nil
			}
			return reconcile.Result{}, errors.New("failed")
		})})
		names := []string{"panics", "conflicts", "fails", "again"}
		make1(process("terminal"))
		for _, n := range names {
			make1(process(n))
		}
		run()
		for _, n := range names {
			Eventually(seen.of(n)).Should(Equal(4), n)
		}
		Expect(seen.of("terminal")()).To(Equal(1))
	})

	It("takes requests from sources, which are run again when they fail, and from Enqueue", func() {
		var runs atomic.Int32
		m.Add(reconcile.Controller{Name: "p", Kind: "Process", Reconciler: count, Sources: []reconcile.Source{
			sourceFunc(func(ctx context.Context, enqueue func(reconcile.Request, queue.Priority)) error {
				if runs.Add(1) == 1 {
					panic("ouch")
				}
				enqueue(reconcile.Request{Kind: "Process", Name: "sourced"}, queue.Exit)
				<-ctx.Done()
				return nil
			}),
		}})
		m.Enqueue("p", reconcile.Request{Kind: "Process", Name: "named"}, queue.Normal)
		m.Enqueue("Process", reconcile.Request{Kind: "Process", Name: "kind"}, queue.Normal)
		run()
		for _, n := range []string{"sourced", "named", "kind"} {
			Eventually(seen.of(n)).Should(Equal(1), n)
		}
	})

	It("misses nothing when it falls behind the history of the store", func() {
		s, err := store.Open(GinkgoT().TempDir()+"/s.db", store.Options{Codec: reconcile.Codec(), History: 4})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(s.Close)
		c = reconcile.NewClient(s, reconcile.ClientOptions{})
		m = reconcile.NewManager(reconcile.ManagerOptions{Client: c, Log: GinkgoLogr})
		m.Add(reconcile.Controller{Name: "p", Kind: "Process", Reconciler: count})
		make1(process("doomed"))
		run()
		Eventually(seen.of("doomed")).Should(Equal(1))
		_, err = c.Txn(ctx, func(t *reconcile.ClientTx) error {
			for i := range 20 {
				if _, err := t.Create(process(fmt.Sprint("p", i))); err != nil {
					return err
				}
			}
			return t.Delete(store.Key{Kind: "Process", Name: "doomed"})
		})
		Expect(err).NotTo(HaveOccurred())
		for i := range 20 {
			Eventually(seen.of(fmt.Sprint("p", i))).Should(Equal(1))
		}
		Eventually(seen.of("doomed")).Should(Equal(2))
	})

	It("waits for what it started, and says when the store was closed", func() {
		entered, left := make(chan bool), atomic.Bool{}
		m.Add(reconcile.Controller{Name: "p", Kind: "Process", Reconciler: reconcileFunc(func(ctx context.Context, r reconcile.Request) (reconcile.Result, error) {
			entered <- true
			<-ctx.Done()
			left.Store(true)
			return reconcile.Result{}, ctx.Err()
		})})
		make1(process("a"))
		stop := run()
		<-entered
		stop()
		Expect(left.Load()).To(BeTrue())

		m = reconcile.NewManager(reconcile.ManagerOptions{Client: c, Log: GinkgoLogr})
		m.Add(reconcile.Controller{Name: "q", Kind: "Stack", Reconciler: count})
		Expect(c.Store().Close()).To(Succeed())
		Expect(m.Run(ctx)).To(MatchError(store.ErrClosed))
	})

	It("tells when the reconcilers have come to rest, and again after they worked again", func() {
		rested := make(chan int)
		m = reconcile.NewManager(reconcile.ManagerOptions{Client: c, Log: GinkgoLogr, RestAfter: 10 * time.Millisecond, Rest: func() { rested <- seen.of("a")() }})
		m.Add(reconcile.Controller{Name: "p", Kind: "Process", Reconciler: count})
		make1(process("a"))
		run()
		Eventually(rested).Should(Receive(Equal(1)))
		Consistently(rested, "50ms").ShouldNot(Receive())
		m.Enqueue("p", store.Key{Kind: "Process", Name: "a"}, queue.Edit)
		Eventually(rested).Should(Receive(Equal(2)))
	})

	It("refuses controllers that cannot run", func() {
		m.Add(reconcile.Controller{Name: "p", Kind: "Process", Reconciler: count})
		Expect(func() { m.Add(reconcile.Controller{Name: "p", Kind: "Stack", Reconciler: count}) }).To(Panic())
		Expect(func() { m.Add(reconcile.Controller{Name: "q"}) }).To(Panic())
	})
})
