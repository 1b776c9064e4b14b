package apiserver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// maxSocketPath is the longest path that the kernel takes for a socket.
const maxSocketPath = 107

// ListenUnix listens on a socket that only the operator's user and root can connect to. The directory must be there. A socket that is
// there already is replaced only when nobody answers on it. Close removes the socket, unless it is another's by then.
func ListenUnix(path string) (net.Listener, error) {
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("cannot listen on %q: the path has %d bytes, and a socket's has at most %d; choose a shorter --run directory", path, len(path), maxSocketPath)
	}
	if err := removeStale(path); err != nil {
		return nil, fmt.Errorf("cannot listen on %q: %w", path, err)
	}
	c := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error { return private(raw) }}
	l, err := c.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %q: %w", path, err)
	}
	u := l.(*net.UnixListener)
	u.SetUnlinkOnClose(false)
	if err := os.Chmod(path, 0o600); err != nil {
		_ = u.Close()
		return nil, fmt.Errorf("cannot listen on %q: %w", path, err)
	}
	made, err := os.Lstat(path)
	if err != nil {
		_ = u.Close()
		return nil, fmt.Errorf("cannot listen on %q: %w", path, err)
	}
	return &unixListener{UnixListener: u, path: path, made: made}, nil
}

// removeStale removes the socket of an operator that is no more.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("there is a file of that name in %s which is no socket", filepath.Dir(path))
	}
	d := net.Dialer{Timeout: time.Second}
	conn, err := d.Dial("unix", path)
	switch {
	case err == nil:
		_ = conn.Close()
		return errors.New("another operator answers there")
	case errors.Is(err, syscall.ECONNREFUSED):
		return os.Remove(path)
	case errors.Is(err, fs.ErrNotExist):
		return nil
	}
	return fmt.Errorf("cannot tell whether somebody answers there: %w", err)
}

// unixListener removes its socket when it is closed.
type unixListener struct {
	*net.UnixListener
	path string
	made fs.FileInfo
	once sync.Once
}

// Close closes the listener and removes the socket, unless another has taken its place.
func (l *unixListener) Close() error {
	l.once.Do(func() {
		if now, err := os.Lstat(l.path); err == nil && os.SameFile(now, l.made) {
			_ = os.Remove(l.path) // a stale one does no harm
		}
	})
	return l.UnixListener.Close()
}
