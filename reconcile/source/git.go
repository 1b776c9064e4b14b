package source

import (
	"os"
	"path/filepath"
	"strings"
	"time"
)

// repo is where a work tree keeps its state.
type repo struct {
	top    string // of the work tree
	dir    string // its own git directory: index, HEAD, what is under way
	common string // what all work trees of the repository share: refs
	uid    uint32 // who owns top
	gid    uint32
}

// operations are the files that say that git is at work in the tree, the one that tells most first.
var operations = []struct{ name, reason string }{
	{"rebase-merge", "Rebasing"},
	{"rebase-apply", "Rebasing"},
	{"MERGE_HEAD", "Merging"},
	{"CHERRY_PICK_HEAD", "CherryPicking"},
	{"REVERT_HEAD", "Reverting"},
	{"sequencer", "CherryPicking"},
	{"index.lock", "GitLocked"},
}

// autoMerge is written by a merge, cherry-pick or revert before it lets go of the index, and by git stash, which leaves it there. Right
// after it was written one of the operations may be about to show.
const (
	autoMerge    = "AUTO_MERGE"
	autoMergeFor = 200 * time.Millisecond
)

// findRepo finds the work tree that dir, a path without links, is in; nil when there is none. unborn is a git directory that is about
// to be one.
func findRepo(dir string) (r *repo, unborn string) {
	for ; dir != "" && dir != "."; dir = filepath.Dir(dir) {
		if st, err := lstat(filepath.Join(dir, ".git")); err == nil {
			r := openRepo(dir, st)
			if r.complete() {
				return r, ""
			}
			if unborn == "" {
				unborn = r.dir
			}
		}
		if dir == "/" {
			break
		}
	}
	return nil, unborn
}

func openRepo(top string, st stamp) *repo {
	at := filepath.Join(top, ".git")
	gitdir := at
	if target, err := os.Readlink(at); err == nil {
		gitdir = beside(top, target)
	} else if line, ok := strings.CutPrefix(firstLine(at), "gitdir: "); ok {
		gitdir = beside(top, line)
	}
	r := &repo{top: top, dir: gitdir, common: gitdir}
	if line := firstLine(filepath.Join(gitdir, "commondir")); line != "" {
		r.common = beside(gitdir, line)
	}
	r.uid, r.gid = owner(top, st)
	return r
}

// openRepos opens the work trees with these tops. One may be only about to be one.
func openRepos(tops []string) (all []*repo) {
	for _, top := range tops {
		if st, err := lstat(filepath.Join(top, ".git")); err == nil {
			all = append(all, openRepo(top, st))
		}
	}
	return all
}

// complete tells whether git takes it for a repository.
func (r *repo) complete() bool {
	_, err := lstat(filepath.Join(r.dir, "HEAD"))
	return err == nil
}

// beside is path as seen from dir.
func beside(dir, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, path)
}

// hold tells what git is doing, nil for nothing. What was under way before keeps its time.
func (r *repo) hold(before *Hold, now time.Time) *Hold {
	for _, op := range operations {
		at := filepath.Join(r.dir, op.name)
		st, err := lstat(at)
		if err != nil {
			continue
		}
		h := &Hold{Reason: op.reason, Path: at, Since: time.Unix(0, st.mtime)}
		if h.same(before) {
			return before
		}
		return h
	}
	at := filepath.Join(r.dir, autoMerge)
	if st, err := lstat(at); err == nil && now.Sub(time.Unix(0, st.mtime)).Abs() < autoMergeFor {
		return &Hold{Reason: "Merging", Path: at, Since: time.Unix(0, st.mtime)}
	}
	return nil
}

// until is when a hold ends by itself; zero for never.
func (h *Hold) until() time.Time {
	if filepath.Base(h.Path) == autoMerge {
		return h.Since.Add(autoMergeFor)
	}
	return time.Time{}
}

func (h *Hold) same(o *Hold) bool {
	if h == nil || o == nil {
		return h == o
	}
	return h.Reason == o.Reason && h.Path == o.Path
}

// head is what is checked out, as far as git's files say so.
type head struct {
	ref    string // refs/heads/main; empty when detached
	commit string // empty before the first commit
	// opaque: the refs are kept in a way that only git reads.
	opaque bool
}

const (
	maxSymrefs   = 5
	maxGitFile   = 4 << 10
	maxRefsFile  = 64 << 20
	branchPrefix = "refs/heads/"
)

// head reads HEAD and the branch that it names.
func (r *repo) head() head {
	h := head{}
	if _, err := lstat(filepath.Join(r.common, "reftable")); err == nil {
		return head{opaque: true}
	}
	line := firstLine(filepath.Join(r.dir, "HEAD"))
	for range maxSymrefs {
		ref, symbolic := strings.CutPrefix(line, "ref: ")
		if !symbolic {
			if isHash(line) {
				h.commit = line
			}
			return h
		}
		if !strings.HasPrefix(ref, "refs/") || !filepath.IsLocal(ref) {
			return h
		}
		h.ref = ref
		if line = firstLine(filepath.Join(r.common, ref)); line == "" {
			h.commit = r.packed(ref)
			return h
		}
	}
	return h
}

// packed finds a ref in the file of packed refs.
func (r *repo) packed(ref string) string {
	for line := range strings.Lines(readFile(filepath.Join(r.common, "packed-refs"), maxRefsFile)) {
		hash, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if ok && name == ref && isHash(hash) {
			return hash
		}
	}
	return ""
}

// dirs are git's directories whose changes matter: where operations show, and where the branch is kept.
func (r *repo) dirs(h head) []string {
	out := []string{r.dir, r.common}
	if h.opaque {
		return append(out, filepath.Join(r.common, "reftable"))
	}
	if h.ref == "" {
		return out
	}
	for dir := filepath.Dir(filepath.Join(r.common, h.ref)); within(dir, r.common); dir = filepath.Dir(dir) {
		if st, err := stat(dir); err == nil && st.mode&0o170000 == 0o040000 {
			return append(out, dir)
		}
	}
	return out
}

func isHash(s string) bool {
	return (len(s) == 40 || len(s) == 64) && strings.Trim(s, "0123456789abcdef") == ""
}

// firstLine of one of git's small files; empty when it cannot be read.
func firstLine(path string) string {
	line, _, _ := strings.Cut(readFile(path, maxGitFile), "\n")
	return strings.TrimSpace(line)
}

// readFile reads a regular file without blocking; empty when it cannot be read.
func readFile(path string, limit int64) string {
	res := reader{max: limit, anyOwner: true}.read(path, true)
	if res.err != nil {
		return ""
	}
	return string(res.data)
}
