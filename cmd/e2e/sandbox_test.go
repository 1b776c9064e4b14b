package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// whole tells whether this host gives all of a level; one that does not must have refused it.
func (h *host) whole(process string) bool {
	GinkgoHelper()
	Eventually(func() string { return h.waits(process) + h.log1(process) }).ShouldNot(BeEmpty())
	return !strings.HasPrefix(h.waits(process), "SandboxUnavailable")
}

// log1 is the log of the only instance of a process that has written something.
func (h *host) log1(process string) string {
	out, _, _ := h.ctl("logs", process)
	return out
}

// reached waits until a process said of everything whether it could be reached, and gives that.
func (h *host) reached(process string, n int) map[string]string {
	GinkgoHelper()
	out := map[string]string{}
	Eventually(func() int {
		for line := range strings.Lines(h.log1(process)) {
			if what, ok := strings.CutPrefix(strings.TrimSpace(line), "reach "); ok {
				i := strings.LastIndex(what, ": ")
				if j := strings.Index(what, ": "); j >= 0 {
					i = j
				}
				out[what[:i]] = what[i+2:]
			}
		}
		return len(out)
	}).Should(Equal(n))
	return out
}

var _ = Describe("a sandbox", func() {
	It("can be probed on a host without an operator", func() {
		h := newHost()
		for _, level := range []string{"Restricted", "Strict", "Isolated"} {
			out, errs, code := h.ctl("sandbox", "probe", level)
			Expect(code).To(BeZero(), errs)
			Expect(out).To(And(MatchRegexp(`(?m)^ATTEMPT +STATE +ANSWER$`), MatchRegexp(`(?m)^read a file outside +(blocked|open) `), Not(ContainSubstring("OPEN"))))
		}
		out, _, code := h.ctl("sandbox", "probe", "None")
		Expect(code).To(BeZero())
		Expect(out).To(MatchRegexp(`(?m)^read a file outside +open *$`))
		_, errs, code := h.ctl("sandbox", "probe", "strict")
		Expect(code).To(Equal(2), errs)
	})

	for who, ordinary := range map[string]bool{"as the user of the tests": false, "as an ordinary user": true} {
		It("lets a Strict process do what it declares and nothing else, "+who, func() {
			h := newHost()
			if ordinary {
				h.ordinary()
			}
			secret, allowed, linked := filepath.Join(h.dir, "secret"), filepath.Join(h.dir, "allowed"), filepath.Join(h.dir, "allowed/link")
			Expect(os.Mkdir(allowed, 0o755)).To(Succeed())
			for _, f := range []string{secret, allowed + "/file"} {
				Expect(os.WriteFile(f, []byte("x"), 0o644)).To(Succeed())
			}
			Expect(os.Symlink(secret, linked)).To(Succeed())
			var ports []string
			for range 2 {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				Expect(err).NotTo(HaveOccurred())
				DeferCleanup(l.Close)
				ports = append(ports, strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
			}
			open, shut := "127.0.0.1:"+ports[0], "127.0.0.1:"+ports[1]
			h.write("a.yaml", process("a", []string{"reach", secret, allowed + "/file", linked, "/etc/shadow", "tcp", open, "tcp", shut, "udp", open},
				fmt.Sprintf("sandbox: {level: Strict, readOnlyPaths: [%s, %s], connectTCP: [%s]}", allowed, bin, ports[0])))
			h.start()
			if !h.whole("a") {
				return
			}
			got := h.reached("a", 7)
			Expect(got[allowed+"/file"]).To(Equal("<nil>"))
			Expect(got["tcp "+open]).To(Equal("<nil>"))
			for _, what := range []string{secret, linked, "/etc/shadow"} {
				Expect(got[what]).To(ContainSubstring("permission denied"), what)
			}
			Expect(got["tcp "+shut]).To(ContainSubstring("permission denied"))
			Expect(got["udp "+open]).To(ContainSubstring("not permitted"))
			h.ready()
			Expect(h.must("describe", "process/a")).NotTo(ContainSubstring("SandboxDegraded"))

			By("removing a path that it needs, and mending that")
			pid := h.pidOf("a")
			h.write("a.yaml", process("a", []string{"run"}, fmt.Sprintf("sandbox: {level: Strict, readOnlyPaths: [%s/none, %s]}", h.dir, bin)))
			Eventually(func() string { return h.waits("a") + h.events("a") }).Should(ContainSubstring("does not exist"))
			Expect(alive(pid)).To(BeTrue(), "the old copy is kept")
			Eventually(h.status).Should(MatchRegexp(`held: revision 2 .*does not exist`))
			Expect(os.Mkdir(h.dir+"/none", 0o755)).To(Succeed())
			h.must("rollout", "retry", "stack/default")
			Eventually(func() bool { return alive(pid) }).Should(BeFalse())
			h.ready()
		})

		It("lets an Isolated agent reach what a rule allows through its gate, and nothing else, "+who, func() {
			h := newHost()
			if ordinary {
				h.ordinary()
			}
			l, err := net.Listen("tcp", "127.0.0.1:0")
			Expect(err).NotTo(HaveOccurred())
			DeferCleanup(l.Close)
			u, err := net.ListenPacket("udp", "127.0.0.1:0")
			Expect(err).NotTo(HaveOccurred())
			DeferCleanup(u.Close)
			s, err := net.Listen("unix", filepath.Join(h.dir, "sock"))
			Expect(err).NotTo(HaveOccurred())
			DeferCleanup(s.Close)
			Expect(os.Chmod(filepath.Join(h.dir, "sock"), 0o777)).To(Succeed())
			h.write("gate.yaml", strings.Join([]string{
				object("Gate", "front", `listen: {address: "127.0.0.1:0"}`, "durability: Process"),
				object("Route", "web", "gate: front", "protocol: HTTP", "match: {path: /health}", "backends: [{process: web}]"),
				object("Route", "other", "gate: front", "protocol: HTTP", "match: {path: /other}", "backends: [{process: web}]"),
				object("GateRule", "agent", "routes: [web]", "principals: {names: [process/agent]}", "action: Allow"),
			}, "---\n"))
			h.write("web.yaml", process("web", []string{"http", "127.0.0.1:$(PORT)"}, "ports: [{name: http}]",
				"readinessProbe: {httpGet: {path: /health, port: http}, periodSeconds: 1}"))
			tries := []string{"$MIRROROS_GATE_FRONT/health", "$MIRROROS_GATE_FRONT/other", "tcp", l.Addr().String(), "udp", u.LocalAddr().String(), "udp", "127.0.0.53:53",
				"unix", filepath.Join(h.dir, "sock"), "tcp", "192.0.2.1:80"}
			h.write("agent.yaml", process("agent", append([]string{"reach"}, tries...), "env: [{name: GATE, value: $(MIRROROS_GATE_FRONT)}]", "dependsOn: [{route: web}]",
				fmt.Sprintf("sandbox: {level: Isolated, readOnlyPaths: [%s]}", bin)))
			h.start()
			if !h.whole("agent") {
				return
			}
			got := h.reached("agent", 7)
			url := h.serving("front")
			Expect(got[url+"/health"]).To(Equal("status 200"), "known by its door, without a token")
			Expect(got[url+"/other"]).To(Equal("status 403"), "no rule allows it")
			for what, why := range got {
				if !strings.HasPrefix(what, "http") {
					Expect(why).To(Or(ContainSubstring("refused"), ContainSubstring("not permitted"), ContainSubstring("unreachable"), ContainSubstring("denied")), what)
				}
			}
			Expect(h.must("audit", "query", "-o", "json")).To(ContainSubstring("process/agent"))

			By("killing the operator")
			id := h.one("agent").Name
			pid := h.pidOf("agent")
			h.killOperator()
			h.ready()
			Expect(h.pidOf("agent")).To(Equal(pid))
			h.must("restart", "process/agent")
			Eventually(func() bool { return alive(pid) }).Should(BeFalse())
			Eventually(func() int { return strings.Count(h.log1("agent"), url+"/health: status 200") }).Should(Equal(2), "after another operator too")

			By("ending it, which closes its doors")
			Expect(holding(h.state+"/gate", "door/front/"+id)).To(ContainElement(HaveSuffix("identities.json")))
			h.must("suspend", "process/agent")
			Eventually(func() []string { return holding(h.state+"/gate", "door/front/"+id) }).ShouldNot(ContainElement(HaveSuffix("identities.json")))
		})
	}
})
