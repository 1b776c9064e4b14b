package source_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gleak"

	"mirroros.dev/mirroros/reconcile/source"
)

// patience is how long a spec waits for a Snapshot before it fails.
const patience = 10 * time.Second

// watcher is a running Source over a directory.
type watcher struct {
	*source.Source
	stop func()
}

// watch runs a Source until the spec ends, and then verifies that nothing is left of it.
func watch(root string, change ...func(*source.Options)) *watcher {
	GinkgoHelper()
	o := source.Options{Root: root}
	for _, fn := range change {
		fn(&o)
	}
	return run(source.New(o))
}

// run runs a Source until the spec ends.
func run(s *source.Source) *watcher {
	GinkgoHelper()
	goroutines, fds := gleak.Goroutines(), openFiles()
	w := &watcher{Source: s}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	w.stop = func() {
		cancel()
		Eventually(done).Should(Receive(BeNil()))
		Eventually(gleak.Goroutines).ShouldNot(gleak.HaveLeaked(goroutines))
		Expect(openFiles()).To(BeNumerically("<=", fds), "open files")
	}
	DeferCleanup(func() { w.stop() })
	return w
}

func openFiles() int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(list)
}

// until waits for a Snapshot that fits. It waits on the channel alone.
func (w *watcher) until(what string, fits func(*source.Snapshot) bool) *source.Snapshot {
	GinkgoHelper()
	late := time.After(patience)
	for {
		if s := w.Latest(); s != nil && fits(s) {
			return s
		}
		select {
		case <-w.Changed():
		case <-late:
			Fail(fmt.Sprintf("no snapshot with %s; the last is %s", what, describe(w.Latest())))
		}
	}
}

// has waits until exactly these files are read, given as rel=content.
func (w *watcher) has(files ...string) *source.Snapshot {
	GinkgoHelper()
	return w.until(fmt.Sprint(files), func(s *source.Snapshot) bool {
		return s.Err == nil && s.Hold == nil && slices.Equal(contents(s), slices.Sorted(slices.Values(files)))
	})
}

func contents(s *source.Snapshot) []string {
	var out []string
	for _, rel := range slices.Sorted(maps.Keys(s.Files)) {
		out = append(out, rel+"="+string(s.Files[rel].Data))
	}
	return out
}

func describe(s *source.Snapshot) string {
	if s == nil {
		return "none"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d: err=%v hold=%+v git=%+v warnings=%q", s.Seq, s.Err, s.Hold, s.Git, s.Warnings)
	for i, rel := range slices.Sorted(maps.Keys(s.Files)) {
		if i == 20 {
			fmt.Fprintf(&b, " … of %d", len(s.Files))
			break
		}
		f := s.Files[rel]
		fmt.Fprintf(&b, " %s=%.40q err=%v", rel, f.Data, f.Err)
	}
	return b.String()
}

// tempDir is a directory by its real name.
func tempDir() string {
	GinkgoHelper()
	dir, err := filepath.EvalSymlinks(GinkgoT().TempDir())
	Expect(err).NotTo(HaveOccurred())
	return dir
}

// put writes a file as most programs do: truncate, write, close.
func put(parts ...string) {
	GinkgoHelper()
	path, content := filepath.Join(parts[:len(parts)-1]...), parts[len(parts)-1]
	Expect(os.MkdirAll(filepath.Dir(path), 0o755)).To(Succeed())
	Expect(os.WriteFile(path, []byte(content), 0o644)).To(Succeed())
}

func ok(err error) {
	GinkgoHelper()
	Expect(err).NotTo(HaveOccurred())
}

func gitEnv(home string) []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "LC_ALL=C", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@localhost", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@localhost", "GIT_EDITOR=true",
		"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=core.fsync", "GIT_CONFIG_VALUE_0=none"}
}

// gitIn runs git in a directory, away from the configuration of who runs the test.
func gitIn(dir string, args ...string) string {
	GinkgoHelper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = gitEnv(dir)
	out, err := cmd.CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), "git %v: %s", args, out)
	return strings.TrimSpace(string(out))
}

// newRepo is a work tree on branch main with a first commit of these files, given as rel, content pairs.
func newRepo(files ...string) string {
	GinkgoHelper()
	dir := tempDir()
	gitIn(dir, "init", "-q", "-b", "main")
	for i := 0; i < len(files); i += 2 {
		put(dir, files[i], files[i+1])
	}
	gitIn(dir, "add", "-A")
	gitIn(dir, "commit", "-q", "--allow-empty", "-m", "first")
	return dir
}

// gitFails runs git where it stops with a conflict.
func gitFails(dir string, args ...string) {
	GinkgoHelper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = gitEnv(dir)
	out, err := cmd.CombinedOutput()
	Expect(err).To(HaveOccurred(), "git %v: %s", args, out)
}

// agesAgo is a time that no file of a test has by itself.
var agesAgo = time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
