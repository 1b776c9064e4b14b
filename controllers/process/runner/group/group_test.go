//go:build linux

package group_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/process/runner/group"
)

// TestMain lets this binary be an operator in a cgroup: it gives the groups in a directory a controller, and tells what came of it.
func TestMain(m *testing.M) {
	if words := strings.Fields(os.Getenv("GROUP_ENABLE")); len(words) == 2 {
		err := group.Enable(words[0], words[1])
		own, _ := os.ReadFile("/proc/self/cgroup")
		fmt.Printf("%v\n%s", err, own)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestGroup(t *testing.T) {
	RegisterFailHandler(Fail)
	cfg, rep := GinkgoConfiguration()
	cfg.RandomizeAllSpecs = true
	RunSpecs(t, "group", cfg, rep)
}

// files makes a directory with files as the kernel has them.
func files(content map[string]string) string {
	GinkgoHelper()
	dir := GinkgoT().TempDir()
	for name, text := range content {
		Expect(os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644)).To(Succeed())
	}
	return dir
}

func read(dir, name string) string {
	data, _ := os.ReadFile(filepath.Join(dir, name))
	return string(data)
}

// The kernel's files, empty: what is written is what is read.
func v2() map[string]string {
	return map[string]string{"memory.max": "", "memory.current": "1048576\n", "memory.swap.max": "", "memory.oom.group": "", "cpu.max": "", "cpu.weight": "", "pids.max": ""}
}

var _ = Describe("a group of version 2", func() {
	host := group.Probe("", "")
	It("has its limits in the kernel's words", func() {
		dir := files(v2())
		Expect(host.Set(group.Group{V2: dir}, group.Limits{Memory: 64 << 20, CPU: 1500, Pids: 100, Share: 2000})).To(BeEmpty())
		for name, want := range map[string]string{"memory.max": "67108864", "memory.swap.max": "0", "memory.oom.group": "1",
			"cpu.max": "150000 100000", "cpu.weight": "79", "pids.max": "100"} {
			Expect(read(dir, name)).To(Equal(want), name)
		}
	})
	It("has none lifted that it never had, and says so of none", func() {
		dir := files(v2())
		Expect(host.Set(group.Group{V2: dir}, group.Limits{})).To(BeEmpty())
		Expect(read(dir, "memory.max") + " " + read(dir, "cpu.max") + " " + read(dir, "cpu.weight") + " " + read(dir, "pids.max")).To(Equal("max max 100000 100 max"))
	})
	It("is not held to less memory than it uses, nor where the kernel counts no swap", func() {
		content := v2()
		content["memory.current"] = "104857600\n"
		delete(content, "memory.swap.max")
		dir := files(content)
		unmet := host.Set(group.Group{V2: dir}, group.Limits{Memory: 64 << 20, Pids: 10})
		Expect(unmet).To(HaveLen(1))
		Expect(unmet[group.Memory]).To(Equal("cannot be lowered to 64Mi, it uses 100Mi; from the next start on"))
		Expect(read(dir, "memory.max")).To(BeEmpty())
		Expect(host.Set(group.Group{V2: dir}, group.Limits{Memory: 128 << 20})).To(BeEmpty())
	})
	It("tells of what it has no controller for, and why", func() {
		dir := files(map[string]string{"pids.max": ""})
		unmet := host.Set(group.Group{V2: dir}, group.Limits{Memory: 64 << 20, CPU: 500, Pids: 10})
		Expect(unmet).To(And(HaveKey(group.Memory), HaveKey(group.CPU), Not(HaveKey(group.Pids))))
		Expect(unmet.String()).To(MatchRegexp("^cpu: .+; memory: only as RLIMIT_AS"))
	})
	It("tells what was used, and who was killed for want of it", func() {
		dir := files(map[string]string{"memory.max": "", "memory.peak": "67108864\n", "memory.events": "low 0\noom 2\noom_kill 3\noom_group_kill 1\n"})
		Expect(group.Group{V2: dir}.Usage()).To(Equal(group.Usage{Peak: 64 << 20, OOMKills: 3}))
		Expect(group.Group{V2: files(nil)}.Usage()).To(Equal(group.Usage{}))
	})
})

// hierarchy is where cgroup v2 is mounted with a controller that can be given on, for root; empty where there is none.
func hierarchy() (dir, controller string) {
	for _, dir := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		if f := strings.Fields(read(dir, "cgroup.controllers")); len(f) > 0 && os.Geteuid() == 0 {
			return dir, f[0]
		}
	}
	return "", ""
}

// operate has an operator in a new cgroup, with or without somebody else, give groups below it a controller.
func operate(alone bool) (said, cgroup string) {
	GinkgoHelper()
	root, controller := hierarchy()
	had := read(root, "cgroup.subtree_control")
	own := filepath.Join(root, "mirroros-test-"+strconv.Itoa(os.Getpid()))
	runs := filepath.Join(own, "runs")
	Expect(os.MkdirAll(runs, 0o755)).To(Succeed())
	DeferCleanup(func() {
		group.Remove(own)
		if !strings.Contains(had, controller) {
			_ = os.WriteFile(root+"/cgroup.subtree_control", []byte("-"+controller), 0)
		}
	})
	Expect(os.WriteFile(root+"/cgroup.subtree_control", []byte("+"+controller), 0)).To(Succeed())
	if !alone {
		other := exec.Command("/bin/sleep", "100")
		Expect(other.Start()).To(Succeed())
		DeferCleanup(func() { _ = other.Process.Kill(); _ = other.Wait() })
		Expect(os.WriteFile(own+"/cgroup.procs", []byte(strconv.Itoa(other.Process.Pid)), 0)).To(Succeed())
	}
	self, err := os.Executable()
	Expect(err).NotTo(HaveOccurred())
	cmd := exec.Command("/bin/sh", "-c", "echo 0 > "+own+"/cgroup.procs && exec "+self)
	cmd.Env = []string{"GROUP_ENABLE=" + runs + " " + controller}
	out, err := cmd.CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), string(out))
	said, cgroup, _ = strings.Cut(string(out), "\n")
	if said == "<nil>" {
		Expect(read(runs, "cgroup.subtree_control")).To(ContainSubstring(controller))
	}
	return said, cgroup
}

var _ = Describe("giving controllers on", func() {
	It("makes room for them: an operator that is alone in its group moves to one below", func() {
		if dir, _ := hierarchy(); dir == "" {
			return // nobody to ask: the specs of runs tell what an operator says then
		}
		said, cgroup := operate(true)
		Expect(said).To(Equal("<nil>"))
		Expect(cgroup).To(ContainSubstring("/" + group.Leaf))
	})
	It("leaves others where they are, and says who is in the way", func() {
		if dir, _ := hierarchy(); dir == "" {
			return
		}
		said, cgroup := operate(false)
		Expect(said).To(ContainSubstring("shares the cgroup"))
		Expect(cgroup).NotTo(ContainSubstring(group.Leaf))
	})
})
