package source_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"mirroros.dev/mirroros/reconcile/source"
)

// withErr waits until a file cannot be read, for a reason that has this text.
func (w *watcher) withErr(rel, reason string) *source.Snapshot {
	GinkgoHelper()
	return w.until(rel+" refused: "+reason, func(s *source.Snapshot) bool {
		f := s.Files[rel]
		return f != nil && f.Err != nil && f.Data == nil && strings.Contains(f.Err.Error(), reason)
	})
}

func openFile(path string, flags int) *os.File {
	GinkgoHelper()
	f, err := os.OpenFile(path, flags, 0o644)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { _ = f.Close() })
	return f
}

var _ = Describe("A file that is being written", func() {
	It("keeps its last content until it is closed", func() {
		root := tempDir()
		put(root, "a.yaml", "whole")
		w := watch(root)
		w.has("a.yaml=whole")
		f := openFile(filepath.Join(root, "a.yaml"), os.O_WRONLY|os.O_TRUNC)
		_, err := f.WriteString("ha")
		ok(err)
		put(root, "marker1.yaml", "m")
		w.has("a.yaml=whole", "marker1.yaml=m")
		_, err = f.WriteString("lf")
		ok(err)
		put(root, "marker2.yaml", "m")
		w.has("a.yaml=whole", "marker1.yaml=m", "marker2.yaml=m")
		ok(f.Close())
		w.has("a.yaml=half", "marker1.yaml=m", "marker2.yaml=m")
	})

	It("is not read before it is closed when it is new", func() {
		root := tempDir()
		w := watch(root)
		w.has()
		f := openFile(filepath.Join(root, "a.yaml"), os.O_WRONLY|os.O_CREATE)
		_, err := f.WriteString("ha")
		ok(err)
		put(root, "marker.yaml", "m")
		w.has("marker.yaml=m")
		ok(f.Close())
		w.has("a.yaml=ha", "marker.yaml=m")
	})

	It("keeps its last content when it was moved away and is written anew", func() {
		root := tempDir()
		put(root, "a.yaml", "old")
		w := watch(root)
		w.has("a.yaml=old")
		ok(os.Rename(filepath.Join(root, "a.yaml"), filepath.Join(root, "a.yaml~")))
		w.has()
		f := openFile(filepath.Join(root, "a.yaml"), os.O_WRONLY|os.O_CREATE)
		_, err := f.WriteString("ne")
		ok(err)
		w.has("a.yaml=old")
		ok(f.Close())
		w.has("a.yaml=ne")
	})

	It("is an error at the start, when nothing is known of it", func() {
		root := tempDir()
		f := openFile(filepath.Join(root, "a.yaml"), os.O_WRONLY|os.O_CREATE)
		w := watch(root)
		w.withErr("a.yaml", "open for writing")
		_, err := f.WriteString("a")
		ok(err)
		ok(f.Close())
		w.has("a.yaml=a")
	})

	It("is read as it is after a while", func() {
		root := tempDir()
		put(root, "a.yaml", "1")
		w := watch(root, func(o *source.Options) { o.OpenWindow = 30 * time.Millisecond })
		w.has("a.yaml=1")
		f := openFile(filepath.Join(root, "a.yaml"), os.O_WRONLY|os.O_TRUNC)
		_, err := f.WriteString("2")
		ok(err)
		w.has("a.yaml=2")
	})

	It("is not taken for empty between truncating and writing", func() {
		root := tempDir()
		put(root, "a.yaml", "1")
		w := watch(root)
		w.has("a.yaml=1")
		put(root, "a.yaml", "")
		put(root, "marker.yaml", "m")
		w.has("a.yaml=1", "marker.yaml=m")
		put(root, "a.yaml", "2")
		w.has("a.yaml=2", "marker.yaml=m")
	})
})

var _ = Describe("A file whose writers are not known", func() {
	It("is read when it has been the same for a moment", func() {
		root := tempDir()
		put(root, "a.yaml", "1")
		s := source.New(source.Options{Root: root, OpenWindow: 300 * time.Millisecond})
		s.WithoutLeases()
		w := run(s)
		w.has("a.yaml=1")
		put(root, "a.yaml", "2")
		w.has("a.yaml=2")
		put(root, "a.yaml", "")
		put(root, "marker.yaml", "m")
		w.has("a.yaml=2", "marker.yaml=m")
		w.has("a.yaml=", "marker.yaml=m")
	})
})

var _ = Describe("Directories that cannot be watched", func() {
	It("are told, with what to do, and read again now and then", func() {
		root := tempDir()
		put(root, "sub/a.yaml", "1")
		s := source.New(source.Options{Root: root, Resync: 100 * time.Millisecond})
		var full atomic.Bool
		full.Store(true)
		s.FailWatches(func(path string) error {
			if full.Load() && path == filepath.Join(root, "sub") {
				return unix.ENOSPC
			}
			return nil
		})
		w := run(s)
		Expect(w.has("sub/a.yaml=1").Warnings).To(ConsistOf(ContainSubstring("sysctl fs.inotify.max_user_watches")))
		put(root, "sub/a.yaml", "2")
		w.has("sub/a.yaml=2")
		full.Store(false)
		w.until("no warning", func(s *source.Snapshot) bool { return len(s.Warnings) == 0 })
	})
})

var _ = Describe("A file that cannot be read", func() {
	var root string
	BeforeEach(func() {
		root = tempDir()
		put(root, "good.yaml", "g")
	})

	It("is refused when it is too large, without reading it", func() {
		f := openFile(filepath.Join(root, "big.yaml"), os.O_WRONLY|os.O_CREATE)
		ok(f.Truncate(50 << 20))
		ok(f.Close())
		w := watch(root)
		w.withErr("big.yaml", "52428800 bytes, a manifest may have 10485760")
		put(root, "big.yaml", "small")
		w.has("big.yaml=small", "good.yaml=g")
	})

	It("is refused when it is a pipe, and opens nothing", func() {
		ok(unix.Mkfifo(filepath.Join(root, "pipe.yaml"), 0o644))
		w := watch(root)
		w.withErr("pipe.yaml", "a named pipe")
		ok(os.Remove(filepath.Join(root, "pipe.yaml")))
		w.has("good.yaml=g")
	})

	It("is refused when others can write it", func() {
		put(root, "a.yaml", "a")
		ok(os.Chmod(filepath.Join(root, "a.yaml"), 0o666))
		w := watch(root)
		w.withErr("a.yaml", "chmod o-w")
		ok(os.Chmod(filepath.Join(root, "a.yaml"), 0o644))
		w.has("a.yaml=a", "good.yaml=g")
		Expect(source.Read(context.Background(), source.Options{Root: root, AnyOwner: true}).Files["a.yaml"].Data).To(Equal([]byte("a")))
	})

	It("is refused when it belongs to another user", func() {
		put(root, "a.yaml", "a")
		w := watch(root)
		w.has("a.yaml=a", "good.yaml=g")
		if os.Geteuid() == 0 { // who else could give it away
			ok(os.Chown(filepath.Join(root, "a.yaml"), 12345, 0))
			w.withErr("a.yaml", "belongs to user 12345")
			ok(os.Chown(filepath.Join(root, "a.yaml"), 0, 0))
			w.has("a.yaml=a", "good.yaml=g")
		}
	})

	It("is refused when it is a loop of links or a link to nothing", func() {
		ok(os.Symlink("loop.yaml", filepath.Join(root, "loop.yaml")))
		ok(os.Symlink("nothing", filepath.Join(root, "none.yaml")))
		w := watch(root)
		w.withErr("loop.yaml", "loop")
		w.withErr("none.yaml", "not there")
		put(root, "nothing", "n")
		ok(os.Remove(filepath.Join(root, "loop.yaml")))
		w.has("good.yaml=g", "none.yaml=n")
	})

	It("is refused to an ordinary user without the right, and its directory kept", func() {
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = []string{"SOURCE_TEST_CHILD=unreadable", "TMPDIR=" + os.TempDir()}
		if os.Geteuid() == 0 {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		}
		out, err := cmd.CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), string(out))
	})
})

var _ = Describe("Symbolic links", func() {
	It("lead to files, and a change behind them is seen", func() {
		root, other := tempDir(), tempDir()
		put(other, "real", "1")
		ok(os.Symlink(filepath.Join(other, "real"), filepath.Join(root, "a.yaml")))
		w := watch(root)
		w.has("a.yaml=1")
		put(other, "real", "2")
		w.has("a.yaml=2")
		ok(os.Remove(filepath.Join(other, "real")))
		w.withErr("a.yaml", "not there")
		put(other, "real", "3")
		w.has("a.yaml=3")
	})

	It("are switched at once, as a ConfigMap's are", func() {
		root := tempDir()
		put(root, "..v1/a.yaml", "1")
		put(root, "..v2/a.yaml", "2")
		ok(os.Symlink("..v1", filepath.Join(root, "..data")))
		ok(os.Symlink("..data/a.yaml", filepath.Join(root, "a.yaml")))
		w := watch(root)
		w.has("a.yaml=1")
		ok(os.Symlink("..v2", filepath.Join(root, "..tmp")))
		ok(os.Rename(filepath.Join(root, "..tmp"), filepath.Join(root, "..data")))
		w.has("a.yaml=2")
		put(root, "..v2/a.yaml", "3")
		w.has("a.yaml=3")
	})

	It("to directories are followed once, and loops are cut", func() {
		root, other := tempDir(), tempDir()
		put(root, "sub/a.yaml", "a")
		put(other, "b.yaml", "b")
		ok(os.Symlink("..", filepath.Join(root, "sub/up")))
		ok(os.Symlink(filepath.Dir(root), filepath.Join(root, "above")))
		ok(os.Symlink("sub", filepath.Join(root, "again")))
		ok(os.Symlink(other, filepath.Join(root, "other")))
		ok(os.Symlink(other, filepath.Join(other, "self")))
		w := watch(root)
		snap := w.has("sub/a.yaml=a", "other/b.yaml=b")
		Expect(snap.Warnings).To(ContainElement(ContainSubstring(`"above"`)))
		put(other, "b.yaml", "c")
		w.has("sub/a.yaml=a", "other/b.yaml=c")
		ok(os.Remove(filepath.Join(root, "other")))
		w.has("sub/a.yaml=a")
	})

	It("to a directory that went away keep what was there", func() {
		root, other := tempDir(), tempDir()
		put(other, "d/b.yaml", "b")
		ok(os.Symlink(filepath.Join(other, "d"), filepath.Join(root, "d")))
		w := watch(root)
		w.has("d/b.yaml=b")
		ok(os.Rename(filepath.Join(other, "d"), filepath.Join(other, "e")))
		snap := w.until("an error", func(s *source.Snapshot) bool { return s.Err != nil })
		Expect(contents(snap)).To(Equal([]string{"d/b.yaml=b"}))
		ok(os.Rename(filepath.Join(other, "e"), filepath.Join(other, "d")))
		w.has("d/b.yaml=b")
	})
})

var _ = Describe("The root", func() {
	away := func(s *source.Snapshot) bool { return s.Err != nil }

	It("is waited for when it is not there", func() {
		root := filepath.Join(tempDir(), "x/y/manifests")
		w := watch(root)
		Expect(w.until("an error", away).Err).To(MatchError(ContainSubstring(root)))
		put(root, "a.yaml", "a")
		w.has("a.yaml=a")
	})

	It("keeps its files when it is moved away, and is watched again when it comes back", func() {
		root := filepath.Join(tempDir(), "manifests")
		put(root, "sub/a.yaml", "a")
		w := watch(root)
		before := w.has("sub/a.yaml=a")
		ok(os.Rename(root, root+".old"))
		snap := w.until("an error", away)
		Expect(snap.Files["sub/a.yaml"]).To(BeIdenticalTo(before.Files["sub/a.yaml"]))
		put(root+".old", "sub/a.yaml", "b")
		ok(os.Rename(root+".old", root))
		w.has("sub/a.yaml=b")
		put(root, "sub/a.yaml", "c")
		w.has("sub/a.yaml=c")
	})

	It("keeps its files when it is removed with all in it", func() {
		root := filepath.Join(tempDir(), "manifests")
		put(root, "a.yaml", "a")
		put(root, "sub/b.yaml", "b")
		w := watch(root)
		w.has("a.yaml=a", "sub/b.yaml=b")
		ok(os.RemoveAll(root))
		Expect(contents(w.until("an error", away))).To(Equal([]string{"a.yaml=a", "sub/b.yaml=b"}))
		put(root, "c.yaml", "c")
		w.has("c.yaml=c")
	})

	It("may be a link that is switched", func() {
		dir := tempDir()
		put(dir, "v1/same.yaml", "s")
		put(dir, "v1/a.yaml", "1")
		put(dir, "v2/same.yaml", "s")
		put(dir, "v2/a.yaml", "2")
		root := filepath.Join(dir, "current")
		ok(os.Symlink("v1", root))
		w := watch(root)
		before := w.has("same.yaml=s", "a.yaml=1")
		ok(os.Symlink("v2", filepath.Join(dir, "new")))
		ok(os.Rename(filepath.Join(dir, "new"), root))
		ok(os.RemoveAll(filepath.Join(dir, "v1")))
		after := w.has("same.yaml=s", "a.yaml=2")
		Expect(after.Files["same.yaml"]).To(BeIdenticalTo(before.Files["same.yaml"]))
		put(dir, "v2/a.yaml", "3")
		w.has("same.yaml=s", "a.yaml=3")
	})

	It("is an error when it is a file", func() {
		root := filepath.Join(tempDir(), "manifests")
		put(root, "not a directory")
		w := watch(root)
		Expect(w.until("an error", away).Err).To(MatchError(ContainSubstring("not a directory")))
	})
})
