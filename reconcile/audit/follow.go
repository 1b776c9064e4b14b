package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fsnotify/fsnotify"
)

// Follow calls fn for each record that fits and comes after a position, as soon as it is written, until ctx ends or fn fails. It waits for
// the kernel to tell of changes, and does nothing in between. When ctx ends it answers nil.
func Follow(ctx context.Context, dir string, from Position, f Filter, fn func(*Record) error) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("cannot follow audit log %q: %w", dir, err)
	}
	defer w.Close()
	if err := w.Add(dir); err != nil {
		return fmt.Errorf("cannot follow audit log %q: %w", dir, err)
	}
	g := &follower{dir: dir, at: from, sieve: f.sieve(), fn: fn}
	if err := g.all(); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-w.Events:
			if err := g.file(filepath.Base(e.Name)); err != nil {
				return err
			}
		case err := <-w.Errors:
			if !errors.Is(err, fsnotify.ErrEventOverflow) {
				return fmt.Errorf("cannot follow audit log %q: %w", dir, err)
			}
			if err := g.all(); err != nil {
				return err
			}
		}
	}
}

type follower struct {
	dir   string
	at    Position
	sieve *sieve
	fn    func(*Record) error
}

// all reads on in every file.
func (g *follower) all() error {
	entries, err := os.ReadDir(g.dir)
	if err != nil {
		return fmt.Errorf("cannot follow audit log %q: %w", g.dir, err)
	}
	for _, e := range entries {
		if err := g.file(e.Name()); err != nil {
			return err
		}
	}
	return nil
}

// file reads on in one, up to its last complete line.
func (g *follower) file(name string) error {
	if _, _, ok := parseFile(name); !ok || strings.HasSuffix(name, tempEnd) {
		return nil
	}
	l, err := openLines(filepath.Join(g.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		delete(g.at, name)
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot follow audit log %q: %w", g.dir, err)
	}
	defer l.close()
	if info, err := l.f.Stat(); err == nil && info.Size() < g.at[name] { // a write failed, and was taken away again
		g.at[name] = info.Size()
	}
	if _, err := l.f.Seek(g.at[name], io.SeekStart); err != nil {
		return fmt.Errorf("cannot follow audit log %q: %w", g.dir, err)
	}
	for {
		line, err := l.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("cannot follow audit log %q: %w", g.dir, err)
		}
		g.at[name] += int64(len(line))
		if _, ok := g.sieve.look(line); !ok {
			continue
		}
		r, err := g.sieve.record(slices.Clone(line))
		if err == nil && r != nil {
			err = g.fn(r)
		}
		if err != nil {
			return err
		}
	}
}
