package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// layout is the version of the state directory's layout. A newer one is refused, an older one migrated.
const layout = 1

// state is the opened state directory: ours alone while the lock is held.
type state struct {
	dir      string
	lock     *os.File
	warnings []string
}

// openState makes the state directory, locks it and checks what it is on and which version wrote it.
func openState(dir string) (*state, error) {
	for _, d := range []string{"", "claims", "exits", "logs", "data"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o711); err != nil {
			return nil, fmt.Errorf("cannot make state directory %q: %v; give another with --state", dir, err)
		}
		if d == "" {
			spread(dir)
		}
	}
	for _, d := range []string{"claims", "exits", "logs"} {
		if err := os.Chmod(filepath.Join(dir, d), 0o700); err != nil {
			return nil, fmt.Errorf("cannot protect state directory %q: %v", dir, err)
		}
	}
	s := &state{dir: dir}
	kind, err := filesystem(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot look at state directory %q: %v", dir, err)
	}
	switch kind {
	case "nfs", "cifs", "9p":
		return nil, fmt.Errorf("state directory %q is on %s, where locks and renames cannot be trusted; give one on a local disk with --state", dir, kind)
	case "tmpfs":
		s.warnings = append(s.warnings, fmt.Sprintf("state directory %s is on tmpfs: logs, revisions and restart counts do not outlive a reboot", dir))
	}
	if s.lock, err = lockFile(filepath.Join(dir, "lock")); err != nil {
		return nil, err
	}
	if err := s.checkSchema(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Close gives the directory free.
func (s *state) Close() { _ = s.lock.Close() }

// lockPatience is for the lock of an operator that was killed just now: its last thread may let go after it counts as dead.
const lockPatience = 500 * time.Millisecond

// lockFile takes the lock that makes one operator out of two. The kernel lets go of it when the holder dies.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot open lock %q: %v", path, err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	for end := time.Now().Add(lockPatience); errors.Is(err, syscall.EWOULDBLOCK) && time.Now().Before(end); {
		time.Sleep(lockPatience / 50)
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	}
	if err != nil {
		holder, _ := os.ReadFile(path)
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("another operator (pid %s) has state directory %q; stop it, or give another with --state",
				strings.TrimSpace(string(holder)), filepath.Dir(path))
		}
		return nil, fmt.Errorf("cannot lock %q: %v", path, err)
	}
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0) // for people only: the lock is what counts, also on a full disk
	}
	return f, nil
}

func (s *state) checkSchema() error {
	path := filepath.Join(s.dir, "schema")
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.WriteFile(path, []byte(strconv.Itoa(layout)+"\n"), 0o600); err != nil {
			return fmt.Errorf("cannot write %q: %v", path, err)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot read %q: %v", path, err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return fmt.Errorf("cannot read %q: %q is not a number; it was not written by this program", path, b)
	}
	if n > layout {
		return fmt.Errorf("state directory %q has layout %d, this program knows %d: it was written by a newer version; start that one", s.dir, n, layout)
	}
	return nil
}
