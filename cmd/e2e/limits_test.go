package e2e

import (
	"os"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/specs"
)

// limits tells whether this host has cgroups for a limit, by what the operator found; and if not, that the process says so.
func (h *host) limits(process, limit string) bool {
	GinkgoHelper()
	out, _, _ := h.ctl("status", "-o", "wide") // its code says whether all is ready, which a hog is not
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); len(f) > 1 && strings.HasSuffix(f[0], "."+limit) && f[1] == "cgroup" {
			return true
		}
	}
	Eventually(func() string { return h.must("describe", "process/"+process) }).Should(ContainSubstring("LimitsDegraded"))
	return false
}

var _ = Describe("limits of a process", func() {
	It("end a memory hog alone, and say what it used", func() {
		h := newHost()
		h.write("calm.yaml", process("calm", []string{"run"}, "resources: {limits: {memory: 1Gi}}"))
		h.write("hog.yaml", process("hog", []string{"hog", "200"}, "resources: {limits: {memory: 64Mi}}", "restartPolicy: Never"))
		h.start()
		calm := h.pidOf("calm")
		if !h.limits("calm", "LimitMemory") {
			return
		}
		Eventually(func() string { return h.lastExit("hog").Reason }).Should(Equal(specs.ReasonOOMKilled))
		Expect(h.lastExit("hog").Message).To(ContainSubstring("killed for want of memory: it used 64Mi"))
		Expect(h.must("describe", "process/hog")).To(And(ContainSubstring("OOMKilled"), ContainSubstring("it used 64Mi")))
		Expect(h.pidOf("calm")).To(Equal(calm))
		Expect(h.one("calm").Status.RestartCount).To(BeZero())
	})

	It("change in what runs", func() {
		h := newHost()
		h.write("a.yaml", process("a", []string{"run"}, "resources: {limits: {memory: 256Mi, pids: 100}}"))
		h.start()
		h.ready()
		pid := h.pidOf("a")
		if !h.limits("a", "LimitMemory") {
			return
		}
		h.write("a.yaml", process("a", []string{"run"}, "resources: {limits: {memory: 128Mi, pids: 100}}"))
		Eventually(func() string { return h.events("a") }).Should(ContainSubstring("resources.limits.memory"))
		Expect(h.pidOf("a")).To(Equal(pid))
		h.killOperator()
		h.ready()
		Expect(h.pidOf("a")).To(Equal(pid))
		Expect(h.must("describe", "process/a")).NotTo(ContainSubstring("LimitsDegraded"))
		out, errs, code := h.ctl("top", "instances")
		Expect(code).To(BeZero(), errs)
		Expect(out).To(MatchRegexp(`NAME +PID +CPU%% +THROTTLED%% +MEMORY +PEAK +TASKS .*\na-\S+ +%d +\d+\.\d +0 +\d+[KM]i +\d+[KM]i +1 `, pid))
	})

	It("let a runaway that forks twice for ever be gone with its deletion", func() {
		h := newHost()
		h.write("a.yaml", process("a", []string{"run"}))
		h.start()
		h.ready()
		_, errs, code := h.ctlIn(process("bomb", []string{"bomb"}, "resources: {limits: {pids: 200}}"), "apply", "-f", "-")
		Expect(code).To(BeZero(), errs)
		Eventually(func() string { return h.events("bomb") }).Should(ContainSubstring("started"))
		began := time.Now()
		h.must("delete", "process/bomb")
		Eventually(func() int { return h.copies()["bomb"] }).Should(BeZero())
		took := time.Since(began)
		AddReportEntry("gone", took.String())
		most := time.Second
		if os.Getenv("MIRROROS_TEST_RACE") != "" {
			most *= 5 // programs under the race detector
		}
		Expect(took).To(BeNumerically("<", most))
		h.ready()
	})
})
