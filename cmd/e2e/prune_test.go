package e2e

import (
	"fmt"
	"os"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// ten writes ten manifests and waits until what they declare runs.
func ten() *host {
	GinkgoHelper()
	h := newHost()
	for i := range 10 {
		h.write(fmt.Sprintf("p%d.yaml", i), process(fmt.Sprintf("p%d", i), []string{"run"}))
	}
	h.start()
	h.ready()
	Expect(h.pids()).To(HaveLen(10))
	return h
}

var _ = Describe("removing manifests", func() {
	It("of half of them stops nothing, says why, and gives the command that agrees", func() {
		h := ten()
		before := h.pids()
		for i := range 5 {
			h.remove(fmt.Sprintf("p%d.yaml", i))
		}
		Eventually(h.pending).ShouldNot(BeEmpty())
		command := h.pending()
		Expect(h.status()).To(And(HavePrefix("exit 1"), ContainSubstring("PruneBlocked"), ContainSubstring("5 to remove"), ContainSubstring(strings.Join(command, " "))))
		Expect(h.pids()).To(Equal(before))
		Expect(command[0]).To(Equal("mirrorctl"))
		Expect(command).To(ContainElements("--prune", "--plan"))

		out, errs, code := h.ctl("apply", "--prune", "--plan", "0123456789abcdef")
		Expect(code).To(Equal(1), out+errs)
		Expect(h.pids()).To(Equal(before))

		h.must(command[1:]...)
		Eventually(func() int { return len(h.pids()) }).Should(Equal(5))
		h.ready()
		Expect(same(before, h.pids())).To(Equal(5))
		Expect(h.pending()).To(BeEmpty())
	})

	It("of a few acts when the files were quiet, and a file that came back in time was never gone", func() {
		h := ten()
		before := h.pids()
		h.remove("p1.yaml")
		h.remove("p2.yaml")
		Eventually(h.status).Should(ContainSubstring("wait until the files are quiet"))
		h.write("p2.yaml", process("p2", []string{"run"}))
		Eventually(func() int { return len(h.pids()) }).Should(Equal(9))
		Expect(same(before, h.pids())).To(Equal(9))
		h.ready()
	})

	It("by deleting or replacing the whole directory stops nothing that comes back", func() {
		h := ten()
		before := h.pids()
		Expect(os.Rename(h.manifests, h.dir+"/old")).To(Succeed())
		Eventually(h.status).Should(And(HavePrefix("exit 1"), ContainSubstring("cannot read the manifest directory")))
		Expect(h.pids()).To(Equal(before))

		Expect(os.Mkdir(h.dir+"/new", 0o755)).To(Succeed())
		for i := range 10 {
			b, err := os.ReadFile(fmt.Sprintf("%s/old/p%d.yaml", h.dir, i))
			Expect(err).NotTo(HaveOccurred())
			if i == 4 {
				b = append(b, "  args: [again]\n"...)
			}
			Expect(os.WriteFile(fmt.Sprintf("%s/new/p%d.yaml", h.dir, i), b, 0o644)).To(Succeed())
		}
		Expect(os.Rename(h.dir+"/new", h.manifests)).To(Succeed())
		Eventually(func() []int { p := h.pids(); return []int{len(p), same(before, p)} }).Should(Equal([]int{10, 9}))
		h.ready()

		Expect(os.RemoveAll(h.manifests)).To(Succeed())
		Eventually(h.status).Should(And(HavePrefix("exit 1"), ContainSubstring("cannot read the manifest directory")))
		Expect(h.pids()).To(HaveLen(10))
	})
})
