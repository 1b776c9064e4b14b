package proxy

import (
	"maps"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// routeName is a route at its gate.
type routeName struct{ gate, route string }

// Cache keeps what outlives a View: conditions by their text, counters by the names of rules, how busy each address is, and what is known of
// routes. So a config of which little changed is compiled in the time of what changed. It is good for many goroutines.
type Cache struct {
	mu         sync.Mutex
	conditions map[string]*condition
	counters   map[string]*counter
	busy       map[string]*atomic.Int64
	routes     map[routeName]*routeState
	// turn numbers the configs that are compiled; what one of them uses has its number.
	turn int64
	// filters compiles the filters of a rule.
	filters func([]FilterConfig) (Filters, error)
}

// NewCache makes an empty cache.
func NewCache() *Cache {
	return &Cache{conditions: map[string]*condition{}, counters: map[string]*counter{}, busy: map[string]*atomic.Int64{},
		routes: map[routeName]*routeState{}, filters: compileFilters}
}

// counter counts what one rule did. It is the rule's for ever, whatever becomes of its text.
type counter struct {
	hits, shadow, last atomic.Int64 // last in nanoseconds
	turn               int64        // under Cache.mu
}

func (c *counter) hit(shadow bool, now time.Time) {
	if shadow {
		c.shadow.Add(1)
	} else {
		c.hits.Add(1)
	}
	c.last.Store(now.UnixNano())
}

// busyAt counts the requests that are under way to an address.
func (c *Cache) busyAt(address string) *atomic.Int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.busy[address]
	if n == nil {
		n = &atomic.Int64{}
		c.busy[address] = n
	}
	return n
}

// of gives each rule of a config its condition and its counter, and each route what is known of it, and the conditions that are not compiled. turn is for keep.
func (c *Cache) of(gates []*gate) (turn int64, fresh []*condition) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turn++
	for _, g := range gates {
		for name, r := range g.routes {
			at := routeName{g.Name, name}
			if r.state = c.routes[at]; r.state == nil {
				r.state = &routeState{}
				c.routes[at] = r.state
			}
			r.state.turn = c.turn
		}
		for _, r := range g.rules {
			if r.counter = c.counters[r.Name]; r.counter == nil {
				r.counter = &counter{}
				c.counters[r.Name] = r.counter
			}
			r.counter.turn = c.turn
			if r.When == "" {
				continue
			}
			w := c.conditions[r.When]
			if w == nil {
				w = newCondition(r.When)
				c.conditions[r.When] = w
			}
			if r.when = w; w.turn != c.turn {
				if w.turn = c.turn; !w.compiled() {
					fresh = append(fresh, w)
				}
			}
		}
	}
	return c.turn, fresh
}

// keep is for a config that is in force: it forgets what neither that nor a later one uses.
func (c *Cache) keep(turn int64, addresses map[string]bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.conditions, func(_ string, w *condition) bool { return w.turn < turn })
	maps.DeleteFunc(c.counters, func(_ string, n *counter) bool { return n.turn < turn })
	maps.DeleteFunc(c.routes, func(_ routeName, s *routeState) bool { return s.turn < turn })
	maps.DeleteFunc(c.busy, func(address string, n *atomic.Int64) bool { return !addresses[address] && n.Load() == 0 })
}

// compileAll compiles conditions on all processors.
func compileAll(fresh []*condition) {
	var next atomic.Int64
	var all sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(fresh)) {
		all.Go(func() {
			for i := next.Add(1); i <= int64(len(fresh)); i = next.Add(1) {
				_ = fresh[i-1].compile() // told by who asks for it
			}
		})
	}
	all.Wait()
}
