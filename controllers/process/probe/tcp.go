package probe

import (
	"context"
	"net"
	"sync"
)

// TCP opens a connection and closes it.
type TCP struct {
	// Host to connect to. Default 127.0.0.1.
	Host string
	// Port to connect to.
	Port int
}

func (t *TCP) run(ctx context.Context) Result {
	addr := address(t.Host, t.Port)
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return failed("cannot connect to "+addr, err)
	}
	_ = conn.Close()
	return Result{Success, ""}
}

// dialer sends no keep-alive probes: no connection lives that long.
var dialer = &net.Dialer{KeepAlive: -1}

// connections are those of one probe. Whatever the transport still does with them, they end with it.
type connections struct {
	mu     sync.Mutex
	open   []net.Conn
	closed bool
}

func (c *connections) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := dialer.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		_ = conn.Close()
		return nil, net.ErrClosed
	}
	c.open = append(c.open, conn)
	return conn, nil
}

func (c *connections) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, conn := range c.open {
		_ = conn.Close()
	}
}
