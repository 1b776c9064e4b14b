package source_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"mirroros.dev/mirroros/reconcile/source"
)

// child runs what needs an ordinary user, and gives an exit code.
func child(what string) int {
	if what != "unreadable" {
		fmt.Println("unknown:", what)
		return 2
	}
	if err := unreadable(); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// unreadable takes the right to read a directory and a file away, and gives it back, while a Source watches.
func unreadable() error {
	root, err := os.MkdirTemp("", "source")
	if err != nil {
		return err
	}
	defer os.RemoveAll(root)
	sub, file := filepath.Join(root, "sub"), filepath.Join(root, "a.yaml")
	_ = os.Mkdir(sub, 0o755)
	_ = os.WriteFile(filepath.Join(sub, "b.yaml"), []byte("b"), 0o644)
	_ = os.WriteFile(file, []byte("a"), 0o644)

	ctx, cancel := context.WithTimeout(context.Background(), patience)
	s := source.New(source.Options{Root: root})
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	defer func() { cancel(); <-done }()

	steps := []struct {
		what string
		do   func() error
		fits func(*source.Snapshot) bool
	}{
		{"both read", func() error { return nil },
			func(s *source.Snapshot) bool { return s.Err == nil && len(s.Files) == 2 }},
		{"the file refused", func() error { return os.Chmod(file, 0) },
			func(s *source.Snapshot) bool { return s.Files["a.yaml"].Err != nil }},
		{"the directory kept", func() error { return os.Chmod(sub, 0) },
			func(s *source.Snapshot) bool { return s.Err != nil && string(s.Files["sub/b.yaml"].Data) == "b" }},
		{"the directory back", func() error { return os.Chmod(sub, 0o755) },
			func(s *source.Snapshot) bool { return s.Err == nil && len(s.Files) == 2 }},
		{"the file back", func() error { return os.Chmod(file, 0o644) },
			func(s *source.Snapshot) bool { return string(s.Files["a.yaml"].Data) == "a" }},
		{"the root kept", func() error { return os.Chmod(root, 0) },
			func(s *source.Snapshot) bool { return s.Err != nil && len(s.Files) == 2 }},
		{"the root back", func() error { return os.Chmod(root, 0o700) },
			func(s *source.Snapshot) bool {
				return s.Err == nil && len(s.Files) == 2 && s.Files["a.yaml"].Err == nil
			}},
	}
	for _, step := range steps {
		if err := step.do(); err != nil {
			return err
		}
		if err := awaitSnapshot(ctx, s, step.fits); err != nil {
			return fmt.Errorf("%s: %w: %s", step.what, err, describe(s.Latest()))
		}
	}
	return nil
}

func awaitSnapshot(ctx context.Context, s *source.Source, fits func(*source.Snapshot) bool) error {
	for late := time.After(patience); ; {
		if snap := s.Latest(); snap != nil && fits(snap) {
			return nil
		}
		select {
		case <-s.Changed():
		case <-ctx.Done():
			return ctx.Err()
		case <-late:
			return context.DeadlineExceeded
		}
	}
}
