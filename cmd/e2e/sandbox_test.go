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
			Expect(os.Mkdir(h.dir+"/none", 0o755)).To(Succeed())
			Eventually(func() bool { return alive(pid) }).Should(BeFalse())
			h.ready()
		})
	}
})
