package ledger_test

import (
	"os"
	"regexp"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("The documentation", func() {
	It("names tests that there are", func() {
		doc, err := os.ReadFile("doc.go")
		Expect(err).NotTo(HaveOccurred())
		named := regexp.MustCompile(`(?m)^//\t\t(\S+_test\.go): (.+)$`).FindAllStringSubmatch(string(doc), -1)
		Expect(len(named)).To(BeNumerically(">", 20))
		for _, n := range named {
			test, err := os.ReadFile("../../../" + n[1])
			Expect(err).NotTo(HaveOccurred())
			Expect(string(test)).To(ContainSubstring(n[2]), n[1])
		}
	})
})
