// Package tunnel joins two connections, so that what each says the other hears: routes of TCP, CONNECT, and whatever an upgraded connection
// speaks. Between two TCP connections the kernel moves the bytes (splice).
package tunnel

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// End is one of the two. Early is what was read from Conn already: it goes to the other end first.
type End struct {
	Conn  net.Conn
	Early []byte
}

// Moved counts bytes that reached the other end.
type Moved struct{ AToB, BToA int64 }

// ErrIdle: nothing moved in either direction for as long as the idle timeout.
var ErrIdle = errors.New("nothing moved for as long as the idle timeout")

// Join moves bytes until both ends have said their last, and closes both connections. An end that says its last while the other still
// speaks is passed on as that and no more. The error is nil after such an end in order. Otherwise it is ErrIdle (idle, when not zero, bounds
// how long nothing moves in either direction, to within twice its length), the context's cause, or what broke a connection; after the last
// two both ends are reset, so that neither takes for whole what is not.
func Join(ctx context.Context, a, b End, idle time.Duration) (Moved, error) {
	p := &pair{a: a, b: b}
	defer p.close()
	stop := context.AfterFunc(ctx, func() { p.cut(context.Cause(ctx)) })
	defer stop()
	if idle > 0 {
		progress := p.progress()
		p.watch(idle, progress, progress())
	}
	var back sync.WaitGroup
	var moved Moved
	back.Go(func() { moved.BToA = p.move(a.Conn, b, &p.toA) })
	moved.AToB = p.move(b.Conn, a, &p.toB)
	back.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	if p.timer != nil {
		p.timer.Stop()
	}
	return moved, p.err
}

type pair struct {
	a, b     End
	toA, toB atomic.Int64 // bytes moved, where the kernel does not count

	mu    sync.Mutex // guards what follows
	timer *time.Timer
	over  bool
	err   error // why the pair ended before its time
}

// move copies one direction to its end, and tells the other side of that.
func (p *pair) move(to net.Conn, from End, count *atomic.Int64) (n int64) {
	if len(from.Early) > 0 {
		m, err := to.Write(from.Early)
		count.Add(int64(m))
		n = int64(m)
		if err != nil {
			p.cut(err)
			return n
		}
	}
	m, err := copyTo(to, from.Conn, count)
	n += m
	if err == nil {
		err = closeWrite(to)
	}
	if err != nil {
		p.cut(err)
	}
	return n
}

// copyTo splices where it can, and counts as it goes where the kernel does not.
func copyTo(to, from net.Conn, count *atomic.Int64) (int64, error) {
	if kernelCounts && isTCP(to) && isTCP(from) {
		return io.Copy(to, from)
	}
	return io.Copy(counter{to, count}, from)
}

type counter struct {
	w io.Writer
	n *atomic.Int64
}

func (c counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n.Add(int64(n))
	return n, err
}

func isTCP(c net.Conn) bool { _, ok := c.(*net.TCPConn); return ok }

// errNoHalf: a connection that cannot end one direction alone ends both.
var errNoHalf = errors.New("the connection cannot be half closed")

func closeWrite(c net.Conn) error {
	half, ok := c.(interface{ CloseWrite() error })
	if !ok {
		return errNoHalf
	}
	if err := half.CloseWrite(); err != nil && !errors.Is(err, net.ErrClosed) && !isGone(err) {
		return err
	}
	return nil
}

// cut ends the pair for this reason; the first one counts.
func (p *pair) cut(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over || p.err != nil {
		return
	}
	p.err = err
	if err == errNoHalf {
		p.err = nil
		p.over = true
	}
	for _, c := range []net.Conn{p.a.Conn, p.b.Conn} {
		if tcp, ok := c.(*net.TCPConn); ok && err != ErrIdle && err != errNoHalf {
			_ = tcp.SetLinger(0)
		}
		c.Close()
	}
}

func (p *pair) close() {
	p.a.Conn.Close()
	p.b.Conn.Close()
}

// watch cuts the pair when progress stands still for a whole period.
func (p *pair) watch(idle time.Duration, progress func() int64, before int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over || p.err != nil {
		return
	}
	p.timer = time.AfterFunc(idle, func() {
		now := progress()
		if now == before {
			p.cut(ErrIdle)
			return
		}
		p.watch(idle, progress, now)
	})
}
