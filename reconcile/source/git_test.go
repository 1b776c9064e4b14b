package source_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/reconcile/source"
)

// at waits until git stands at a commit.
func (w *watcher) at(commit, branch string, dirty bool) *source.Snapshot {
	GinkgoHelper()
	return w.until(fmt.Sprintf("%s on %s, dirty %v", commit, branch, dirty), func(s *source.Snapshot) bool {
		return s.Git != nil && s.Git.Err == nil && *s.Git == source.Git{Commit: commit, Branch: branch, Dirty: dirty}
	})
}

func (w *watcher) held(reason, path string) *source.Snapshot {
	GinkgoHelper()
	return w.until("hold "+reason, func(s *source.Snapshot) bool {
		return s.Hold != nil && s.Hold.Reason == reason && s.Hold.Path == path && !s.Hold.Since.IsZero()
	})
}

// many are 500 files of a kind, as rel, content pairs.
func many(content string) (pairs, want []string) {
	for i := range 500 {
		name := fmt.Sprintf("d%d/f%03d.yaml", i%5, i)
		pairs = append(pairs, name, content)
		want = append(want, name+"="+content)
	}
	return pairs, want
}

// gitTree is everything in a git directory, with its content: what must stay the same when it is only read.
func gitTree(dir string) map[string]string {
	GinkgoHelper()
	out := map[string]string{}
	ok(filepath.WalkDir(filepath.Join(dir, ".git"), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			out[path] = "directory"
			return err
		}
		data, err := os.ReadFile(path)
		out[path] = string(data)
		return err
	}))
	return out
}

var _ = Describe("A git work tree", func() {
	It("tells commit, branch and what is dirty, and is never written", func() {
		root := newRepo("sub/a.yaml", "1")
		first := gitIn(root, "rev-parse", "HEAD")
		w := watch(filepath.Join(root, "sub"))
		w.has("a.yaml=1")
		w.at(first, "main", false)
		ok(os.Chtimes(filepath.Join(root, "sub/a.yaml"), agesAgo, agesAgo)) // what makes git refresh its index
		before := gitTree(root)
		put(root, "sub/a.yaml", "2")
		w.has("a.yaml=2")
		w.at(first, "main", true)
		Expect(gitTree(root)).To(Equal(before))
		gitIn(root, "commit", "-q", "-a", "-m", "second")
		w.at(gitIn(root, "rev-parse", "HEAD"), "main", false)
	})

	It("is followed from branch to branch, packed refs and without one", func() {
		root := newRepo("a.yaml", "1")
		first := gitIn(root, "rev-parse", "HEAD")
		w := watch(root)
		w.at(first, "main", false)
		gitIn(root, "checkout", "-q", "-b", "feature/x")
		w.at(first, "feature/x", false)
		gitIn(root, "pack-refs", "--all")
		put(root, "a.yaml", "2")
		gitIn(root, "commit", "-q", "-a", "-m", "second")
		w.at(gitIn(root, "rev-parse", "HEAD"), "feature/x", false)
		gitIn(root, "checkout", "-q", "--detach", first)
		w.has("a.yaml=1")
		w.at(first, "", false)
	})

	It("is dirty by manifests alone", func() {
		root := newRepo("a.yaml", "1", ".gitignore", "ignored.yaml\n")
		head := gitIn(root, "rev-parse", "HEAD")
		w := watch(root, func(o *source.Options) {
			o.Exclude = func(rel string, _ bool) bool { return rel == "excluded.yaml" }
		})
		w.at(head, "main", false)
		put(root, "README.md", "new")
		put(root, "excluded.yaml", "new")
		put(root, ".hidden.yaml", "new")
		gitIn(root, "add", "README.md")
		put(root, "a.yaml", "2")
		w.at(head, "main", true)
		put(root, "a.yaml", "1")
		w.at(head, "main", false)
		put(root, "ignored.yaml", "in no commit")
		w.at(head, "main", true)
	})

	It("has no commit before the first", func() {
		root := tempDir()
		gitIn(root, "init", "-q", "-b", "main")
		watch(root).at("", "main", false)
	})

	It("is found when it is made later", func() {
		root := tempDir()
		put(root, "a.yaml", "1")
		w := watch(root)
		Expect(w.has("a.yaml=1").Git).To(BeNil())
		gitIn(root, "init", "-q", "-b", "main")
		w.until("git", func(s *source.Snapshot) bool { return s.Git != nil && s.Git.Branch == "main" && s.Git.Dirty })
		ok(os.RemoveAll(filepath.Join(root, ".git")))
		w.until("no git", func(s *source.Snapshot) bool { return s.Git == nil })
	})

	It("is read whole after a checkout of 500 files", func() {
		pairs, want := many("1")
		root := newRepo(pairs...)
		gitIn(root, "checkout", "-q", "-b", "other")
		pairs, other := many("22")
		for i := 0; i < len(pairs); i += 2 {
			put(root, pairs[i], pairs[i+1])
		}
		gitIn(root, "commit", "-q", "-a", "-m", "other")
		w := watch(root)
		before := w.has(other...)
		gitIn(root, "checkout", "-q", "main")
		after := w.has(want...)
		Expect(after.Seq).To(BeNumerically("<=", before.Seq+3), "files, and git's answer before and after")
		gitIn(root, "checkout", "-q", "other")
		w.has(other...)
	})

	It("is not seen half done when an operation falls between the reading of two files", func() {
		root := newRepo("a.yaml", "1", "b.yaml", "1")
		gitIn(root, "checkout", "-q", "-b", "other")
		put(root, "a.yaml", "2")
		put(root, "b.yaml", "2")
		gitIn(root, "commit", "-q", "-a", "-m", "other")
		gitIn(root, "checkout", "-q", "main")
		var armed atomic.Bool
		var half atomic.Pointer[string]
		s := source.New(source.Options{Root: root})
		s.SetExclude(func(rel string, _ bool) bool {
			if snap := s.Latest(); snap != nil {
				if all := fmt.Sprint(contents(snap)); strings.Contains(all, "=1 b.yaml=2") || strings.Contains(all, "=2 b.yaml=1") {
					half.Store(&all)
				}
			}
			if rel == "b.yaml" && armed.CompareAndSwap(true, false) { // a.yaml has been read
				gitIn(root, "checkout", "-q", "other")
			}
			return false
		})
		w := run(s)
		w.has("a.yaml=1", "b.yaml=1")
		armed.Store(true)
		put(root, "new.yaml", "1") // in the same round as the next
		put(root, "a.yaml", "1")
		put(root, "b.yaml", "1")
		w.has("a.yaml=2", "b.yaml=2", "new.yaml=1")
		Expect(armed.Load()).To(BeFalse())
		Expect(half.Load()).To(BeNil(), func() string { return *half.Load() })
	})

	It("holds while the index is locked, and reads at once when it ends", func() {
		root := newRepo("a.yaml", "1")
		w := watch(root)
		w.has("a.yaml=1")
		lock := filepath.Join(root, ".git/index.lock")
		put(lock, "")
		put(root, "a.yaml", "2")
		Expect(contents(w.held("GitLocked", lock))).To(Equal([]string{"a.yaml=1"}))
		put(root, "new/b.yaml", "b")
		ok(os.Remove(lock))
		w.has("a.yaml=2", "new/b.yaml=b")
		put(root, "new/b.yaml", "c")
		w.has("a.yaml=2", "new/b.yaml=c")
	})

	It("reads nothing at the start while it is held", func() {
		root := newRepo("a.yaml", "1")
		lock := filepath.Join(root, ".git/index.lock")
		put(lock, "")
		w := watch(root)
		Expect(w.held("GitLocked", lock).Files).To(BeEmpty())
		ok(os.Remove(lock))
		w.has("a.yaml=1")
	})

	It("does not tell of a hold that lasts a moment", func() {
		root := newRepo("a.yaml", "1")
		w := watch(root)
		w.at(gitIn(root, "rev-parse", "HEAD"), "main", false)
		seq := w.Latest().Seq
		for range 5 {
			put(root, ".git/index.lock", "")
			ok(os.Remove(filepath.Join(root, ".git/index.lock")))
			gitIn(root, "status")
		}
		put(root, "a.yaml", "2")
		Expect(w.has("a.yaml=2").Seq).To(Equal(seq + 1))
	})

	It("holds through a merge with conflicts", func() {
		root := newRepo("a.yaml", "1")
		gitIn(root, "checkout", "-q", "-b", "other")
		put(root, "a.yaml", "other")
		gitIn(root, "commit", "-q", "-a", "-m", "other")
		gitIn(root, "checkout", "-q", "main")
		put(root, "a.yaml", "main")
		gitIn(root, "commit", "-q", "-a", "-m", "main")
		w := watch(root)
		w.has("a.yaml=main")
		gitFails(root, "merge", "-q", "other")
		Expect(contents(w.held("Merging", filepath.Join(root, ".git/MERGE_HEAD")))).To(Equal([]string{"a.yaml=main"}))
		put(root, "a.yaml", "both")
		gitIn(root, "commit", "-q", "-a", "-m", "merged")
		w.has("a.yaml=both")
		w.at(gitIn(root, "rev-parse", "HEAD"), "main", false)
	})

	It("holds through a rebase that stops, and reads when it is done or aborted", func() {
		root := newRepo("a.yaml", "1", "b.yaml", "1")
		gitIn(root, "checkout", "-q", "-b", "other")
		put(root, "a.yaml", "other")
		gitIn(root, "commit", "-q", "-a", "-m", "other")
		gitIn(root, "checkout", "-q", "main")
		put(root, "a.yaml", "main")
		put(root, "b.yaml", "main")
		gitIn(root, "commit", "-q", "-a", "-m", "main")
		gitIn(root, "checkout", "-q", "other")
		w := watch(root)
		w.has("a.yaml=other", "b.yaml=1")
		gitFails(root, "rebase", "-q", "main")
		dir := filepath.Join(root, ".git/rebase-merge")
		Expect(contents(w.held("Rebasing", dir))).To(Equal([]string{"a.yaml=other", "b.yaml=1"}))
		gitIn(root, "rebase", "--abort")
		w.has("a.yaml=other", "b.yaml=1")
		gitFails(root, "rebase", "-q", "main")
		w.held("Rebasing", dir)
		put(root, "a.yaml", "both")
		gitIn(root, "add", "a.yaml")
		gitIn(root, "rebase", "--continue")
		w.has("a.yaml=both", "b.yaml=main")
		w.at(gitIn(root, "rev-parse", "HEAD"), "other", false)
	})

	It("may be one of several of a repository", func() {
		root := newRepo("a.yaml", "1")
		tree := filepath.Join(tempDir(), "tree")
		w := watch(tree)
		w.until("an error", func(s *source.Snapshot) bool { return s.Err != nil })
		gitIn(root, "worktree", "add", "-q", "-b", "side", tree)
		w.has("a.yaml=1")
		w.at(gitIn(root, "rev-parse", "HEAD"), "side", false)
		put(tree, "a.yaml", "2")
		gitIn(tree, "commit", "-q", "-a", "-m", "side")
		w.has("a.yaml=2")
		w.at(gitIn(tree, "rev-parse", "HEAD"), "side", false)
		lock := filepath.Join(root, ".git/worktrees/tree/index.lock")
		put(lock, "")
		w.held("GitLocked", lock)
		ok(os.Remove(lock))
		w.has("a.yaml=2")
	})

	It("may have others in it, whose operations and changes count too", func() {
		root, lib := newRepo("a.yaml", "1"), newRepo("s.yaml", "1")
		gitIn(root, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", lib, "sub")
		gitIn(root, "commit", "-q", "-a", "-m", "sub")
		commit := gitIn(root, "rev-parse", "HEAD")
		lock := filepath.Join(root, ".git/modules/sub/index.lock")
		put(lock, "")
		w := watch(root)
		w.held("GitLocked", lock)
		ok(os.Remove(lock))
		w.has("a.yaml=1", "sub/s.yaml=1")
		w.at(commit, "main", false)

		put(lock, "")
		put(root, "sub/s.yaml", "2")
		put(root, "a.yaml", "2")
		Expect(contents(w.held("GitLocked", lock))).To(Equal([]string{"a.yaml=1", "sub/s.yaml=1"}))
		ok(os.Remove(lock))
		w.has("a.yaml=2", "sub/s.yaml=2")
		put(root, "a.yaml", "1")
		w.has("a.yaml=1", "sub/s.yaml=2")
		w.at(commit, "main", true)
		gitIn(root+"/sub", "commit", "-q", "-a", "-m", "two")
		w.at(commit, "main", true) // another commit than the outer one has
		gitIn(root, "commit", "-q", "-a", "-m", "two")
		w.at(gitIn(root, "rev-parse", "HEAD"), "main", false)

		gitIn(root, "clone", "-q", lib, "own") // and one that comes later
		w.has("a.yaml=1", "own/s.yaml=1", "sub/s.yaml=2")
		lock = filepath.Join(root, "own/.git/index.lock")
		put(lock, "")
		w.held("GitLocked", lock)
		ok(os.Remove(lock))
	})

	It("belongs to its owner, and what its configuration would run is not run", func() {
		root := newRepo("a.yaml", "1")
		trap := filepath.Join(root, "trapped")
		gitIn(root, "config", "core.fsmonitor", "touch "+trap+"; true")
		gitIn(root, "config", "core.hooksPath", root)
		put(root, "post-index-change", "#!/bin/sh\ntouch "+trap+"\n")
		ok(os.Chmod(filepath.Join(root, "post-index-change"), 0o755))
		w := watch(root)
		head := gitIn(root, "rev-parse", "HEAD")
		ok(os.RemoveAll(trap)) // git rev-parse of the test itself runs nothing, but be sure
		put(root, "a.yaml", "2")
		w.at(head, "main", true)
		Expect(trap).NotTo(BeAnExistingFile())
	})

	It("is asked as its owner", func() {
		root := newRepo("a.yaml", "1")
		head := gitIn(root, "rev-parse", "HEAD")
		if os.Geteuid() == 0 {
			ok(filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
				if err != nil {
					return err
				}
				return os.Lchown(path, 12345, 12345)
			}))
		}
		w := watch(root, func(o *source.Options) { o.AnyOwner = true })
		w.has("a.yaml=1")
		w.at(head, "main", false)
		put(root, "a.yaml", "2")
		w.at(head, "main", true)
	})

	It("is asked of git where only git can read the refs", func() {
		root := newRepo("a.yaml", "1")
		put(root, ".git/reftable/tables.list", "")
		w := watch(root)
		w.at(gitIn(root, "rev-parse", "HEAD"), "main", false)
		gitIn(root, "checkout", "-q", "-b", "other")
		w.at(gitIn(root, "rev-parse", "HEAD"), "other", false)
	})

	It("says so when git cannot be asked", func() {
		root := newRepo("a.yaml", "1")
		GinkgoT().Setenv("PATH", "/nonexistent")
		w := watch(root)
		snap := w.until("an error of git", func(s *source.Snapshot) bool { return s.Git != nil && s.Git.Err != nil })
		Expect(snap.Git.Err).To(MatchError(ContainSubstring("git is not installed")))
		Expect(snap.Git.Branch).To(Equal("main"))
		Expect(snap.Git.Commit).To(HaveLen(40))
		Expect(strings.Join(contents(snap), "")).To(Equal("a.yaml=1"))
	})
})
