package source

import (
	"context"
	"os"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// stepped is a loop that the spec runs itself, step by step, over a directory with these files, and link.yaml that leads to one of them.
func stepped(target string, files ...string) (*loop, string) {
	GinkgoHelper()
	root, err := filepath.EvalSymlinks(GinkgoT().TempDir())
	Expect(err).NotTo(HaveOccurred())
	for _, rel := range files {
		write(filepath.Join(root, rel), "of "+rel)
	}
	Expect(os.Symlink(target, filepath.Join(root, "link.yaml"))).To(Succeed())
	l := newLoop(New(Options{Root: root}))
	DeferCleanup(l.close)
	for range 2 { // the second for what happened before the watches
		stepNow(l)
	}
	return l, root
}

// stepNow does a step that may read.
func stepNow(l *loop) {
	l.gap = 0
	l.step(context.Background(), time.Now())
}

// stepBlind does a step in which nothing may be read yet.
func stepBlind(l *loop) {
	l.lastPublish, l.gap = time.Now(), time.Hour
	l.step(context.Background(), time.Now())
}

// noteUntil takes the events up to the first of this path.
func noteUntil(l *loop, path string) {
	GinkgoHelper()
	for name := ""; name != path; {
		select {
		case ev := <-l.watches.events():
			l.note(ev)
			name = ev.Name
		case <-time.After(10 * time.Second):
			Fail("no event of " + path)
		}
	}
}

// write writes a file that nobody takes for one that is being written.
func write(path, content string) {
	GinkgoHelper()
	Expect(os.MkdirAll(filepath.Dir(path), 0o755)).To(Succeed())
	tmp := path + ".tmp"
	Expect(os.WriteFile(tmp, []byte(content), 0o644)).To(Succeed())
	Expect(os.Chtimes(tmp, time.Time{}, agesAgo)).To(Succeed())
	Expect(os.Rename(tmp, path)).To(Succeed())
}

var agesAgo = time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)

var _ = Describe("A symbolic link to a file", func() {
	content := func(l *loop, rel string) string {
		if f := l.tree.files[rel]; f != nil {
			return string(f.Data)
		}
		return ""
	}

	It("is looked at again when the directory was away as the watches were renewed", func() {
		l, root := stepped("b/f.yaml", "b/f.yaml")
		Expect(content(l, "link.yaml")).To(Equal("of b/f.yaml"))
		b := filepath.Join(root, "b")
		Expect(os.Rename(b, filepath.Join(root, "a"))).To(Succeed())
		noteUntil(l, filepath.Join(root, "a"))
		stepBlind(l)
		write(filepath.Join(b, "f.yaml"), "second")
		noteUntil(l, b)
		stepNow(l)
		stepNow(l)
		Expect(content(l, "link.yaml")).To(Equal("second"))
		write(filepath.Join(b, "f.yaml"), "third")
		noteUntil(l, filepath.Join(b, "f.yaml"))
		stepNow(l)
		Expect(content(l, "link.yaml")).To(Equal("third"))
	})

	It("outside the root is looked at again when its directory was away as the watches were renewed", func() {
		out, err := filepath.EvalSymlinks(GinkgoT().TempDir())
		Expect(err).NotTo(HaveOccurred())
		b := filepath.Join(out, "b")
		write(filepath.Join(b, "f.yaml"), "first")
		l, _ := stepped(filepath.Join(b, "f.yaml"))
		Expect(content(l, "link.yaml")).To(Equal("first"))
		Expect(os.Rename(b, filepath.Join(out, "a"))).To(Succeed())
		noteUntil(l, b)
		stepBlind(l)
		write(filepath.Join(b, "f.yaml"), "second")
		stepNow(l)
		stepNow(l)
		Expect(content(l, "link.yaml")).To(Equal("second"))
		write(filepath.Join(b, "f.yaml"), "third")
		noteUntil(l, filepath.Join(b, "f.yaml"))
		stepNow(l)
		Expect(content(l, "link.yaml")).To(Equal("third"))
	})

	It("is looked at again when a directory further up became another", func() {
		l, root := stepped("a/x/f.yaml", "a/x/f.yaml")
		Expect(content(l, "link.yaml")).To(Equal("of a/x/f.yaml"))
		a, out := filepath.Join(root, "a"), GinkgoT().TempDir()
		write(filepath.Join(out, "new/x/f.yaml"), "second")
		Expect(os.Rename(a, filepath.Join(out, "old"))).To(Succeed())
		Expect(os.Rename(filepath.Join(out, "new"), a)).To(Succeed())
		put := filepath.Join(root, "put.yaml") // its event is the last
		write(put, "")
		noteUntil(l, put)
		stepNow(l)
		Expect(content(l, "link.yaml")).To(Equal("second"))
		write(filepath.Join(a, "x/f.yaml"), "third")
		noteUntil(l, filepath.Join(a, "x/f.yaml"))
		stepNow(l)
		Expect(content(l, "link.yaml")).To(Equal("third"))
	})

	It("is looked at again when a hidden directory further up became another", func() {
		l, root := stepped(".a/x/f.yaml", ".a/x/f.yaml")
		Expect(content(l, "link.yaml")).To(Equal("of .a/x/f.yaml"))
		a, out := filepath.Join(root, ".a"), GinkgoT().TempDir()
		write(filepath.Join(out, "x/f.yaml"), "second")
		Expect(os.Rename(a, filepath.Join(root, ".old"))).To(Succeed())
		Expect(os.Rename(out, a)).To(Succeed())
		noteUntil(l, a)
		noteUntil(l, a)
		stepNow(l)
		stepNow(l)
		Expect(content(l, "link.yaml")).To(Equal("second"))
		write(filepath.Join(a, "x/f.yaml"), "third")
		noteUntil(l, filepath.Join(a, "x/f.yaml"))
		stepNow(l)
		Expect(content(l, "link.yaml")).To(Equal("third"))
	})

	It("is looked at again when what is no directory becomes one", func() {
		l, root := stepped("b/f.yaml", "b")
		Expect(l.tree.files["link.yaml"].Err).To(HaveOccurred())
		b := filepath.Join(root, "b")
		Expect(os.Remove(b)).To(Succeed())
		write(filepath.Join(b, "f.yaml"), "in a directory")
		noteUntil(l, b)
		noteUntil(l, b)
		stepNow(l)
		Expect(content(l, "link.yaml")).To(Equal("in a directory"))
	})

	It("settles: where nothing changes nothing is to be looked at", func() {
		out := GinkgoT().TempDir()
		l, root := stepped(filepath.Join(out, "gone", "f.yaml"), "f", "a/f.yaml")
		Expect(os.Symlink("f/x.yaml", filepath.Join(root, "file.yaml"))).To(Succeed())
		Expect(os.Symlink("a/f.yaml", filepath.Join(root, "other.yaml"))).To(Succeed())
		noteUntil(l, filepath.Join(root, "other.yaml"))
		for range 3 {
			stepNow(l)
		}
		Expect(l.work(time.Now())).To(BeFalse())
		Expect(l.aux || l.tree.linksChanged || l.watches.unsure).To(BeFalse())
	})
})
