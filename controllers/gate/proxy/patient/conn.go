// Package patient has connections whose deadlines cost next to nothing while they only move away.
//
// A server and a client of HTTP set deadlines a dozen times for each request, and nearly all of them are moved again before they come. Each
// is a lock, a look at the clock and a timer of the runtime. A Conn leaves the timer that it has where it is when the new deadline is later: when
// it comes, the Conn looks what is wanted by then, and waits on.
package patient

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// Conn is a connection like the one below it. All methods may be called by many at once, as those of a net.Conn.
type Conn struct {
	net.Conn
	read, write deadline
}

// New puts a Conn before a connection that has no deadline yet, and whose deadlines nobody else sets from now on. To take the connection
// back, see Below.
func New(c net.Conn) *Conn {
	p := &Conn{}
	p.Put(c)
	return p
}

// Put does what New does, for a Conn that is part of something.
func (c *Conn) Put(below net.Conn) {
	c.Conn, c.read.set, c.write.set = below, below.SetReadDeadline, below.SetWriteDeadline
}

// Read reads; a deadline that came too early is none.
func (c *Conn) Read(p []byte) (int, error) {
	for {
		n, err := c.Conn.Read(p)
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) || !c.read.goesOn() {
			return n, err
		}
	}
}

// Write writes all of it, or says why not; a deadline that came too early is none.
func (c *Conn) Write(p []byte) (n int, err error) {
	for {
		m, err := c.Conn.Write(p[n:])
		n += m
		if n == len(p) || !errors.Is(err, os.ErrDeadlineExceeded) || !c.write.goesOn() {
			return n, err
		}
	}
}

// SetReadDeadline has reads end then; the zero time is never.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.read.want(t) }

// SetWriteDeadline has writes end then; the zero time is never.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.write.want(t) }

// SetDeadline sets both.
func (c *Conn) SetDeadline(t time.Time) error { return errors.Join(c.read.want(t), c.write.want(t)) }

// CloseWrite ends the direction to the other side, where the connection can.
func (c *Conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// Below gives the connection below, without a deadline. It is the caller's then, who uses the Conn no more.
func (c *Conn) Below() net.Conn {
	_ = c.Conn.SetDeadline(time.Time{}) // one that cannot have one is closed
	return c.Conn
}

// deadline of one direction.
type deadline struct {
	set func(time.Time) error

	mu sync.Mutex
	// wanted is what was asked for, timer what the connection below has; zero is none.
	wanted, timer time.Time
	// ahead: the timer was ahead when it was set. One that was not ends every wait at once, and must go for the next.
	ahead bool
}

// want sets the timer, unless the one that there is comes before.
func (d *deadline) want(t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wanted = t
	if d.timer.IsZero() && t.IsZero() || d.ahead && (t.IsZero() || !t.Before(d.timer)) {
		return nil
	}
	return d.move()
}

// move sets the timer to what is wanted. The caller holds mu.
func (d *deadline) move() error {
	d.timer, d.ahead = d.wanted, time.Until(d.wanted) > 0
	return d.set(d.wanted)
}

// goesOn tells, after the timer came, whether that was too early, and sets it anew then.
func (d *deadline) goesOn() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return (d.wanted.IsZero() || time.Until(d.wanted) > 0) && d.move() == nil
}
