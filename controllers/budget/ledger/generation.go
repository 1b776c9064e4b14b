package ledger

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// generation is a process that reserves. Its number is never used twice, and its file is locked as long as it lives.
type generation struct {
	number uint64
	file   *os.File
}

// takeGeneration after all that the log knows. The lock of the log is held, so that nobody sees the file unlocked.
func takeGeneration(dir string, last uint64) (*generation, error) {
	dir = filepath.Join(dir, generationsDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	for n := last + 1; ; n++ {
		f, err := os.OpenFile(filepath.Join(dir, strconv.FormatUint(n, 10)), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err == nil {
			err = flock(f, syscall.LOCK_EX|syscall.LOCK_NB)
		}
		if err != nil {
			return nil, err
		}
		return &generation{n, f}, nil
	}
}

// alive tells whether the process of a generation lives. One whose file is gone does not.
func alive(dir string, number uint64) bool {
	f, err := os.Open(filepath.Join(dir, generationsDir, strconv.FormatUint(number, 10)))
	if err != nil {
		return !notExist(err) // when in doubt, nobody's reservations are touched
	}
	defer f.Close()
	return flock(f, syscall.LOCK_SH|syscall.LOCK_NB) != nil
}

func forgetGeneration(dir string, number uint64) {
	_ = os.Remove(filepath.Join(dir, generationsDir, strconv.FormatUint(number, 10)))
}

// generations that have a file.
func generations(dir string) []uint64 {
	entries, _ := os.ReadDir(filepath.Join(dir, generationsDir))
	var out []uint64
	for _, e := range entries {
		if n, err := strconv.ParseUint(e.Name(), 10, 64); err == nil {
			out = append(out, n)
		}
	}
	return out
}
