package upstream

import (
	"sync"
	"time"
)

// Defaults of a Client.
const (
	defaultMaxIdle     = 128
	defaultIdleTimeout = 60 * time.Second
)

// place is what an idle connection may be used for again. Without TLS the name of the host is a matter of each request.
type place struct{ scheme, address, host string }

func (t Target) place() place {
	if t.Scheme != "https" {
		return place{t.Scheme, t.Address, ""}
	}
	return place{t.Scheme, t.Address, t.Host}
}

// pool keeps idle connections, those of a place in the order in which they came to rest. While there is one, a timer is set for the
// oldest of all.
type pool struct {
	mu     sync.Mutex // guards what follows
	idle   map[place][]*conn
	timer  *time.Timer
	closed bool
}

// take gives the connection that rested the shortest and is alive, nil when there is none. Those that died it closes.
func (p *pool) take(t place) *conn {
	for {
		p.mu.Lock()
		idle := p.idle[t]
		n := len(idle) - 1
		if n < 0 {
			p.mu.Unlock()
			return nil
		}
		c := idle[n]
		idle[n] = nil
		p.idle[t] = idle[:n]
		p.mu.Unlock()
		if c.alive() {
			c.borrow()
			return c
		}
		c.Close()
	}
}

// put lets a connection rest, or closes it when there are most of its place already. It has no buffer then.
func (p *pool) put(t place, c *conn, most int, timeout time.Duration) {
	c.giveBack()
	c.reused, c.since = true, time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.idle[t]) >= most {
		c.Close()
		return
	}
	if p.idle == nil {
		p.idle = map[place][]*conn{}
	}
	p.idle[t] = append(p.idle[t], c)
	if p.timer == nil {
		p.timer = time.AfterFunc(timeout, func() { p.sweep(timeout) })
	}
}

// sweep closes what rested too long, and sets the timer for what is left.
func (p *pool) sweep(timeout time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	next := time.Duration(-1)
	for t, idle := range p.idle {
		old := 0
		for old < len(idle) && now.Sub(idle[old].since) >= timeout {
			idle[old].Close()
			old++
		}
		if idle = append(idle[:0:0], idle[old:]...); len(idle) == 0 {
			delete(p.idle, t)
			continue
		}
		p.idle[t] = idle
		if left := timeout - now.Sub(idle[0].since); next < 0 || left < next {
			next = left
		}
	}
	p.timer = nil
	if next >= 0 && !p.closed {
		p.timer = time.AfterFunc(next, func() { p.sweep(timeout) })
	}
}

// close ends what rests, and whatever comes to rest later.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, idle := range p.idle {
		for _, c := range idle {
			c.Close()
		}
	}
	p.idle = nil
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
}
