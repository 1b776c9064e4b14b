package source

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// gitStatus is git's own answer.
type gitStatus struct {
	dirty          bool
	commit, branch string
	err            error
}

// merge puts git's answer and what its files say together. The files are newer.
func (s gitStatus) merge(h head) *Git {
	g := &Git{Commit: h.commit, Branch: strings.TrimPrefix(h.ref, branchPrefix), Dirty: s.dirty, Err: s.err}
	if h.opaque {
		g.Commit, g.Branch = s.commit, s.branch
	}
	return g
}

const (
	gitTimeout   = 5 * time.Second
	maxGitStderr = 2 << 10
)

// askAll asks git about the work tree that the manifests are in, and about those that are in it.
func askAll(ctx context.Context, r *repo, nested []*repo, real string, exclude func(string, bool) bool) gitStatus {
	tops := map[string]bool{}
	for _, n := range nested {
		tops[n.top] = true
	}
	st := askGit(ctx, r, real, tops, exclude)
	for _, n := range nested {
		if st.err != nil || st.dirty {
			break
		}
		below, err := filepath.Rel(real, n.top)
		if err != nil || !filepath.IsLocal(below) || !n.complete() {
			continue // behind a link, so not in this work tree; or not one yet
		}
		in := askGit(ctx, n, n.top, nil, func(rel string, dir bool) bool { return exclude(filepath.ToSlash(filepath.Join(below, rel)), dir) })
		st.dirty, st.err = in.dirty, in.err
	}
	return st
}

// askGit runs git status over the manifests: as the owner of the tree when we are root, without locks, without anything that the
// repository's configuration would have it run and that can be turned off. It never writes the index. Of a submodule, one of tops, it
// tells whether another commit is checked out than the work tree has.
func askGit(ctx context.Context, r *repo, real string, tops map[string]bool, exclude func(string, bool) bool) gitStatus {
	ctx, cancel := context.WithTimeout(ctx, gitTimeout)
	defer cancel()
	rel, err := filepath.Rel(r.top, real)
	if err != nil {
		return gitStatus{err: err}
	}
	cmd := gitCommand(ctx, r, rel)
	stderr := &beginning{left: maxGitStderr}
	cmd.Stderr = stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return gitStatus{err: fmt.Errorf("cannot run git: %w", err)}
	}
	if err := cmd.Start(); err != nil {
		return gitStatus{err: gitErr(err, "")}
	}
	st, enough := parseStatus(out, func(path string) bool {
		below, err := filepath.Rel(rel, path)
		return tops[filepath.Join(r.top, path)] || err == nil && filepath.IsLocal(below) && manifestPath(filepath.ToSlash(below), exclude)
	})
	if enough {
		cancel()
		_ = cmd.Wait()
		return st
	}
	if err := cmd.Wait(); err != nil {
		if ctx.Err() == context.DeadlineExceeded {
			err = fmt.Errorf("no answer in %v", gitTimeout)
		}
		return gitStatus{err: gitErr(err, stderr.String())}
	}
	return st
}

func gitCommand(ctx context.Context, r *repo, rel string) *exec.Cmd {
	args := []string{"--no-optional-locks", "--literal-pathspecs", "-c", "core.fsmonitor=", "-c", "core.hooksPath=/dev/null",
		"-c", "submodule.recurse=false", "-c", "status.showStash=false"}
	if r.uid == 0 {
		args = append(args, "-c", "safe.directory="+r.top) // root's tree is trusted
	}
	args = append(args, "status", "--porcelain=v2", "--branch", "--no-ahead-behind", "-z", "--untracked-files=all", "--ignored=traditional",
		"--ignore-submodules=dirty", "--no-renames", "--", rel)
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = r.top
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "HOME=/nonexistent", "GIT_OPTIONAL_LOCKS=0", "GIT_TERMINAL_PROMPT=0",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_NO_LAZY_FETCH=1", "GIT_PAGER=cat"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if os.Geteuid() == 0 && r.uid != 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: r.uid, Gid: r.gid}
	}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	return cmd
}

// parseStatus reads git status --porcelain=v2 --branch -z --no-renames. enough tells that it stopped at the first path that counts.
func parseStatus(in io.Reader, counts func(path string) bool) (st gitStatus, enough bool) {
	sc := bufio.NewScanner(in)
	sc.Buffer(nil, 64<<10)
	sc.Split(splitZero)
	for sc.Scan() {
		line := sc.Text()
		kind, rest, _ := strings.Cut(line, " ")
		path := ""
		switch kind {
		case "#":
			key, value, _ := strings.Cut(rest, " ")
			switch {
			case key == "branch.oid" && isHash(value):
				st.commit = value
			case key == "branch.head" && value != "(detached)":
				st.branch = value
			}
		case "1":
			path = field(rest, 7)
		case "u":
			path = field(rest, 9)
		case "?", "!":
			path = rest
		}
		if path != "" && counts(path) {
			st.dirty = true
			return st, true
		}
	}
	st.err = sc.Err()
	return st, false
}

// field is what follows the first n fields.
func field(s string, n int) string {
	for range n {
		_, s, _ = strings.Cut(s, " ")
	}
	return s
}

func splitZero(data []byte, atEOF bool) (int, []byte, error) {
	if i := bytes.IndexByte(data, 0); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}

// gitErr says why git gave no answer, by its own first line where it has one.
func gitErr(err error, stderr string) error {
	if errors.Is(err, exec.ErrNotFound) {
		return errors.New("cannot ask git what is changed: git is not installed")
	}
	line, _, _ := strings.Cut(strings.TrimSpace(stderr), "\n")
	if line != "" {
		return fmt.Errorf("cannot ask git what is changed: %s", line)
	}
	return fmt.Errorf("cannot ask git what is changed: %w", err)
}

// beginning keeps the beginning of what is written to it.
type beginning struct {
	bytes.Buffer
	left int
}

func (h *beginning) Write(p []byte) (int, error) {
	n := min(len(p), h.left)
	h.left -= n
	h.Buffer.Write(p[:n])
	return len(p), nil
}

func owner(path string, fallback stamp) (uid, gid uint32) {
	if fi, err := os.Stat(path); err == nil {
		if st, ok := fi.Sys().(*syscall.Stat_t); ok {
			return st.Uid, st.Gid
		}
	}
	return fallback.uid, 0
}
