package e2e

import (
	"os"
	"os/exec"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// git runs git in the manifest directory, and answers what it said.
func (h *host) git(args ...string) string {
	GinkgoHelper()
	out, err := h.gitCommand(args...).CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), string(out))
	return string(out)
}

// gitCommand is git without the configuration of whoever runs the tests.
func (h *host) gitCommand(args ...string) *exec.Cmd {
	cmd := exec.Command("git", args...)
	cmd.Dir = h.manifests
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + h.dir, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_EDITOR=true",
		"GIT_AUTHOR_NAME=t", "GIT_AUTHOR_EMAIL=t@localhost", "GIT_COMMITTER_NAME=t", "GIT_COMMITTER_EMAIL=t@localhost"}
	return cmd
}

// commit adds all that is there.
func (h *host) commit(message string) {
	GinkgoHelper()
	h.git("add", "-A")
	h.git("commit", "-q", "-m", message)
}

var _ = Describe("a manifest directory in git", func() {
	It("follows a checkout of another branch and back, and restarts nothing that is the same in both", func() {
		h := newHost()
		h.git("init", "-q", "-b", "main")
		for _, n := range []string{"a", "b", "c"} {
			h.write(n+".yaml", process(n, []string{"run"}))
		}
		h.commit("one")
		h.git("checkout", "-q", "-b", "other")
		h.write("b.yaml", process("b", []string{"run", "differently"}))
		h.write("d.yaml", process("d", []string{"run"}))
		h.remove("c.yaml")
		h.commit("two")
		h.git("checkout", "-q", "main")
		h.start()
		h.ready()
		Eventually(h.status).Should(MatchRegexp(`live [0-9a-f]{7} main, clean; disk the same`))
		before := h.pids()

		h.git("checkout", "-q", "other")
		Eventually(func() []int { p := h.pids(); return []int{len(p), same(before, p)} }).Should(Equal([]int{3, 1}))
		Eventually(h.status).Should(MatchRegexp(`live [0-9a-f]{7} other, clean; disk the same`))
		h.git("checkout", "-q", "main")
		Eventually(func() []int { p := h.pids(); return []int{len(p), same(before, p)} }).Should(Equal([]int{3, 1}))
		h.ready()

		before = h.pids()
		a, c := h.pidOf("a"), h.pidOf("c")
		h.git("checkout", "-q", "other")
		h.git("checkout", "-q", "main")
		h.write("z.yaml", process("z", []string{"run"}))
		h.pidOf("z") // all of it has been seen
		h.ready()
		Eventually(h.status).Should(MatchRegexp(`main, dirty; disk the same`))
		Expect([]int{h.pidOf("a"), h.pidOf("c")}).To(Equal([]int{a, c}))
		Eventually(func() []int { p := h.pids(); return []int{len(p), len(h.of("d"))} }).Should(Equal([]int{4, 0}))
	})

	It("waits while git holds the index, and says so", func() {
		h := newHost()
		h.git("init", "-q", "-b", "main")
		h.write("a.yaml", process("a", []string{"run"}))
		h.write("b.yaml", process("b", []string{"run"}))
		h.commit("one")
		h.start()
		h.ready()
		pid := h.pidOf("a")
		touch(h.manifests + "/.git/index.lock")
		h.write("a.yaml", process("a", []string{"run", "differently"}))
		Eventually(h.status).Should(And(HavePrefix("exit 1"), ContainSubstring("git is at work"), ContainSubstring("index.lock")))
		Expect(h.pidOf("a")).To(Equal(pid))
		Expect(os.Remove(h.manifests + "/.git/index.lock")).To(Succeed())
		Eventually(func() int { return h.pidOf("a") }).ShouldNot(Equal(pid))
		h.ready()
	})
})
