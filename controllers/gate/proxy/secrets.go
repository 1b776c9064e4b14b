package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// secrets keeps what was read of files with credentials for backends. A file is looked at again after a second, so that a new secret is used
// soon and a call does not wait for a disk.
type secrets struct {
	mu  sync.Mutex
	all map[string]secret
}

type secret struct {
	value string
	err   error
	read  time.Time
}

const (
	secretAge  = time.Second
	secretSize = 64 << 10
)

// get gives the content of a file without one trailing newline. The error tells nothing of the content.
func (s *secrets) get(path string, now time.Time) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if have, ok := s.all[path]; ok && now.Sub(have.read).Abs() < secretAge {
		return have.value, have.err
	}
	if s.all == nil {
		s.all = map[string]secret{}
	}
	value, err := readSecret(path)
	s.all[path] = secret{value, err, now}
	return value, err
}

func readSecret(path string) (string, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", err
	case !info.Mode().IsRegular() || info.Size() > secretSize:
		return "", fmt.Errorf("%s is no file of at most 64 KiB", path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	b = bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r"))
	if len(b) == 0 || bytes.ContainsAny(b, "\r\n\x00") {
		return "", errors.New(path + " is empty or has several lines")
	}
	return string(b), nil
}
