package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const sessionKeySize = 32

// sessionKey reads the key that sessions of MCP are bound with, and makes one where there is none: it is what lets sessions outlive a gate. One
// that a crash or somebody cut is replaced, and with it the sessions. Of two gates that begin at once both have the same.
func sessionKey(path string) ([]byte, error) {
	for range 3 {
		key, err := os.ReadFile(path)
		if err == nil && len(key) == sessionKeySize {
			return key, nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("cannot read the key of sessions: %w", err)
		}
		if err == nil {
			_ = os.Remove(path)
		}
		if err := makeSessionKey(path); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("cannot make the key of sessions: %w", err)
		}
	}
	return nil, fmt.Errorf("cannot make the key of sessions: %q is replaced by somebody else again and again", path)
}

// makeSessionKey puts a key into place whole; it is an error when there is one.
func makeSessionKey(path string) error {
	key := make([]byte, sessionKeySize)
	_, _ = rand.Read(key)                                // it never fails
	f, err := os.CreateTemp(filepath.Dir(path), ".key-") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(key)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), path)
}
