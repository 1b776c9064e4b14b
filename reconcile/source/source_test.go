package source_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/reconcile/source"
)

var _ = Describe("Source", func() {
	It("reads every manifest below the root, and nothing that is hidden or an editor's", func() {
		root := tempDir()
		put(root, "a.yaml", "a")
		put(root, "sub/deep/b.yml", "b")
		for _, name := range []string{".hidden.yaml", ".git/x.yaml", "x.yaml~", "#x.yaml#", ".x.yaml.swp", ".#x.yaml", "4913", "x.json", "x.yaml.bak"} {
			put(root, name, "no")
		}
		snap := watch(root).has("a.yaml=a", "sub/deep/b.yml=b")
		Expect(snap.Seq).To(Equal(uint64(1)))
		Expect(snap.Root).To(Equal(root))
		Expect(snap.Git).To(BeNil())
		Expect(snap.Warnings).To(BeEmpty())
	})

	It("sees writes, edits, renames and deletions, and leaves the other files as they are", func() {
		root := tempDir()
		put(root, "keep.yaml", "k")
		put(root, "a.yaml", "1")
		w := watch(root)
		keep := w.has("keep.yaml=k", "a.yaml=1").Files["keep.yaml"]
		put(root, "a.yaml", "2")
		w.has("keep.yaml=k", "a.yaml=2")
		put(root, "b.yaml", "b")
		w.has("keep.yaml=k", "a.yaml=2", "b.yaml=b")
		ok(os.Rename(filepath.Join(root, "b.yaml"), filepath.Join(root, "c.yaml")))
		w.has("keep.yaml=k", "a.yaml=2", "c.yaml=b")
		ok(os.Remove(filepath.Join(root, "a.yaml")))
		snap := w.has("keep.yaml=k", "c.yaml=b")
		Expect(snap.Files["keep.yaml"]).To(BeIdenticalTo(keep))
	})

	It("sees a rename into place", func() {
		root := tempDir()
		put(root, "a.yaml", "1")
		w := watch(root)
		w.has("a.yaml=1")
		put(root, ".a.yaml.tmp", "2")
		ok(os.Rename(filepath.Join(root, ".a.yaml.tmp"), filepath.Join(root, "a.yaml")))
		w.has("a.yaml=2")
	})

	It("keeps snapshots as they were", func() {
		root := tempDir()
		put(root, "a.yaml", "1")
		w := watch(root)
		before := w.has("a.yaml=1")
		put(root, "a.yaml", "2")
		put(root, "b.yaml", "2")
		after := w.has("a.yaml=2", "b.yaml=2")
		Expect(contents(before)).To(Equal([]string{"a.yaml=1"}))
		Expect(after.Seq).To(BeNumerically(">", before.Seq))
		Expect(after.Changed).To(BeTemporally(">", before.Changed))
	})

	It("follows directories that are made, moved and removed", func() {
		root := tempDir()
		w := watch(root)
		w.has()
		put(root, "one/two/a.yaml", "a")
		w.has("one/two/a.yaml=a")
		ok(os.Rename(filepath.Join(root, "one"), filepath.Join(root, "uno")))
		w.has("uno/two/a.yaml=a")
		put(root, "uno/two/a.yaml", "b")
		w.has("uno/two/a.yaml=b")
		ok(os.RemoveAll(filepath.Join(root, "uno")))
		w.has()
		put(root, "uno/two/c.yaml", "c")
		w.has("uno/two/c.yaml=c")
		put(root, "uno/two/c.yaml", "d")
		w.has("uno/two/c.yaml=d")
	})

	It("sees changes in a directory that was removed and made again in one go", func() {
		root := tempDir()
		put(root, "d/a.yaml", "0")
		w := watch(root)
		w.has("d/a.yaml=0")
		for i := 1; i <= 6; i++ {
			ok(os.RemoveAll(filepath.Join(root, "d")))
			put(root, "d/a.yaml", fmt.Sprint("made ", i))
			w.has(fmt.Sprint("d/a.yaml=made ", i))
			put(root, "d/a.yaml", fmt.Sprint("edited ", i))
			w.has(fmt.Sprint("d/a.yaml=edited ", i))
		}
	})

	It("says nothing when a file is touched or written with the same content", func() {
		root := tempDir()
		put(root, "a.yaml", "1")
		w := watch(root)
		before := w.has("a.yaml=1")
		put(root, "a.yaml", "1")
		ok(os.Chmod(filepath.Join(root, "a.yaml"), 0o600))
		put(root, "marker.yaml", "m")
		after := w.has("a.yaml=1", "marker.yaml=m")
		Expect(after.Files["a.yaml"]).To(BeIdenticalTo(before.Files["a.yaml"]))
		Expect(after.Seq).To(Equal(before.Seq + 1))
	})

	It("gives few snapshots for many files at once", func() {
		root := tempDir()
		w := watch(root)
		w.has()
		var want []string
		start := time.Now()
		for i := range 500 {
			name := fmt.Sprintf("d%d/f%03d.yaml", i%7, i)
			put(root, name, name)
			want = append(want, name+"="+name)
		}
		seq := w.has(want...).Seq
		Expect(seq).To(BeNumerically("<", 20+time.Since(start)/(50*time.Millisecond)))
	})

	It("leaves out what is excluded, and looks again when that changes", func() {
		root := tempDir()
		put(root, "a.yaml", "a")
		put(root, "off/b.yaml", "b")
		w := watch(root, func(o *source.Options) {
			o.Exclude = func(rel string, dir bool) bool { return dir && rel == "off" }
		})
		w.has("a.yaml=a")
		w.SetExclude(func(rel string, _ bool) bool { return rel == "a.yaml" })
		w.has("off/b.yaml=b")
		put(root, "off/b.yaml", "c")
		w.has("off/b.yaml=c")
		w.SetExclude(func(rel string, _ bool) bool { return rel == "off" || strings.HasSuffix(rel, "x.yaml") })
		w.has("a.yaml=a")
		put(root, "off/b.yaml", "d")
		put(root, "x.yaml", "x")
		put(root, "marker.yaml", "m")
		Expect(w.has("a.yaml=a", "marker.yaml=m").Files).To(HaveLen(2))
	})

	It("does not wake when nothing changes", func() {
		root := tempDir()
		put(root, "a.yaml", "1")
		w := watch(root)
		w.has("a.yaml=1")
		put(root, "a.yaml", "2")
		w.has("a.yaml=2")
		before := int64(-1)
		Eventually(func() bool {
			last := before
			before = w.Wakes()
			return before == last
		}).WithPolling(100 * time.Millisecond).Should(BeTrue())
		Consistently(w.Wakes, "200ms").Should(Equal(before))
	})
})

var _ = Describe("Read", func() {
	It("reads once, and says where git stands", func(ctx context.Context) {
		root := newRepo("a.yaml", "a", "sub/b.yaml", "b")
		snap := source.Read(ctx, source.Options{Root: root})
		Expect(contents(snap)).To(Equal([]string{"a.yaml=a", "sub/b.yaml=b"}))
		Expect(snap.Git.Commit).To(Equal(gitIn(root, "rev-parse", "HEAD")))
		Expect(snap.Git.Branch).To(Equal("main"))
		Expect(snap.Git.Dirty).To(BeFalse())
		Expect(snap.Git.Err).NotTo(HaveOccurred())
		put(root, "c.yaml", "c")
		snap = source.Read(ctx, source.Options{Root: filepath.Join(root)})
		Expect(snap.Git.Dirty).To(BeTrue())
		Expect(source.Read(ctx, source.Options{Root: filepath.Join(root, "sub")}).Git.Dirty).To(BeFalse())
	})

	It("says when there is nothing to read", func(ctx context.Context) {
		root := filepath.Join(tempDir(), "none")
		snap := source.Read(ctx, source.Options{Root: root})
		Expect(snap.Err).To(MatchError(ContainSubstring(root)))
		Expect(snap.Files).To(BeEmpty())
	})
})
