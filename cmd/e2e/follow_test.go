package e2e

import (
	"fmt"
	"os/exec"
	"strings"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	"github.com/onsi/gomega/gexec"
)

// background runs mirrorctl until the end of the spec, or until it ends by itself.
func (h *host) background(args ...string) *gexec.Session {
	GinkgoHelper()
	cmd := exec.Command(bin+"/mirrorctl", append([]string{"--socket", h.run + "/api.sock"}, args...)...)
	s, err := gexec.Start(cmd, nil, nil)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { s.Interrupt().Wait() })
	return s
}

var _ = Describe("what follows the operator", func() {
	const gone = "the operator has gone; going on when it is back\n"

	It("goes on when the operator is killed and started again, and says so once", func() {
		h := newHost()
		h.write("a.yaml", process("a", []string{"run"}))
		h.start()
		h.ready()
		get := h.background("get", "processes", "-w")
		events := h.background("events", "-w")
		wait := h.background("wait", "process/b", "--timeout", "30s", "--for", "condition=Ready")
		Eventually(wait).Should(gexec.Exit(1), "there is no such process yet")
		wait = h.background("wait", "process/a", "--timeout", "30s", "--for", "jsonpath={.spec.version}=2")
		Eventually(get.Out).Should(gbytes.Say(`(?m)^NAME .*\n^a `))
		Eventually(events.Out).Should(gbytes.Say(`process/a`))
		Eventually(wait.Err).Should(gbytes.Say("is"))
		h.killOperator()
		h.write("b.yaml", process("b", []string{"run"}))
		Eventually(get.Out).Should(gbytes.Say(`(?m)^b `))
		Eventually(events.Out).Should(gbytes.Say(`process/b`))
		h.killOperator()
		h.write("a.yaml", process("a", []string{"run"}, `version: "2"`))
		Eventually(wait).Should(gexec.Exit(0))
		h.remove("b.yaml")
		h.ready()
		for _, s := range []*gexec.Session{get, events} {
			Eventually(func() int { return strings.Count(string(s.Err.Contents()), gone) }).Should(Equal(2), "once for each time")
			Expect(string(s.Err.Contents())).To(Equal(gone + gone))
			Expect(strings.Count(string(s.Out.Contents()), "NAME ")).To(BeNumerically("<=", 1), "one header")
		}
		Expect(strings.Count(string(events.Out.Contents()), "a-"+h.one("a").Spec.TemplateHash+"-0: started")).To(Equal(1), "nothing is told twice")
	})

	It("has every line of a log once", func() {
		h := newHost()
		h.write("a.yaml", process("a", []string{"log", "0"}, "log: {maxBytes: 1Gi}"))
		h.start()
		h.ready()
		for _, args := range [][]string{{"logs", "a", "-f", "--tail", "10"}, {"logs", "a", "-f", "--tail", "10", "--timestamps"}} {
			logs := h.background(args...)
			goesOn := func() {
				seen := len(logs.Out.Contents())
				Eventually(func() int { return len(logs.Out.Contents()) }).Should(BeNumerically(">", seen+100_000))
			}
			for i := range 2 {
				goesOn()
				h.killOperator()
				Eventually(func() int { return strings.Count(string(logs.Err.Contents()), gone) }).Should(Equal(i + 1))
			}
			goesOn()
			Expect(logs.Interrupt().Wait()).To(gexec.Exit(0))
			text := string(logs.Out.Contents())
			text = text[:strings.LastIndexByte(text, '\n')+1]
			if len(args) == 6 {
				lines := strings.SplitAfter(text, "\n")
				for i, l := range lines {
					_, lines[i], _ = strings.Cut(l, " ")
				}
				text = strings.Join(lines, "")
			}
			_, _, fault := numbers(text)
			Expect(fault).To(BeEmpty(), fmt.Sprint(args))
			Expect(string(logs.Err.Contents())).To(Equal(gone + gone))
		}
	})

	It("gives up with 3 when there is none at first, and ends an interrupted watch with 0", func() {
		h := newHost()
		Eventually(h.background("get", "processes", "-w")).Should(gexec.Exit(3))
		h.write("a.yaml", process("a", []string{"run"}))
		h.start()
		get := h.background("get", "processes", "-w")
		Eventually(get.Out).Should(gbytes.Say("a "))
		Expect(get.Signal(syscall.SIGINT).Wait()).To(gexec.Exit(0))
	})
})
