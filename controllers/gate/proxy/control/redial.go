package control

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
)

// The waits between tries to connect. While the socket is not there, or nobody listens at it, a few tries follow each change of its
// directory and then none until the next. While somebody there hangs up at once, the waits grow to the longest and stay there.
const (
	firstWait   = 10 * time.Millisecond
	longestWait = 30 * time.Second
	tries       = 8
)

// dialer connects again and again.
type dialer struct{ refused int }

// ended takes note of a conversation: one in which nothing was heard is a refusal.
func (d *dialer) ended(heard bool) {
	if d.refused++; heard {
		d.refused = 0
	}
}

// wait before the n-th try after the first.
func wait(n int) time.Duration {
	return min(firstWait<<min(n, 20), longestWait)
}

// dial gives a connection, or nil when ctx ended.
func (d *dialer) dial(ctx context.Context, path string) *net.UnixConn {
	if d.refused > 0 && !pause(ctx, time.After(wait(d.refused))) {
		return nil
	}
	if c := connect(path); c != nil {
		return c
	}
	watcher, err := fsnotify.NewWatcher()
	if err == nil {
		defer watcher.Close()
		err = watcher.Add(filepath.Dir(path))
	}
	if err != nil { // no more watches on this host, or no directory: the only case in which it looks by itself
		for pause(ctx, time.After(time.Second)) {
			if c := connect(path); c != nil {
				return c
			}
		}
		return nil
	}
	for n := 0; ; n++ {
		if c := connect(path); c != nil || ctx.Err() != nil {
			return keep(ctx, c)
		}
		var next <-chan time.Time
		if n < tries {
			next = time.After(wait(n))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-next:
		case e := <-watcher.Events:
			if e.Name == path {
				n = -1
			}
		case <-watcher.Errors:
			n = -1
		}
	}
}

// keep closes a connection that nobody wants any more.
func keep(ctx context.Context, c *net.UnixConn) *net.UnixConn {
	if ctx.Err() != nil && c != nil {
		c.Close()
		return nil
	}
	return c
}

func connect(path string) *net.UnixConn {
	c, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: path, Net: "unixpacket"})
	if err != nil {
		return nil
	}
	return c
}

func pause(ctx context.Context, until <-chan time.Time) bool {
	select {
	case <-ctx.Done():
		return false
	case <-until:
		return ctx.Err() == nil
	}
}

// isHangup tells whether the other side is gone.
func isHangup(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
}
