package e2e

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"

	"mirroros.dev/mirroros/specs"
)

var _ = Describe("logs", func() {
	It("are there for this run and the one before, from the end, and as they come", func() {
		h := newHost()
		h.write("a.yaml", process("a", []string{"log", "1000"}, "replicas: 2"))
		h.write("b.yaml", process("b", []string{"run"}))
		h.start()
		h.ready()
		for _, i := range h.of("a") {
			Eventually(func() []any {
				first, last, fault := numbers(h.must("logs", "instance/"+i.Name))
				return []any{first, last, fault}
			}).Should(Equal([]any{0, 999, ""}))
			Expect(strings.Count(h.must("logs", "instance/"+i.Name, "--tail", "7"), "\n")).To(Equal(7))
		}
		Expect(h.must("logs", "a", "--tail", "1")).To(And(ContainSubstring("["+h.of("a")[0].Name+"] "), ContainSubstring("["+h.of("a")[1].Name+"] ")))

		cmd := exec.Command(bin+"/mirrorctl", "--socket", h.run+"/api.sock", "logs", "b", "-f")
		out := gbytes.NewBuffer()
		cmd.Stdout, cmd.Stderr = out, out
		Expect(cmd.Start()).To(Succeed())
		DeferCleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		first := h.pidOf("b")
		Eventually(out).Should(gbytes.Say("start " + strconv.Itoa(first)))
		h.must("restart", "b")
		Eventually(func() int { return h.pidOf("b") }).ShouldNot(Equal(first))
		second := h.pidOf("b")
		Eventually(out).Should(gbytes.Say("stop"))
		Eventually(out).Should(gbytes.Say("start "+strconv.Itoa(second)), "it follows into the next run")
		Expect(started(h.must("logs", "b", "--previous"))).To(Equal([]int{first}))
		Expect(started(h.must("logs", "b", "--tail", "1"))).To(Equal([]int{second}))
		Expect(h.must("logs", "b", "--timestamps", "--tail", "1")).To(MatchRegexp(`^\d{4}-\d\d-\d\dT\S+ start`))
	})

	It("that the workload truncates or deletes are a condition, and the process runs on", func() {
		h := newHost()
		h.write("a.yaml", process("a", []string{"log", "100"}))
		h.write("b.yaml", process("b", []string{"log", "100"}))
		h.start()
		h.ready()
		before := h.pids()
		path := func(p string) string { return h.state + "/logs/" + h.one(p).Name + ".log" }
		for _, p := range []string{"a", "b"} {
			Eventually(func() string { return h.must("logs", p) }).Should(ContainSubstring("000000000099"))
		}
		Expect(os.Truncate(path("a"), 0)).To(Succeed())
		Expect(os.Remove(path("b"))).To(Succeed())
		Eventually(func() string { return intact(h.one("a")) }).Should(Equal(specs.ReasonLogTruncated))
		Eventually(func() string { return intact(h.one("b")) }).Should(Equal(specs.ReasonLogDeleted))
		Expect(h.must("logs", "b")).To(ContainSubstring("000000000099"), "a deleted log is read where the process still has it")
		Expect(h.pids()).To(Equal(before))
		Expect(h.must("describe", "instance/"+h.one("a").Name)).To(MatchRegexp(`LogIntact +False +LogTruncated`))
	})
})

// intact is the reason for which an instance's log is not intact; empty when it is.
func intact(i specs.Instance) string {
	for _, c := range i.Status.Conditions {
		if c.Type == specs.ConditionLogIntact && c.Status == "False" {
			return c.Reason
		}
	}
	return ""
}

var _ = Describe("reload and restart", func() {
	It("happen by hand and when a config file changes, each in place", func() {
		h := newHost()
		for _, f := range []string{"reload.conf", "restart.conf"} {
			touch(h.manifests + "/" + f)
		}
		h.write("a.yaml", process("a", []string{"reload"}, "reload: {signal: SIGHUP}",
			"configFiles: [{path: reload.conf, onChange: Reload}, {path: restart.conf}]"))
		h.write("b.yaml", process("b", []string{"run"}))
		h.start()
		h.ready()
		pid, name, other := h.pidOf("a"), h.one("a").Name, h.pidOf("b")
		Eventually(func() string { return h.must("logs", "a") }).Should(ContainSubstring("start"))
		reloads := func() int { return strings.Count(h.must("logs", "a"), "reloaded") }
		Eventually(func() int {
			if reloads() == 0 {
				h.must("reload", "a")
			}
			return reloads()
		}).Should(BeNumerically(">=", 1))
		n := reloads()
		Expect(os.WriteFile(h.manifests+"/reload.conf", []byte("x"), 0o644)).To(Succeed())
		Eventually(reloads).Should(BeNumerically(">", n))
		Expect(h.pidOf("a")).To(Equal(pid))

		Expect(os.WriteFile(h.manifests+"/restart.conf", []byte("x"), 0o644)).To(Succeed())
		Eventually(func() int { return h.pidOf("a") }).ShouldNot(Equal(pid))
		Expect(h.one("a").Name).To(Equal(name), "in place")
		pid = h.pidOf("a")
		h.must("restart", "a", "--wait", "--timeout", "10s")
		Eventually(func() int { return h.pidOf("a") }).ShouldNot(Equal(pid))
		Expect(h.one("a").Name).To(Equal(name), "in place")
		Expect(h.pidOf("b")).To(Equal(other))
		Expect(syscall.Kill(other, 0)).To(Succeed())
	})
})
