package audit

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// disk has every operation that changes a file. fault, set by tests, is called before each: an error fails it, and for a write n says how
// many bytes still get there.
type disk struct {
	fault func(op, name string) (n int, err error)
}

func (d *disk) step(op, name string) error {
	_, err := d.partly(op, name)
	return err
}

func (d *disk) partly(op, name string) (int, error) {
	if d.fault == nil {
		return 0, nil
	}
	return d.fault(op, name)
}

// create makes a file to append to, which must not be there.
func (d *disk) create(path string) (*os.File, error) {
	if err := d.step("create", path); err != nil {
		return nil, err
	}
	return os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
}

func (d *disk) write(f *os.File, b []byte) error {
	if n, err := d.partly("write", f.Name()); err != nil {
		_, _ = f.Write(b[:min(n, len(b))])
		return err
	}
	_, err := f.Write(b)
	return err
}

// sync waits until the disk has what was written.
func (d *disk) sync(f *os.File) error {
	if err := d.step("sync", f.Name()); err != nil {
		return err
	}
	return fdatasync(f)
}

func (d *disk) truncate(f *os.File, size int64) error {
	if err := d.step("truncate", f.Name()); err != nil {
		return err
	}
	return f.Truncate(size)
}

func (d *disk) rename(from, to string) error {
	if err := d.step("rename", to); err != nil {
		return err
	}
	return os.Rename(from, to)
}

func (d *disk) remove(path string) error {
	if err := d.step("remove", path); err != nil {
		return err
	}
	return os.Remove(path)
}

// syncDir makes the names in a directory durable.
func (d *disk) syncDir(path string) error {
	if err := d.step("sync", path); err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// replace puts a file in place of another in one step; whoever reads sees all of the old or all of the new one.
func (d *disk) replace(path string, content []byte) error {
	temp := path + tempEnd
	_ = os.Remove(temp) // of somebody who died
	f, err := d.create(temp)
	if err != nil {
		return err
	}
	err = d.write(f, content)
	if err == nil {
		err = d.sync(f)
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = d.rename(temp, path)
	}
	if err != nil {
		_ = d.remove(temp)
	}
	return err
}

// lockPatience is how long the directory may be somebody else's: who opens and who removes holds it for milliseconds.
const lockPatience = 10 * time.Second

// lockDir makes the directory ours among all that open it or remove from it.
func lockDir(dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(lockPatience); ; time.Sleep(2 * time.Millisecond) {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) || time.Now().After(end) {
			_ = f.Close()
			return nil, err
		}
	}
}

// hold makes a file ours as long as we live.
func hold(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }

// live tells whether somebody writes the chain: its last file is locked then. Files get their names when they are locked already.
func live(dir, chain string, last int) (bool, error) {
	for {
		f, err := os.Open(filepath.Join(dir, fileName(chain, last)))
		if err != nil {
			return false, err
		}
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		if _, err := os.Lstat(filepath.Join(dir, fileName(chain, last+1))); err != nil {
			return false, nil
		}
		last++ // it was rotated in this moment
	}
}
