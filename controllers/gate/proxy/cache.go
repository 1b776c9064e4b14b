package proxy

import (
	"maps"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"mirroros.dev/mirroros/specs/expr"
)

// Cache keeps what outlives a View: compiled conditions by their text, counters by the names of rules, and how busy each address is. So a
// config of which little changed is compiled in the time of what changed. It is good for many goroutines.
type Cache struct {
	mu         sync.Mutex
	conditions map[string]*expr.Program
	counters   map[string]*counter
	busy       map[string]*atomic.Int64
	routes     map[routeName]*routeState
	// filters compiles the filters of a rule.
	filters func([]FilterConfig) (Filters, error)
}

// NewCache makes an empty cache.
func NewCache() *Cache {
	return &Cache{conditions: map[string]*expr.Program{}, counters: map[string]*counter{}, busy: map[string]*atomic.Int64{},
		routes: map[routeName]*routeState{}, filters: compileFilters}
}

// counter counts what one rule did. It is the rule's for ever, whatever becomes of its text.
type counter struct {
	hits, shadow, last atomic.Int64 // last in nanoseconds
}

func (c *counter) hit(shadow bool, now time.Time) {
	if shadow {
		c.shadow.Add(1)
	} else {
		c.hits.Add(1)
	}
	c.last.Store(now.UnixNano())
}

// count gives each rule its counter.
func (c *Cache) count(rules []*rule) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range rules {
		if r.counter = c.counters[r.Name]; r.counter == nil {
			r.counter = &counter{}
			c.counters[r.Name] = r.counter
		}
	}
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

// stateOf gives what is known of a route from earlier calls.
func (c *Cache) stateOf(at routeName) *routeState {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.routes[at]
	if s == nil {
		s = &routeState{}
		c.routes[at] = s
	}
	return s
}

// compile gives the programs of texts, or the error of each that has none. Those that are new are compiled on all processors.
func (c *Cache) compile(texts map[string]bool) (map[string]*expr.Program, map[string]error) {
	programs, missing := map[string]*expr.Program{}, make(chan string, len(texts))
	c.mu.Lock()
	for text := range texts {
		if p := c.conditions[text]; p != nil {
			programs[text] = p
		} else {
			missing <- text
		}
	}
	c.mu.Unlock()
	close(missing)
	if len(missing) == 0 {
		return programs, nil
	}
	var mu sync.Mutex
	var all sync.WaitGroup
	errs := map[string]error{}
	for range min(runtime.GOMAXPROCS(0), len(missing)) {
		all.Go(func() {
			for text := range missing {
				p, err := expr.Compile(text)
				mu.Lock()
				if programs[text] = p; err != nil {
					errs[text] = err
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return programs, errs
}

// keep remembers the programs of a config that is in force, its rules' counters, its routes' states and its addresses, and forgets all others.
func (c *Cache) keep(x *compiled, addresses map[string]bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conditions = maps.Clone(x.programs)
	maps.DeleteFunc(c.counters, func(name string, _ *counter) bool { return !x.rules[name] })
	maps.DeleteFunc(c.routes, func(at routeName, _ *routeState) bool { return !x.routes[at] })
	maps.DeleteFunc(c.busy, func(address string, n *atomic.Int64) bool { return !addresses[address] && n.Load() == 0 })
}
