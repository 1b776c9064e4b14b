package e2e

import (
	"fmt"
	"os"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("stopping a process", func() {
	It("leaves nothing of its tree, daemons and double forks among it, and kills what does not end", func() {
		h := newHost()
		h.write("a.yaml", process("a", []string{"run"}))
		h.start()
		h.ready()
		h.tree()
		_, errs, code := h.ctlIn(process("stubborn", []string{"stubborn"}, "terminationGracePeriodSeconds: 1"), "apply", "-f", "-")
		Expect(code).To(BeZero(), errs)
		pid := h.pidOf("stubborn")
		h.begun("stubborn")
		h.must("delete", "process/stubborn")
		Eventually(func() bool { return alive(pid) }).Should(BeFalse())
		Eventually(func() string { return h.events("stubborn") }).Should(ContainSubstring("GraceExceeded"))
		h.ready()
	})

	It("is not what its probes wait for: what a probe started is gone when the probe is over", func() {
		h := newHost()
		h.write("a.yaml", process("a", []string{"run"}, fmt.Sprintf("readinessProbe: {exec: {command: [%s/workload, fork]}, periodSeconds: 1}", bin)))
		h.start()
		h.ready()
		pid := h.pidOf("a")
		Eventually(h.ours).Should(HaveLen(3), "the operator, its guardian and the process")
		Expect(alive(pid)).To(BeTrue())
	})

	It("by suspending it lasts until it is resumed, by hand or by the clock", func() {
		h := newHost()
		h.write("a.yaml", process("a", []string{"run"}))
		h.write("b.yaml", process("b", []string{"run"}))
		h.start()
		h.ready()
		pid, other := h.pidOf("a"), h.pidOf("b")
		h.must("suspend", "process/a", "--reason", "loop")
		Eventually(func() bool { return alive(pid) }).Should(BeFalse())
		Eventually(h.status).Should(And(HavePrefix("exit 1"), MatchRegexp(`(?m)^a +Suspended +loop`)))
		h.killOperator()
		h.pidOf("b")
		Expect(h.of("a")).NotTo(ContainElement(HaveField("Status.State.Running", Not(BeNil()))), "a suspend outlives the operator")
		h.must("resume", "process/a")
		pid = h.pidOf("a")
		h.must("suspend", "process/a", "--for", "1s")
		Eventually(func() bool { return alive(pid) }).Should(BeFalse())
		Expect(h.pidOf("a")).NotTo(Equal(pid))
		h.ready()
		Expect(h.pidOf("b")).To(Equal(other))
	})
})

// tree makes a process with children of every kind through the API, deletes it, and expects that nothing is left.
func (h *host) tree() {
	GinkgoHelper()
	_, errs, code := h.ctlIn(process("tree", []string{"tree"}), "apply", "-f", "-")
	Expect(code).To(BeZero(), errs)
	h.pidOf("tree")
	var pids []int
	Eventually(func() int { pids = started(h.must("logs", "tree")); return len(pids) }).Should(Equal(5))
	h.must("delete", "process/tree")
	for _, pid := range pids {
		Eventually(func() bool { return alive(pid) }).Should(BeFalse(), "pid %d of %v", pid, pids)
	}
}

var _ = Describe("ending the operator", func() {
	It("with Ctrl-C leaves the workloads, the next one takes them up, and shutdown stops dependents first", func() {
		h := newHost()
		h.write("back.yaml", process("back", []string{"run"}))
		h.write("front.yaml", process("front", []string{"stubborn"}, "dependsOn: [{process: back}]", "terminationGracePeriodSeconds: 1"))
		h.start()
		h.ready()
		h.begun("front")
		before := h.pids()
		Expect(syscall.Kill(-h.cmd.Process.Pid, syscall.SIGINT)).To(Succeed())
		Eventually(h.done).Should(BeClosed())
		Expect(h.cmd.ProcessState.ExitCode()).To(BeZero())
		Expect(string(h.log.Contents())).To(ContainSubstring("2 workloads run on"))
		_, _, code := h.ctl("status")
		Expect(code).To(Equal(3))
		for _, pid := range before {
			Expect(alive(int(pid))).To(BeTrue())
		}

		h.start()
		h.ready()
		Expect(h.pids()).To(Equal(before))
		log := h.state + "/logs/" + h.one("back").Name + ".log"
		began := time.Now()
		h.must("shutdown", "--timeout", "20s")
		Eventually(h.done).Should(BeClosed())
		for _, pid := range before {
			Expect(alive(int(pid))).To(BeFalse())
		}
		said, err := os.Stat(log)
		Expect(err).NotTo(HaveOccurred())
		Expect(said.ModTime().Sub(began)).To(BeNumerically(">=", time.Second), "what others depend on is stopped when they have ended")
		b, err := os.ReadFile(log)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(b)).To(HaveSuffix("stop\n"))
	})

	It("with --stop-on-exit stops everything", func() {
		h := newHost()
		h.args = []string{"--stop-on-exit"}
		h.write("a.yaml", process("a", []string{"run"}))
		h.write("b.yaml", process("b", []string{"run"}, "dependsOn: [{process: a}]"))
		h.start()
		h.ready()
		before := h.pids()
		Expect(syscall.Kill(-h.cmd.Process.Pid, syscall.SIGINT)).To(Succeed())
		Eventually(h.done).Should(BeClosed())
		Expect(h.cmd.ProcessState.ExitCode()).To(BeZero())
		for _, pid := range before {
			Expect(alive(int(pid))).To(BeFalse())
		}
		Expect(string(h.log.Contents())).To(ContainSubstring("Nothing is left running"))
	})

	It("by shutdown is finished by the next operator when it is killed in the middle, and a new start starts everything again", func() {
		h := newHost()
		h.write("back.yaml", process("back", []string{"run"}))
		h.write("front.yaml", process("front", []string{"stubborn"}, "dependsOn: [{process: back}]", stubbornGrace()))
		h.write("gone.yaml", process("gone", []string{"run"}, "restartPolicy: Always"))
		h.start()
		h.ready()
		h.begun("front")
		before, operator := h.pids(), h.info().PID
		said := make(chan string, 1)
		go func() {
			out, errs, code := h.ctl("shutdown", "--timeout", "20s")
			said <- fmt.Sprintf("exit %d\n%s%s", code, out, errs)
		}()
		Eventually(func() bool { return alive(int(before[h.name("gone", before)])) }).Should(BeFalse())
		kill(operator)
		h.again(operator)
		Expect(alive(int(before[h.name("front", before)]))).To(BeTrue(), "it is in its grace period still")
		Expect(alive(int(before[h.name("back", before)]))).To(BeTrue(), "front depends on it")
		Expect(h.pids()).NotTo(HaveKey(HavePrefix("gone-")), "nothing is started again")
		Eventually(h.done, "20s").Should(BeClosed())
		Expect(h.cmd.ProcessState.ExitCode()).To(BeZero())
		Expect(<-said).To(HavePrefix("exit 0\n3 instances stopped; the operator has ended\n"))
		for name, pid := range before {
			Expect(alive(int(pid))).To(BeFalse(), name)
		}

		h.start()
		h.ready()
		Expect(h.pids()).To(HaveLen(3))
	})

	It("by shutdown survives the death of the guardian too, and of both", func() {
		h := newHost()
		h.write("a.yaml", process("a", []string{"stubborn"}, stubbornGrace()))
		h.start()
		h.ready()
		h.begun("a")
		pid, was := h.pidOf("a"), h.info()
		h.must("shutdown", "--wait=false")
		kill(was.GuardianPID)
		h.again(was.PID)
		now := h.info()
		Expect(now.GuardianPID).To(Equal(was.PID), "the operator became the guardian")
		Expect(alive(pid)).To(BeTrue())
		// Stopped, the guardian starts no other operator. The operator cannot be the one that is stopped: the kernel would wake it when its
		// guardian goes (setpgid(2), orphaned process groups), and it would become the next guardian.
		Expect(syscall.Kill(now.GuardianPID, syscall.SIGSTOP)).To(Succeed())
		kill(now.PID)
		kill(now.GuardianPID)
		h.start()
		Eventually(h.done, "20s").Should(BeClosed())
		Expect(alive(pid)).To(BeFalse())
		Expect(string(h.log.Contents())).To(ContainSubstring("Finishing the shutdown"))
	})
})

// stubbornGrace is the grace period of what does not end when it is asked to: long enough to kill an operator and ask the next one within it,
// on a host that is busy with other specs, or under the race detector.
func stubbornGrace() string {
	if os.Getenv("MIRROROS_TEST_RACE") != "" {
		return "terminationGracePeriodSeconds: 8"
	}
	return "terminationGracePeriodSeconds: 4"
}
