package gate

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"mirroros.dev/mirroros/controllers/gate/proxy"
)

// instances gives instances their tokens. It is safe for use by many at once.
type instances struct {
	tokens *tokens
	dir    string
	now    func() time.Time
	// changed asks for the gates to be told.
	changed func()
}

// TokenFile is where the token of an instance is: in a directory of its own, which is all that a sandbox lets it see, since each token is
// another file. That of an instance that an earlier version of the operator started is the file of the directory's name.
func (s *instances) TokenFile(instance string) string {
	path := filepath.Join(s.dir, instance)
	if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() {
		return path
	}
	return filepath.Join(path, "token")
}

// Begin gives an instance that is about to start a token of its principal, in a file that only its user can read, and answers the path. What
// an earlier run of the instance had is good for nothing from now on. uid and gid below 0 are the operator's own.
func (s *instances) Begin(instance, principal string, uid, gid int) (string, error) {
	s.tokens.drop(func(t *token) bool { return t.Instance == instance })
	s.end(instance)
	if err := s.write(instance, principal, uid, gid); err != nil {
		return "", err
	}
	s.changed()
	return s.TokenFile(instance), nil
}

// Token makes a further token of an instance that is about to start, for a program that reads it once.
func (s *instances) Token(instance, principal string, ttl time.Duration) string {
	now := s.now()
	_, text := s.tokens.make(proxy.TokenEntry{Principal: principal, Instance: instance, Expires: now.Add(ttl)}, now, false, "")
	s.changed()
	return text
}

// write puts a new token into the token file of an instance. It is good until the one after the next.
func (s *instances) write(instance, principal string, uid, gid int) error {
	now := s.now()
	k, text := s.tokens.make(proxy.TokenEntry{Principal: principal, Instance: instance, Expires: now.Add(2 * rotateEvery)}, now, true, "")
	if err := s.put(instance, text, uid, gid); err != nil {
		s.tokens.drop(func(t *token) bool { return t.ID == k.ID })
		return fmt.Errorf("cannot write the token file of instance %q: %w", instance, err)
	}
	return nil
}

func (s *instances) put(instance, text string, uid, gid int) error {
	path := s.TokenFile(instance)
	if err := os.MkdirAll(filepath.Dir(path), 0o711); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".new-")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // gone already when all went well
	_, err = tmp.WriteString(text + "\n")
	if err == nil && uid >= 0 {
		err = tmp.Chown(uid, gid)
	}
	if err == nil {
		err = tmp.Chmod(0o400)
	}
	if e := tmp.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// rotate gives an instance that runs another token. The owner of the file stays.
func (s *instances) rotate(instance, principal string) error {
	uid, gid, err := ownerOf(s.TokenFile(instance))
	if err != nil {
		return fmt.Errorf("cannot rotate the token of instance %q: %w", instance, err)
	}
	return s.write(instance, principal, uid, gid)
}

// end takes an instance's token file away; its tokens are dropped by who noticed that it ended.
func (s *instances) end(instance string) {
	_ = os.RemoveAll(filepath.Join(s.dir, instance)) // a file that is left is of a token that is good for nothing
}
