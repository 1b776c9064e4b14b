package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var inForce = regexp.MustCompile(`put revision ([0-9a-f]+)`)

// revisions lists what the default stack ever put in force, each once.
func (h *host) revisions() []string {
	out, _, _ := h.ctl("events", "--for", "stack/default")
	var all []string
	for _, m := range inForce.FindAllStringSubmatch(out, -1) {
		all = append(all, m[1])
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// putInForce are the events of what was put in force, each with how many objects were written.
func (h *host) putInForce() (all []string) {
	out, _, _ := h.ctl("events", "--for", "stack/default")
	for line := range strings.Lines(out) {
		if strings.Contains(line, "put revision") {
			all = append(all, strings.TrimSpace(line))
		}
	}
	return all
}

// many writes 500 manifests that all differ between versions. Twenty run; a change of version replaces ten of these.
func (h *host) many(version string) {
	GinkgoHelper()
	for i := range 500 {
		name, args, more := fmt.Sprintf("p%03d", i), []string{"run", fmt.Sprint(i)}, "replicas: 0"
		if i < 20 {
			more = "replicas: 1"
		}
		if i >= 10 {
			args = append(args, version)
		}
		Expect(os.WriteFile(h.manifests+"/"+name+".yaml", []byte(process(name, args, more, "why: it is of "+version)), 0o644)).To(Succeed())
	}
}

var _ = Describe("git at work on 500 files", func() {
	It("is never seen half done, ends where it began, and restarts nothing that is the same", func() {
		h := newHost()
		h.git("init", "-q", "-b", "main")
		h.many("main")
		h.commit("one")
		h.git("checkout", "-q", "-b", "other")
		h.many("other")
		h.commit("two")
		h.git("checkout", "-q", "main")
		h.start()
		h.ready()
		before := h.pids()
		Expect(before).To(HaveLen(20))
		Expect(h.revisions()).To(HaveLen(1))

		h.git("checkout", "-q", "other")
		Eventually(func() []int { p := h.pids(); return []int{len(p), same(before, p)} }).Should(Equal([]int{20, 10}))
		Eventually(h.status).Should(And(HavePrefix("exit 0"), MatchRegexp(`live [0-9a-f]{7} other, clean; disk the same`)))
		Expect(h.revisions()).To(HaveLen(2), "one whole set after the other")

		h.git("checkout", "-q", "main")
		Eventually(h.status).Should(And(HavePrefix("exit 0"), MatchRegexp(`live [0-9a-f]{7} main, clean; disk the same`)))
		Expect(same(before, h.pids())).To(Equal(10))
		before = h.pids()
		for range 2 {
			h.git("checkout", "-q", "other")
			h.git("checkout", "-q", "main")
		}
		h.git("commit", "-q", "--allow-empty", "-m", "three") // all before it has been seen when this is
		commit := h.git("rev-parse", "HEAD")[:7]
		Eventually(h.status).Should(And(HavePrefix("exit 0"), MatchRegexp(`live `+commit+` main, clean; disk the same`)))
		Expect(h.revisions()).To(Or(HaveLen(2), And(HaveLen(3), ContainElement(commit))), "nothing but the two, the last as of either commit that has it")
		Expect(h.putInForce()).To(HaveEach(MatchRegexp(`: 500 (created|updated)$`)), "each time all of it")
		Expect(same(before, h.pids())).To(BeNumerically(">=", 10))
		Expect(h.copies()).To(And(HaveLen(11), HaveKeyWithValue("main", 10)))
	})
})

// rebased makes a branch "work" whose rebase onto main stops at a conflict in a.yaml, and stands on it.
func (h *host) rebased() {
	GinkgoHelper()
	h.git("init", "-q", "-b", "main")
	h.write("a.yaml", process("a", []string{"run", "a1"}))
	h.write("same.yaml", process("same", []string{"run", "same"}))
	h.commit("one")
	h.git("checkout", "-q", "-b", "work")
	h.write("b.yaml", process("b", []string{"run", "b"}))
	h.commit("two")
	h.write("a.yaml", process("a", []string{"run", "a2"}))
	h.commit("three")
	h.git("checkout", "-q", "main")
	h.write("a.yaml", process("a", []string{"run", "a3"}))
	h.write("c.yaml", process("c", []string{"run", "c"}))
	h.commit("four")
	h.git("checkout", "-q", "work")
}

var _ = Describe("a rebase that stops at a conflict", func() {
	It("holds back everything until it is done, and then brings all of it at once", func() {
		h := newHost()
		h.rebased()
		h.start()
		h.ready()
		before := h.pids()
		Expect(h.copies()).To(Equal(map[string]int{"a2": 1, "b": 1, "same": 1}))

		Expect(h.gitFails("rebase", "main")).To(ContainSubstring("CONFLICT"))
		Eventually(h.status).Should(And(HavePrefix("exit 1"), MatchRegexp(`held: .*[Rr]ebas`)))
		h.write("d.yaml", process("d", []string{"run", "d"}))
		Expect(h.killAndCompare(before)).To(BeTrue(), "also a new operator waits")
		Eventually(h.status).Should(MatchRegexp(`held: .*[Rr]ebas`))
		h.remove("d.yaml")
		first := h.revisions() // of the new operator: what was told in the last second before a kill may be on no disk

		h.write("a.yaml", process("a", []string{"run", "a4"}))
		h.git("add", "a.yaml")
		h.git("rebase", "--continue")
		Eventually(h.copies).Should(Equal(map[string]int{"a4": 1, "b": 1, "c": 1, "same": 1}))
		h.ready()
		Expect(h.revisions()).To(HaveLen(len(first)+1), "one step")
		Expect(same(before, h.pids())).To(Equal(2), "b and same")
	})

	It("changes nothing when it is given up", func() {
		h := newHost()
		h.rebased()
		h.start()
		h.ready()
		before, first := h.pids(), h.revisions()
		h.gitFails("rebase", "main")
		Eventually(h.status).Should(MatchRegexp(`held: .*[Rr]ebas`))
		h.git("rebase", "--abort")
		Eventually(h.status).Should(And(HavePrefix("exit 0"), MatchRegexp(`work, clean; disk the same`)))
		Expect(h.pids()).To(Equal(before))
		Expect(h.revisions()).To(Equal(first))
	})
})

var _ = Describe("a manifest directory whose .git is a file", func() {
	It("may be a work tree of another repository, and waits for its index, not for the other's", func() {
		h := newHost()
		repo := h.dir + "/repo"
		Expect(os.Mkdir(repo, 0o755)).To(Succeed())
		worktree := h.manifests
		h.manifests = repo
		h.git("init", "-q", "-b", "main")
		h.write("a.yaml", process("a", []string{"run", "a1"}))
		h.commit("one")
		h.git("worktree", "add", "-q", "-b", "live", worktree)
		h.manifests = worktree
		h.start()
		h.ready()
		Eventually(h.status).Should(MatchRegexp(`live [0-9a-f]{7} live, clean; disk the same`))
		touch(repo + "/.git/index.lock") // somebody is at work in the other tree
		h.write("b.yaml", process("b", []string{"run", "b1"}))
		h.pidOf("b")

		lock := repo + "/.git/worktrees/m/index.lock"
		touch(lock)
		h.write("a.yaml", process("a", []string{"run", "a2"}))
		Eventually(h.status).Should(And(HavePrefix("exit 1"), ContainSubstring("git is at work"), ContainSubstring(lock)))
		Expect(h.copies()).To(Equal(map[string]int{"a1": 1, "b1": 1}))
		Expect(os.Remove(lock)).To(Succeed())
		Eventually(h.copies).Should(Equal(map[string]int{"a2": 1, "b1": 1}))
		h.commit("two")
		Eventually(h.status).Should(And(HavePrefix("exit 0"), MatchRegexp(`live, clean; disk the same`)))
	})

	It("may hold a submodule, or be one", func() {
		h := newHost()
		top := h.manifests
		h.manifests = h.dir + "/lib"
		Expect(os.Mkdir(h.manifests, 0o755)).To(Succeed())
		h.git("init", "-q", "-b", "main")
		h.write("s.yaml", process("s", []string{"run", "s1"}))
		h.commit("one")
		h.git("checkout", "-q", "-b", "next")
		h.write("s.yaml", process("s", []string{"run", "s2"}))
		h.write("t.yaml", process("t", []string{"run", "t"}))
		h.commit("two")
		h.git("checkout", "-q", "main")
		h.manifests = top
		h.git("init", "-q", "-b", "main")
		h.write("a.yaml", process("a", []string{"run", "a"}))
		h.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", h.dir+"/lib", "sub")
		h.commit("one")
		h.start()
		Eventually(h.copies).Should(Equal(map[string]int{"a": 1, "s1": 1}))
		h.ready()
		pid := h.pidOf("a")
		h.git("-C", "sub", "checkout", "-q", "next")
		Eventually(h.copies).Should(Equal(map[string]int{"a": 1, "s2": 1, "t": 1}))
		h.ready()
		Expect(h.must("events", "--for", "stack/default")).To(ContainSubstring("in force: 1 created, 1 updated"), "all of it at once")
		Expect(h.pidOf("a")).To(Equal(pid))
		Eventually(h.status).Should(MatchRegexp(`main, dirty; disk the same`))

		lock := top + "/.git/modules/sub/index.lock"
		touch(lock)
		h.write("sub/s.yaml", process("s", []string{"run", "s3"}))
		Eventually(h.status).Should(And(HavePrefix("exit 1"), ContainSubstring("git is at work"), ContainSubstring(lock)))
		Expect(h.copies()).To(HaveKeyWithValue("s2", 1))
		Expect(os.Remove(lock)).To(Succeed())
		Eventually(h.copies).Should(Equal(map[string]int{"a": 1, "s3": 1, "t": 1}))
	})
})

// gitFails runs git where it is expected to end with an error, and answers what it said.
func (h *host) gitFails(args ...string) string {
	GinkgoHelper()
	out, err := h.gitCommand(args...).CombinedOutput()
	Expect(err).To(BeAssignableToTypeOf(&exec.ExitError{}), string(out))
	return string(out)
}
