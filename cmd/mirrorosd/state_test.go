package main

import (
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("The state directory", func() {
	var dir string
	BeforeEach(func() { dir = filepath.Join(GinkgoT().TempDir(), "state") })

	It("is one operator's alone, and free again when that one ends", func() {
		first, err := openState(dir)
		Expect(err).NotTo(HaveOccurred())
		_, err = openState(dir)
		Expect(err).To(MatchError(And(ContainSubstring("another operator"), ContainSubstring(dir), ContainSubstring("--state"))))
		first.Close()
		again, err := openState(dir)
		Expect(err).NotTo(HaveOccurred())
		again.Close()
	})

	It("is refused when a newer version wrote it, and gives the lock back", func() {
		s, err := openState(dir)
		Expect(err).NotTo(HaveOccurred())
		s.Close()
		Expect(os.WriteFile(filepath.Join(dir, "schema"), []byte("99\n"), 0o600)).To(Succeed())
		_, err = openState(dir)
		Expect(err).To(MatchError(ContainSubstring("newer version")))
		Expect(os.WriteFile(filepath.Join(dir, "schema"), []byte("1\n"), 0o600)).To(Succeed())
		s, err = openState(dir)
		Expect(err).NotTo(HaveOccurred())
		s.Close()
	})

	It("is refused when the schema is not a number", func() {
		Expect(os.MkdirAll(dir, 0o700)).To(Succeed())
		Expect(os.WriteFile(filepath.Join(dir, "schema"), []byte("what\n"), 0o600)).To(Succeed())
		_, err := openState(dir)
		Expect(err).To(MatchError(ContainSubstring("not a number")))
	})

	It("says which directory could not be made", func() {
		Expect(os.WriteFile(dir, nil, 0o600)).To(Succeed())
		_, err := openState(dir)
		Expect(err).To(MatchError(And(ContainSubstring(dir), ContainSubstring("--state"))))
	})

	It("keeps claims, exits and logs from others", func() {
		s, err := openState(dir)
		Expect(err).NotTo(HaveOccurred())
		defer s.Close()
		for _, d := range []string{"claims", "exits", "logs"} {
			info, err := os.Stat(filepath.Join(dir, d))
			Expect(err).NotTo(HaveOccurred())
			Expect(info.Mode().Perm()).To(Equal(os.FileMode(0o700)), d)
		}
	})
})
