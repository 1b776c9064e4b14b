//go:build linux

package runner_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/process/runner"
	"mirroros.dev/mirroros/controllers/process/runner/group"
)

// limited starts a run with limits.
func (g *rig) limited(id string, l group.Limits, script string) runner.Instance {
	GinkgoHelper()
	s := g.spec(id, 1, script)
	s.Limits = l
	i, err := g.Start(s)
	Expect(err).NotTo(HaveOccurred())
	return i
}

// can tells whether this host has groups for limits. One that has none must say so of a run.
func (g *rig) can(limits ...string) bool {
	GinkgoHelper()
	caps := g.Capabilities()
	means := map[string]string{group.Memory: caps.LimitMemory, group.CPU: caps.LimitCPU, group.Pids: caps.LimitPids}
	for _, l := range limits {
		if strings.HasPrefix(means[l], "cgroup") {
			continue
		}
		g.limited("unmet-x-0", group.Limits{Memory: 4 << 30, CPU: 500, Pids: 50}, "exit:0")
		Expect(g.exit("unmet-x-0").Unmet).To(HaveKey(l))
		return false
	}
	return true
}

// ways are how a run is held: in a cgroup v2 directory, or without one.
func ways(it func(parent string)) {
	for name, parent := range map[string]string{"with cgroup v2": "", "without cgroup v2": runner.NoCgroupV2} {
		Context(name, func() { it(parent) })
	}
}

var _ = Describe("limits", func() {
	ways(func(parent string) {
		It("of memory end the run that goes over, tell so with the peak, and no other", func() {
			g := open(GinkgoT().TempDir(), parent)
			if !g.can(group.Memory) {
				return
			}
			g.start("calm-x-0", 1, "say:here wait")
			i := g.limited("hog-x-0", group.Limits{Memory: 64 << 20}, "hog:200 wait")
			Expect(i.Unmet).To(BeEmpty())
			x := g.exit("hog-x-0").Exit
			Expect(x.Signal).To(Equal(syscall.SIGKILL))
			Expect(x.OOMKills).To(BeNumerically(">=", 1))
			Expect(x.PeakMemory).To(And(BeNumerically(">", 60<<20), BeNumerically("<=", 64<<20+64<<10)), "the kernel charges in batches")
			calm, _ := g.Get("calm-x-0")
			Expect(alive(calm.PID)).To(BeTrue())

			g.stop()
			g = open(g.state, parent)
			again, _ := g.Get("hog-x-0")
			Expect(again.Exit.OOMKills).To(Equal(x.OOMKills), "an operator that follows knows it too")
			Expect(again.Exit.PeakMemory).To(Equal(x.PeakMemory))
			Expect(again.Limits.Memory).To(BeEquivalentTo(64 << 20))
		})

		It("too low for a program to begin are an end for want of memory too", func() {
			g := open(GinkgoT().TempDir(), parent)
			if !g.can(group.Memory) {
				return
			}
			s := g.spec("hog-x-0", 1, "wait")
			s.Limits.Memory = 100 << 10
			i, err := g.Start(s)
			if err != nil { // killed before it could claim
				Expect(err).To(MatchError(ContainSubstring("mirrorguard")))
				return
			}
			Expect(i.PID).NotTo(BeZero())
			Expect(g.exit("hog-x-0").Exit.OOMKills).To(BeNumerically(">=", 1))
		})

		It("of pids stop a run from starting more", func() {
			g := open(GinkgoT().TempDir(), parent)
			if !g.can(group.Pids) {
				return
			}
			g.limited("many-x-0", group.Limits{Pids: 20}, "threads:50 wait")
			Expect(g.output("many-x-0", "of 50")).To(MatchRegexp("started 1?[0-9] of 50"))
		})

		It("of cpu make a run slower", func() {
			g := open(GinkgoT().TempDir(), parent)
			if !g.can(group.CPU) {
				return
			}
			g.limited("slow-x-0", group.Limits{CPU: 200}, "spin:200 wait")
			took, err := strconv.Atoi(regexp.MustCompile(`spun (\d+)`).FindStringSubmatch(g.output("slow-x-0", "spun"))[1])
			Expect(err).NotTo(HaveOccurred())
			Expect(took).To(BeNumerically(">", 500), "200 ms at a fifth of a processor")
		})

		It("of cpu have a share for when there is not enough for all, which changes too", func() {
			g := open(GinkgoT().TempDir(), parent)
			if !g.can(group.CPU) {
				return
			}
			i := g.limited("a-x-0", group.Limits{Share: 2000}, "wait")
			Expect(i.Unmet).To(BeEmpty())
			dir := v1Dir(i.PID, "cpu")
			if dir == "" {
				return // the files of version 2 are other ones
			}
			share := func() string { b, _ := os.ReadFile(dir + "/cpu.shares"); return strings.TrimSpace(string(b)) }
			Expect(share()).To(Equal("2048"))
			Expect(g.Limit("a-x-0", group.Limits{CPU: 500})).To(Succeed())
			Expect(share()).To(Equal("1024"))
			g.stop()
			g = open(g.state, parent)
			now, _ := g.Get("a-x-0")
			Expect(now.Limits).To(Equal(group.Limits{CPU: 500}))
		})

		It("are changed while it runs, and an operator that follows knows them", func() {
			g := open(GinkgoT().TempDir(), parent)
			if !g.can(group.Memory, group.Pids) {
				return
			}
			was := g.limited("a-x-0", group.Limits{Memory: 64 << 20, Pids: 50}, "hog:40 wait")
			g.output("a-x-0", "hogged")
			Expect(g.Limit("a-x-0", group.Limits{Memory: 128 << 20, Pids: 60})).To(Succeed())
			now, _ := g.Get("a-x-0")
			Expect(now.Unmet).To(BeEmpty())
			Expect(now.PID).To(Equal(was.PID))

			By("lowering it below what is used")
			Expect(g.Limit("a-x-0", group.Limits{Memory: 20 << 20, Pids: 60})).To(Succeed())
			now, _ = g.Get("a-x-0")
			Expect(now.Unmet[group.Memory]).To(And(ContainSubstring("cannot be lowered to 20Mi"), ContainSubstring("next start")))
			Expect(alive(was.PID)).To(BeTrue())

			g.stop()
			g = open(g.state, parent)
			now, _ = g.Get("a-x-0")
			Expect(now.Limits).To(Equal(group.Limits{Memory: 20 << 20, Pids: 60}))
			Expect(now.Unmet).To(HaveKey(group.Memory))

			By("lifting all")
			Expect(g.Limit("a-x-0", group.Limits{})).To(Succeed())
			now, _ = g.Get("a-x-0")
			Expect(now.Unmet).To(BeEmpty())
		})

		It("of a group that somebody removed under the run are told", func() {
			g := open(GinkgoT().TempDir(), parent)
			if !g.can(group.Pids) {
				return
			}
			i := g.limited("a-x-0", group.Limits{Pids: 50}, "wait")
			dir := v1Dir(i.PID, "pids")
			if dir == "" {
				return // one of version 2 is in use, so it cannot be removed
			}
			Expect(os.WriteFile(filepath.Dir(filepath.Dir(dir))+"/cgroup.procs", []byte(strconv.Itoa(i.PID)), 0)).To(Succeed())
			Expect(syscall.Rmdir(dir)).To(Succeed())
			Expect(g.Limit("a-x-0", group.Limits{Pids: 60})).To(Succeed())
			now, _ := g.Get("a-x-0")
			Expect(now.Unmet[group.Pids]).To(ContainSubstring("somebody removed it"))
		})

		It("leave no group behind, and none that an operator before left", func() {
			g := open(GinkgoT().TempDir(), parent)
			if !g.can(group.Memory) {
				return
			}
			i := g.limited("a-x-0", group.Limits{Memory: 64 << 20}, "wait")
			dir := v1Dir(i.PID, "memory")
			if dir == "" {
				return // the run's group of version 2 goes with it
			}
			Expect(os.Mkdir(filepath.Dir(dir)+"/left-x-0.7", 0o755)).To(Succeed())
			g.stop()
			g = open(g.state, parent)
			Expect(filepath.Dir(dir) + "/left-x-0.7").NotTo(BeADirectory())
			Expect(dir).To(BeADirectory())
			Expect(g.Kill("a-x-0")).To(Succeed())
			g.exit("a-x-0")
			Expect(g.Forget("a-x-0")).To(Succeed())
			Expect(filepath.Dir(dir)).NotTo(BeADirectory())
		})
	})

	It("without any cgroup are told to be poor or none", func() {
		g := open(GinkgoT().TempDir(), runner.NoCgroup)
		i := g.limited("a-x-0", group.Limits{Memory: 4 << 30, CPU: 500, Pids: 50}, "hog:8000 wait")
		Expect(i.Unmet[group.Memory]).To(ContainSubstring("only as RLIMIT_AS"))
		Expect(i.Unmet).To(And(HaveKey(group.CPU), HaveKey(group.Pids)))
		Expect(g.exit("a-x-0").Exit.Code).To(Equal(9), "it was refused memory, not killed")
		Expect(g.output("a-x-0", "no memory")).To(ContainSubstring("cannot allocate"))
	})
})

// v1Dir is a process' directory in a hierarchy of cgroup v1; empty when it is not one of a run's.
func v1Dir(pid int, controller string) string {
	data, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
	for line := range strings.SplitSeq(string(data), "\n") {
		if f := strings.SplitN(line, ":", 3); len(f) == 3 && f[1] == controller && strings.Contains(f[2], "/mirroros-") {
			return "/sys/fs/cgroup/" + controller + f[2]
		}
	}
	return ""
}

var _ = Describe("a runaway that forks twice for ever", func() {
	ways(func(parent string) {
		It("is gone within a second", func() {
			g := open(GinkgoT().TempDir(), parent)
			s := g.spec("bomb-x-0", 1, "bomb")
			s.Limits.Pids = 200
			_, err := g.Start(s)
			Expect(err).NotTo(HaveOccurred())
			began := time.Now()
			i := g.exit("bomb-x-0")
			Expect(time.Since(began)).To(BeNumerically("<", time.Second))
			Expect(i.Stray).To(BeZero())
			Expect(runaways(g.log("bomb-x-0"))).To(BeEmpty())
		})
	})
})

// runaways lists processes that have a file open as their output.
func runaways(file string) (found []string) {
	links, _ := filepath.Glob("/proc/[0-9]*/fd/1")
	for _, l := range links {
		if target, err := os.Readlink(l); err == nil && target == file && !strings.Contains(l, strconv.Itoa(os.Getpid())) {
			found = append(found, l)
		}
	}
	return found
}
