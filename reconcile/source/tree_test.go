package source

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// remembered is a tree that has read a.yaml, from which it is then removed.
func remembered() (*tree, string) {
	GinkgoHelper()
	root, err := filepath.EvalSymlinks(GinkgoT().TempDir())
	Expect(err).NotTo(HaveOccurred())
	file := filepath.Join(root, "a.yaml")
	Expect(os.WriteFile(file, []byte("old"), 0o644)).To(Succeed())
	Expect(os.Chtimes(file, time.Time{}, time.Now().Add(-time.Hour))).To(Succeed())
	s := New(Options{Root: root})
	t := newTree(s, nil)
	t.begin(time.Now(), s.excluded())
	t.scan()
	Expect(slices.Collect(maps.Keys(t.files))).To(ConsistOf("a.yaml"))
	Expect(os.Remove(file)).To(Succeed())
	t.look("a.yaml")
	Expect(t.files).To(BeEmpty())
	return t, file
}

var _ = Describe("A file that was removed", func() {
	DescribeTable("and comes back empty", func(after time.Duration, content contentOf) {
		t, file := remembered()
		t.begin(t.now.Add(after), t.exclude)
		Expect(os.WriteFile(file, nil, 0o644)).To(Succeed())
		t.look("a.yaml")
		Expect(t.files).To(HaveLen(len(content)))
		for rel, data := range content {
			Expect(string(t.files[rel].Data)).To(Equal(data))
		}
	},
		Entry("is what it was, while its removal waits", goneFor-time.Millisecond, contentOf{"a.yaml": "old"}),
		Entry("is empty, after its removal counted", goneFor+time.Millisecond, contentOf{"a.yaml": ""}),
	)

	It("is not restored by a root that goes away later", func() {
		t, file := remembered()
		t.begin(t.now.Add(goneFor+time.Millisecond), t.exclude)
		Expect(os.Remove(filepath.Dir(file))).To(Succeed())
		t.scan()
		Expect(t.rootErr).To(HaveOccurred())
		Expect(t.files).To(BeEmpty())
	})
})

// contentOf is contents by path.
type contentOf = map[string]string
