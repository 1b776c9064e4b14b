package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("an ordinary user", func() {
	It("starts, edits, survives crashes and stops without any right", func() {
		h := newHost()
		h.write("a.yaml", process("a", []string{"run"}))
		h.write("b.yaml", process("b", []string{"run"}, "stateDirectory: b"))
		h.ordinary()
		h.start()
		h.ready()
		before := h.pids()
		if h.user != nil {
			for _, pid := range before {
				info, err := os.Stat(fmt.Sprintf("/proc/%d", pid))
				Expect(err).NotTo(HaveOccurred())
				Expect(fmt.Sprint(info.Sys())).To(ContainSubstring("65534"))
			}
		}
		h.write("a.yaml", process("a", []string{"run", "differently"}))
		h.own(h.manifests)
		Eventually(func() []int { p := h.pids(); return []int{len(p), same(before, p)} }).Should(Equal([]int{2, 1}))
		h.ready()
		before = h.pids()
		h.killOperator()
		h.ready()
		Expect(h.pids()).To(Equal(before))
		h.tree()
		kill(h.pidOf("b"))
		Eventually(func() int32 { return h.one("b").Status.RestartCount }).Should(BeEquivalentTo(1))

		h.write("bad.yaml", process("bad", []string{"run"}))
		Expect(os.Chmod(h.manifests+"/bad.yaml", 0)).To(Succeed())
		Eventually(h.status).Should(MatchRegexp(`bad\.yaml.*permission denied.*let the operator's user read it`))
		Expect(os.Chmod(h.manifests+"/bad.yaml", 0o644)).To(Succeed())
		h.pidOf("bad")

		h.must("shutdown", "--timeout", "20s")
		Eventually(h.done).Should(BeClosed())
		Expect(h.ours()).To(BeEmpty())
	})
})

var _ = Describe("a claim that is lost", func() {
	It("starts nothing twice, also where there is no cgroup to know a workload by", func() {
		h := newHost()
		h.write("a.yaml", process("a", []string{"run", "a"}))
		h.write("tree.yaml", process("tree", []string{"tree"}))
		h.ordinary()
		h.start()
		h.ready()
		before := h.pids()
		Expect(before).To(HaveLen(2))
		Eventually(func() int { return len(started(h.must("logs", "tree"))) }).Should(Equal(5))
		for _, lost := range []string{"/claims", "/state.db"} { // and then the store too
			Expect(h.stopOperator()).To(BeZero())
			Expect(os.RemoveAll(h.state + "/claims")).To(Succeed())
			Expect(os.RemoveAll(h.state + lost)).To(Succeed())
			h.start()
			h.ready()
			Expect(h.pids()).To(Equal(before))
			Expect(h.copies()).To(HaveKeyWithValue("a", 1))
			Expect(h.copies()).To(HaveKeyWithValue("tree", 1))
		}
	})
})

var _ = Describe("a value taken by reference", func() {
	It("reaches the process, and nothing else anywhere", func() {
		h := newHost()
		secret := fmt.Sprintf("hunter%d", rand.Uint64())
		Expect(os.WriteFile(h.manifests+"/token", []byte(secret+"\n"), 0o600)).To(Succeed())
		Expect(os.WriteFile(h.manifests+"/more.env", []byte("MORE="+secret+"\n"), 0o600)).To(Succeed())
		env := "env: [{name: TOKEN, valueFrom: {file: {path: token}}}, {name: URL, value: \"http://u:$(TOKEN)@host\"}]\nenvFrom: [{file: {path: more.env}}]"
		h.write("a.yaml", process("a", []string{"run"}, env))
		h.write("crash.yaml", process("crash", []string{"exit", "1"}, env, "restartBackoff: {initial: 10m, max: 10m}"))
		h.args = []string{"--log-level", "debug"}
		h.start()
		pid := h.pidOf("a")
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		Expect(err).NotTo(HaveOccurred())
		Expect(strings.Split(string(b), "\x00")).To(ContainElements("TOKEN="+secret, "URL=http://u:"+secret+"@host", "MORE="+secret))
		Eventually(func() string { return h.waits("crash") }).Should(HavePrefix("CrashLoopBackOff"))
		for _, name := range []string{"TOKEN", "URL", "MORE"} {
			h.write("argv.yaml", process("argv", []string{"run", "$(" + name + ")"}, env))
			Eventually(h.status).Should(MatchRegexp(`argv\.yaml:5:\d+ .*` + name + `.*is a secret`))
		}
		h.remove("argv.yaml")
		h.write("a.yaml", process("a", []string{"run", "differently"}, env))
		Eventually(func() int { return h.pidOf("a") }).ShouldNot(Equal(pid))
		h.killOperator()

		var said strings.Builder
		for _, args := range [][]string{{"get", "all", "-o", "yaml"}, {"get", "instances", "-o", "yaml"}, {"get", "processes", "-o", "yaml"}, {"get", "all"}, {"events"},
			{"events", "-o", "json"}, {"describe", "process/a"}, {"describe", "process/crash"}, {"describe", "instance/" + h.one("a").Name}, {"status"}, {"status", "-o", "json"},
			{"plan"}, {"plan", "-o", "json"}, {"get", "--raw", "/mirroros/host"}, {"logs", "a"}, {"validate", "-f", h.manifests}, {"diff", "-f", h.manifests}} {
			out, errs, _ := h.ctl(args...)
			said.WriteString(out + errs)
		}
		Expect(said.String()).NotTo(ContainSubstring(secret))
		Expect(string(h.log.Contents())).NotTo(ContainSubstring(secret))
		Expect(holding(h.state, secret)).To(BeEmpty())
		Expect(holding(h.run, secret)).To(BeEmpty())
		args, err := filepath.Glob("/proc/[0-9]*/cmdline")
		Expect(err).NotTo(HaveOccurred())
		for _, f := range args {
			b, _ := os.ReadFile(f)
			Expect(string(b)).NotTo(ContainSubstring(secret), f)
		}
	})
})

var _ = Describe("a gate of an ordinary user", func() {
	It("serves, survives its death and a new operator, and its log verifies", func() {
		h := newHost()
		h.write("gate.yaml", append(front("m"), model("m", "0s"))...)
		h.ordinary()
		h.start()
		h.ready()
		c := newClient(h.serving("front"), h.token("scout"))
		Expect(c.word("mirror")).To(Succeed())
		kill(h.pidOf("mirrorgate"))
		c.http.CloseIdleConnections()
		Expect(c.word("mirror")).To(Succeed(), "it waits until the gate is back")
		h.killOperator()
		Expect(c.word("mirror")).To(Succeed())
		Eventually(func() string { out, _, _ := h.ctl("audit", "verify"); return out }).Should(MatchRegexp(`(?m)^ok `))
	})
})
