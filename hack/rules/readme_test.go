package rules_test

import (
	"io/fs"
	"os"
	"regexp"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var (
	makeTargets = regexp.MustCompile("(?:^    |`|&& |\\d\\. )make ([a-z]+)")
	treePaths   = regexp.MustCompile(`\b(?:cmd|controllers|reconcile|specs|hack|manifests)/[\w/.]+`)
)

var _ = Describe("README.md", func() {
	root := os.DirFS("../..")
	text := func(name string) string {
		GinkgoHelper()
		b, err := fs.ReadFile(root, name)
		Expect(err).NotTo(HaveOccurred())
		return string(b)
	}

	It("names targets of the Makefile", func() {
		rules := text("Makefile")
		n := 0
		for line := range strings.Lines(text("README.md")) {
			for _, m := range makeTargets.FindAllStringSubmatch(line, -1) {
				n++
				Expect(rules).To(MatchRegexp(`(?m)^`+m[1]+`:.*## `), "make %s", m[1])
			}
		}
		Expect(n).To(BeNumerically(">", 5))
	})

	It("names files and directories that there are", func() {
		paths := treePaths.FindAllString(text("README.md"), -1)
		Expect(len(paths)).To(BeNumerically(">", 15))
		for _, p := range paths {
			_, err := fs.Stat(root, strings.TrimRight(p, "./"))
			Expect(err).NotTo(HaveOccurred())
		}
	})
})
