package e2e

import (
	"fmt"
	"os"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/specs"
)

// shell is a handler that runs a script.
func shell(script string) string {
	return fmt.Sprintf("{exec: {command: [/bin/sh, -c, %q]}}", script)
}

var _ = Describe("preStop", func() {
	It("runs before the stop signal, as the process does, and within the grace period", func() {
		h := newHost()
		script := fmt.Sprintf(`cp "%s/logs/$MIRROROS_INSTANCE.log" %s/seen; pwd > %s/pwd; echo "$GREETING" >> %s/pwd`, h.state, h.dir, h.dir, h.dir)
		h.write("a.yaml", process("a", []string{"run"}, "preStop: "+shell(script), "env: [{name: GREETING, value: hello}]"))
		h.write("slow.yaml", process("slow", []string{"run"}, "preStop: "+shell("exec sleep 100"), "terminationGracePeriodSeconds: 1"))
		h.write("bad.yaml", process("bad", []string{"run"}, "preStop: "+shell("exit 7")))
		h.start()
		h.ready()
		log := h.state + "/logs/" + h.one("a").Name + ".log"
		pids := map[string]int{}
		for _, n := range []string{"a", "slow", "bad"} {
			pids[n] = h.pidOf(n)
			Eventually(func() string { return h.must("logs", n) }).Should(ContainSubstring("start"))
			h.must("suspend", "process/"+n)
		}
		for n, pid := range pids {
			Eventually(func() bool { return alive(pid) }).Should(BeFalse(), n)
		}
		seen, err := os.ReadFile(h.dir + "/seen")
		Expect(err).NotTo(HaveOccurred())
		Expect(string(seen)).To(And(ContainSubstring("start"), Not(ContainSubstring("stop"))), "it had not got the signal")
		Expect(os.ReadFile(log)).To(HaveSuffix("stop\n"))
		Expect(os.ReadFile(h.dir + "/pwd")).To(BeEquivalentTo(h.manifests + "\nhello\n"))
		Eventually(func() string { return h.events("slow") }).Should(ContainSubstring("GraceExceeded"))
		Expect(h.events("bad")).To(MatchRegexp(`PreStopFailed +\S+ +.*exit status 7`))
		Eventually(func() int { return len(h.copies()) }).Should(BeZero())
		Eventually(func() []string { return running("/bin/sleep") }).Should(Not(ContainElement(ContainSubstring("sleep 100"))), "its handler too")
	})
})

// program copies the test workload to a path of its own, and answers how to put another file in its place.
func (h *host) program(name string) (path string, replace func()) {
	GinkgoHelper()
	data, err := os.ReadFile(bin + "/workload")
	Expect(err).NotTo(HaveOccurred())
	path = h.dir + "/" + name
	n := 0
	replace = func() {
		GinkgoHelper()
		n++
		Expect(os.WriteFile(path+".new", append(data, fmt.Sprint(n)...), 0o755)).To(Succeed())
		Expect(os.Rename(path+".new", path)).To(Succeed())
	}
	replace()
	return path, replace
}

var _ = Describe("a program whose file is replaced", func() {
	It("is a condition, and a restart where that is asked for", func() {
		h := newHost()
		ignored, replaceIgnored := h.program("ignored")
		restarted, replaceRestarted := h.program("restarted")
		doc := func(name, path, more string) string {
			return strings.Replace(process(name, []string{"run"}, more), bin+"/workload", path, 1)
		}
		h.write("ignored.yaml", doc("ignored", ignored, "why: to stay"))
		h.write("restarted.yaml", doc("restarted", restarted, "onExecutableChange: Restart"))
		h.write("other.yaml", process("other", []string{"run"}))
		h.start()
		h.ready()
		before := h.pids()
		replaceIgnored()
		Eventually(func() string { return h.must("get", "process/ignored", "-o", "yaml") }).Should(MatchRegexp(`(?s)reason: ExecutableChanged.*status: "True"`))
		replaceRestarted()
		Eventually(func() int { return h.pidOf("restarted") }).ShouldNot(BeEquivalentTo(before[h.name("restarted", before)]))
		h.ready()
		Expect(h.events("restarted")).To(ContainSubstring("executable"))
		Expect(same(before, h.pids())).To(Equal(2))
		h.killOperator()
		h.ready()
		Eventually(func() string { return h.must("get", "process/ignored", "-o", "yaml") }).Should(MatchRegexp(`(?s)reason: ExecutableChanged.*status: "True"`), "also to the next operator")
		Expect(same(before, h.pids())).To(Equal(2))
		h.must("restart", "ignored", "--wait", "--timeout", "10s")
		Eventually(func() string { return h.must("get", "process/ignored", "-o", "yaml") }).ShouldNot(ContainSubstring("ExecutableChanged"))
	})
})

var _ = Describe("config files", func() {
	It("restart, reload or do nothing, each as declared, also for what changed while there was no operator", func() {
		h := newHost()
		for _, f := range []string{"restart", "reload", "ignore", "exec"} {
			touch(h.manifests + "/" + f + ".conf")
		}
		change := func(f string) {
			GinkgoHelper()
			b, err := os.ReadFile(h.manifests + "/" + f + ".conf")
			Expect(err).NotTo(HaveOccurred())
			Expect(os.WriteFile(h.manifests+"/"+f+".conf", append(b, 'x'), 0o644)).To(Succeed())
		}
		files := "configFiles: [{path: restart.conf}, {path: reload.conf, onChange: Reload}, {path: ignore.conf, onChange: Ignore}]"
		h.write("a.yaml", process("a", []string{"reload"}, "reload: {signal: SIGHUP}", files))
		h.write("b.yaml", process("b", []string{"run"}, "reload: "+shell("echo reloaded >> reloads"), "configFiles: [{path: exec.conf, onChange: Reload}]"))
		h.start()
		h.ready()
		a, b := h.pidOf("a"), h.pidOf("b")
		reloads := func() int { return strings.Count(h.must("logs", "a"), "reloaded") }
		execs := func() int { b, _ := os.ReadFile(h.manifests + "/reloads"); return strings.Count(string(b), "reloaded") }
		Eventually(reloads).Should(BeZero())
		Eventually(func() string { return h.must("logs", "a") }).Should(ContainSubstring("start"))

		change("ignore")
		change("exec")
		Eventually(execs).Should(Equal(1))
		h.must("reload", "b")
		Eventually(execs).Should(Equal(2))
		Expect([]int{h.pidOf("a"), h.pidOf("b"), reloads()}).To(Equal([]int{a, b, 0}))

		Expect(h.stopOperator()).To(BeZero())
		change("reload")
		change("ignore")
		h.start()
		Eventually(reloads).Should(Equal(1))
		Expect([]int{h.pidOf("a"), h.pidOf("b")}).To(Equal([]int{a, b}))
		Expect(h.stopOperator()).To(BeZero())
		change("restart")
		h.start()
		Eventually(func() int { return h.pidOf("a") }).ShouldNot(Equal(a))
		h.ready()
		Expect(h.pidOf("b")).To(Equal(b))
		Expect(execs()).To(Equal(2))
		Expect(os.Remove(h.manifests + "/reload.conf")).To(Succeed())
		Eventually(h.status).Should(Or(HavePrefix("exit 0"), ContainSubstring("reload.conf")), "a file that is gone is said or done, never a loop")
	})
})

var _ = Describe("a state directory", func() {
	It("is the process' own, survives it, and is found again", func() {
		h := newHost()
		doc := process("a", []string{"env", "STATE_DIRECTORY"}, "stateDirectory: kept")
		h.write("a.yaml", doc)
		h.write("b.yaml", process("b", []string{"run"}))
		h.start()
		h.ready()
		dir := h.state + "/data/kept"
		Eventually(func() string { return h.must("logs", "a") }).Should(ContainSubstring("STATE_DIRECTORY=" + dir + "\n"))
		info, err := os.Stat(dir)
		Expect(err).NotTo(HaveOccurred())
		Expect(info.Mode().Perm()).To(BeEquivalentTo(0o700))
		Expect(os.WriteFile(dir+"/data", []byte("precious"), 0o600)).To(Succeed())
		h.remove("a.yaml")
		Eventually(func() []specs.Instance { return h.of("a") }).Should(BeEmpty())
		Expect(os.ReadFile(dir + "/data")).To(BeEquivalentTo("precious"))
		h.write("a.yaml", doc)
		h.ready()
		Expect(os.ReadFile(dir + "/data")).To(BeEquivalentTo("precious"))

		Expect(os.Symlink("/etc", h.state+"/data/link")).To(Succeed())
		h.write("link.yaml", process("link", []string{"run"}, "stateDirectory: link", "restartBackoff: {initial: 10m, max: 10m}"))
		Eventually(func() string { return h.waits("link") }).Should(MatchRegexp(`^StateDirectoryUnavailable: .*link.* is not a directory`))
		h.write("up.yaml", process("up", []string{"run"}, "stateDirectory: ../up"))
		Eventually(h.status).Should(MatchRegexp(`up\.yaml:\d+:\d+ .*spec\.stateDirectory`))
	})
})

// stopOperator asks the operator and its guardian to end, and answers with which code they did.
func (h *host) stopOperator() int {
	GinkgoHelper()
	Expect(h.cmd.Process.Signal(os.Interrupt)).To(Succeed())
	Eventually(h.done).Should(BeClosed())
	return h.cmd.ProcessState.ExitCode()
}
