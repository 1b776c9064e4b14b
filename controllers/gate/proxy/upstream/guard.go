package upstream

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// longAgo as a deadline ends a wait at once.
var longAgo = time.Unix(1, 0)

// guard ends the waits of one exchange: its context's end and its timeouts both act by deadlines, and the context has the last word.
type guard struct {
	stop func() bool

	mu    sync.Mutex // guards what follows, and the order of deadlines
	conn  net.Conn
	cause error // why every wait is over
	sent  bool  // the request was sent whole
	begun bool  // the answer's head has come
}

// watch makes the end of ctx the end of every wait. unwatch must follow.
func (g *guard) watch(ctx context.Context) {
	ended := func() { g.fail(context.Cause(ctx)) }
	if c, ok := ctx.(interface{ AfterFunc(func()) func() bool }); ok {
		g.stop = c.AfterFunc(ended)
	} else if ctx.Done() != nil {
		g.stop = context.AfterFunc(ctx, ended)
	}
}

// unwatch lets go of the context. It is false when the context, or fail, has ended the exchange: the connection is of no more use.
func (g *guard) unwatch() bool {
	if g.stop != nil {
		g.stop()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.cause != nil {
		return false
	}
	g.cause = errClosed // whatever comes late finds the connection in other hands
	return true
}

// fail ends every wait, for this reason. The first reason stays.
func (g *guard) fail(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.cause == nil {
		g.cause = err
		g.conn.SetDeadline(longAgo)
	}
}

// both bounds sending and the wait for the head together.
func (g *guard) both(d time.Duration) { g.set(g.conn.SetDeadline, d) }

// read bounds the next wait for a piece of the answer.
func (g *guard) read(d time.Duration) { g.set(g.conn.SetReadDeadline, d) }

// write bounds the next wait for the backend to take a piece.
func (g *guard) write(d time.Duration) { g.set(g.conn.SetWriteDeadline, d) }

func (g *guard) set(deadline func(time.Time) error, d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.cause == nil {
		deadline(in(d))
	}
}

// sentAll notes that the request is out. From now the head has this long, unless it has come already.
func (g *guard) sentAll(first time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sent = true
	if g.cause == nil && !g.begun {
		g.conn.SetReadDeadline(in(first))
	}
}

// headCame notes that the wait for the head is over.
func (g *guard) headCame() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.begun = true
}

// wasSent says whether the request was sent whole.
func (g *guard) wasSent() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.sent
}

// why tells the reason behind an error of the connection: what ended the exchange, or the timeout that did.
func (g *guard) why(err, timeout error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.cause != nil {
		return g.cause
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return timeout
	}
	return err
}

// in is the time after d, or none.
func in(d time.Duration) time.Time {
	if d <= 0 {
		return time.Time{}
	}
	return time.Now().Add(d)
}
