package reconcile

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"

	"mirroros.dev/mirroros/reconcile/queue"
)

// ManagerOptions of NewManager. Client must be set.
type ManagerOptions struct {
	Client *Client
	Log    logr.Logger
	// Backoff and MaxBackoff bound the wait before a failed request is tried again; see queue.Options.
	Backoff, MaxBackoff time.Duration
	// Rest is called when no reconciler has run for RestAfter after one did: the time for what need not compete with them. Default: nothing.
	Rest func()
	// RestAfter is how long. Default 2 s, so that what is written lazily is written by then.
	RestAfter time.Duration
}

// Manager runs controllers: it follows the store, queues requests and calls the reconcilers.
type Manager struct {
	o           ManagerOptions
	controllers []*running
	ids         atomic.Uint64
	started     atomic.Bool
	resting     *time.Timer // fires when the reconcilers have come to rest
}

// running is a controller with its queue.
type running struct {
	Controller
	m     *Manager
	log   logr.Logger
	queue *queue.Queue[Request]
}

// NewManager makes a manager without controllers.
func NewManager(o ManagerOptions) *Manager {
	if o.RestAfter <= 0 {
		o.RestAfter = 2 * time.Second
	}
	return &Manager{o: o}
}

// Add adds a controller. It must be called before Run, and panics when the controller lacks a name of its own, a kind or a reconciler.
func (m *Manager) Add(c Controller) {
	if m.started.Load() {
		panic(fmt.Sprintf("cannot add controller %q: the manager runs", c.Name))
	}
	if c.Name == "" || c.Kind == "" || c.Reconciler == nil || m.named(c.Name) != nil {
		panic(fmt.Sprintf("cannot add controller %q: it needs a name of its own, a kind and a reconciler", c.Name))
	}
	c.Workers = max(c.Workers, 1)
	m.controllers = append(m.controllers, &running{
		Controller: c,
		m:          m,
		log:        m.o.Log.WithValues("controller", c.Name),
		queue:      queue.New[Request](queue.Options{Backoff: m.o.Backoff, MaxBackoff: m.o.MaxBackoff}),
	})
}

// Enqueue asks the controller of a name, or every controller of a kind, to look at r. It may be called at any time, and never blocks.
func (m *Manager) Enqueue(controller string, r Request, p queue.Priority) {
	if c := m.named(controller); c != nil {
		c.queue.Add(r, p)
		return
	}
	for _, c := range m.controllers {
		if c.Kind == controller {
			c.queue.Add(r, p)
		}
	}
}

func (m *Manager) named(name string) *running {
	for _, c := range m.controllers {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// Run runs the controllers until ctx ends and all that it started has ended. It begins with a request for every object, at the lowest
// priority. An error means that the store was closed. A manager runs once.
func (m *Manager) Run(ctx context.Context) error {
	if m.started.Swap(true) {
		return fmt.Errorf("cannot run manager: it ran already")
	}
	ctx, cancel := context.WithCancel(ctx)
	var children sync.WaitGroup
	if m.o.Rest != nil {
		m.resting = time.NewTimer(m.o.RestAfter)
		children.Go(func() { m.rest(ctx) })
	}
	for _, c := range m.controllers {
		for range c.Workers {
			children.Go(func() { c.work(ctx) })
		}
		for _, s := range c.Sources {
			children.Go(func() { c.feed(ctx, s) })
		}
	}
	err := m.follow(ctx)
	ended := ctx.Err() != nil
	cancel()
	children.Wait()
	for _, c := range m.controllers {
		c.queue.Close()
	}
	if ended {
		return nil
	}
	return err
}

// rest calls Rest whenever the reconcilers have come to rest, until ctx ends.
func (m *Manager) rest(ctx context.Context) {
	defer m.resting.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.resting.C:
			m.o.Rest()
		}
	}
}
