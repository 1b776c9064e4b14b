package e2e

import (
	"fmt"
	"os"
	"strings"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/specs"
)

var _ = Describe("a process that ends", func() {
	It("is started again when it was killed, and nothing else is", func() {
		h := newHost()
		for _, n := range []string{"a", "b", "c"} {
			h.write(n+".yaml", process(n, []string{"run"}, "restartBackoff: {initial: 100ms}"))
		}
		h.start()
		h.ready()
		before := h.pids()
		pid := h.pidOf("b")
		kill(pid)
		Eventually(func() int { return h.pidOf("b") }).ShouldNot(Equal(pid))
		h.ready()
		Expect(same(before, h.pids())).To(Equal(2))
		Expect(h.one("b").Status.RestartCount).To(BeEquivalentTo(1))
		Expect(h.one("a").Status.RestartCount).To(BeZero())
		Expect(h.lastExit("b")).To(And(HaveField("Reason", specs.ReasonSignaled), HaveField("Signal", "SIGKILL")))
		Expect(h.events("b")).To(ContainSubstring("ended by SIGKILL"))
	})

	It("backs off when it keeps failing, says why and when next, and shows its last words", func() {
		h := newHost()
		h.write("bad.yaml", process("bad", []string{"exit", "3"}, "restartBackoff: {initial: 10m, max: 10m}"))
		h.start()
		Eventually(func() string { return h.waits("bad") }).Should(MatchRegexp(`^CrashLoopBackOff: exit 3: "start \d+"`))
		Expect(h.one("bad").Status.State.Waiting.Until).NotTo(BeNil())
		Eventually(h.status).Should(And(HavePrefix("exit 1"), MatchRegexp(`(?m)^bad +CrashLoopBackOff +.*exit 3.*next try in`)))
		Expect(h.must("describe", "process/bad")).To(And(MatchRegexp(`(?s)Last lines of bad-.*\n +start \d+`), ContainSubstring("exit 3")))

		h.must("restart", "bad")
		Eventually(func() int32 { return h.one("bad").Status.RestartCount }).Should(BeNumerically(">=", 1), "a restart ends the back-off")
	})

	It("cannot be started: each cause is said, and mending it starts it", func() {
		h := newHost()
		script := h.manifests + "/script"
		Expect(os.WriteFile(script, []byte("no first line\n"), 0o644)).To(Succeed())
		Expect(os.WriteFile(h.manifests+"/lost", []byte("#!/nowhere/sh\n"), 0o755)).To(Succeed())
		Expect(os.WriteFile(h.manifests+"/shell", []byte("no first line\n"), 0o755)).To(Succeed())
		want := map[string]string{}
		for _, c := range [][3]string{
			{"missing", "command: [/nowhere/at-all]", `no program "/nowhere/at-all"`},
			{"unknown", "command: [no-such-program-here]", `no program "no-such-program-here" in the PATH`},
			{"noexec", "command: [./script]", `is not executable`},
			{"noformat", "command: [./shell]", `no format that this host executes`},
			{"nointerpreter", "command: [./lost]", `interpreter`},
			{"nodir", fmt.Sprintf("command: [%s/workload]\n  workingDir: nowhere", bin), `working directory .*nowhere": does not exist`},
			{"nosecret", fmt.Sprintf("command: [%s/workload]\n  env: [{name: T, valueFrom: {file: {path: token}}}]", bin), `"token": does not exist`},
			{"nouser", fmt.Sprintf("command: [%s/workload]\n  user: nobody-of-this-name", bin), `nobody-of-this-name`},
		} {
			h.write(c[0]+".yaml", fmt.Sprintf("apiVersion: mirroros.dev/v1alpha1\nkind: Process\nmetadata: {name: %s}\nspec:\n  restartBackoff: {initial: 10m, max: 10m}\n  %s\n", c[0], c[1]))
			want[c[0]] = "^CannotStart: .*" + c[2]
		}
		h.start()
		for name, text := range want {
			Eventually(func() string { return h.waits(name) }).Should(MatchRegexp(text), name)
		}
		Eventually(h.status).Should(And(HavePrefix("exit 1"), MatchRegexp(`(?m)^missing +CannotStart +.*no program`)))

		Expect(os.Mkdir(h.manifests+"/nowhere", 0o755)).To(Succeed())
		Expect(os.WriteFile(h.manifests+"/token", []byte("x\n"), 0o600)).To(Succeed())
		h.pidOf("nodir")
		h.pidOf("nosecret")
	})
})

var _ = Describe("kill -9", func() {
	It("of the operator, again and again, is nothing that a workload notices", func() {
		h := newHost()
		h.write("endless.yaml", process("endless", []string{"log", "0"}, "log: {maxBytes: 1Mi}"))
		h.write("finite.yaml", process("finite", []string{"log", "150000"}))
		h.write("idle.yaml", process("idle", []string{"run"}))
		h.start()
		h.ready()
		before := h.pids()
		Expect(before).To(HaveLen(3))
		for round := range 5 {
			name, code := fmt.Sprintf("once%d", round), int32(10+round)
			h.write(name+".yaml", process(name, []string{"exit", fmt.Sprint(code), "100ms"}, "restartPolicy: Never"))
			Eventually(func() []specs.Instance { return h.of(name) }).ShouldNot(BeEmpty())
			Eventually(func() bool { i := h.one(name); return i.Status.PID != 0 || i.Status.LastExit() != nil }).Should(BeTrue())
			pid, operator := int(h.one(name).Status.PID), h.info().PID
			Expect(syscall.Kill(operator, syscall.SIGSTOP)).To(Succeed()) // it sees no exit any more
			if pid != 0 {
				Eventually(func() bool { return alive(pid) }).Should(BeFalse())
			}
			kill(operator)
			h.again(operator)
			Eventually(func() int32 { return h.lastExit(name).ExitCode }).Should(Equal(code), "the exit code of what ended meanwhile")
		}
		Eventually(func() map[string]int32 { return h.pids() }).Should(Equal(before))
		for _, i := range h.instances() {
			Expect(i.Status.RestartCount).To(BeZero(), i.Name)
		}
		first, last, fault := numbers(h.must("logs", "finite"))
		Expect([]any{first, last, fault}).To(Equal([]any{0, 149999, ""}), "every line is there")
		// The kernel makes a long write visible page by page, so that the last
		// line of what is still being written may be half a line.
		tail := strings.SplitAfter(h.must("logs", "endless", "--tail", "1000"), "\n")
		first, last, fault = numbers(strings.Join(tail[:len(tail)-2], ""))
		Expect(fault).To(BeEmpty())
		Expect(last-first).To(BeNumerically(">=", 998), "it writes far more than is kept while it is read, but these are a tenth of that")
	})

	It("of the guardian leaves every pid, and exit codes are known after it", func() {
		h := newHost()
		h.write("a.yaml", process("a", []string{"run"}, "restartPolicy: Never"))
		h.write("b.yaml", process("b", []string{"run"}, "restartPolicy: OnFailure"))
		h.start()
		h.ready()
		before, was := h.pids(), h.info()
		kill(was.GuardianPID)
		h.again(was.PID)
		now := h.info()
		Expect(now.GuardianPID).NotTo(BeElementOf(0, 1, was.GuardianPID))
		h.ready()
		Expect(h.pids()).To(Equal(before))

		Expect(syscall.Kill(h.pidOf("a"), syscall.SIGTERM)).To(Succeed())
		Eventually(func() specs.StateTerminated { return h.lastExit("a") }).Should(And(HaveField("Reason", specs.ReasonCompleted), HaveField("ExitCode", BeZero())))
		h.write("c.yaml", process("c", []string{"exit", "9"}, "restartPolicy: Never"))
		Eventually(func() int32 { return h.lastExit("c").ExitCode }).Should(BeEquivalentTo(9))
		h.killOperator()
		Eventually(func() int { return same(before, h.pids()) }).Should(Equal(1))
	})

	It("of guardian and operator at once leaves every pid to the next operator, which starts nothing twice", func() {
		h := newHost()
		for _, n := range []string{"a", "b", "c"} {
			h.write(n+".yaml", process(n, []string{"run"}, "restartBackoff: {initial: 50ms}"))
		}
		h.start()
		h.ready()
		before, was := h.pids(), h.info()
		Expect(syscall.Kill(was.PID, syscall.SIGSTOP)).To(Succeed()) // or it would become the next guardian
		kill(was.GuardianPID)
		kill(was.PID)
		Eventually(h.done).Should(BeClosed())
		lost := int(before[h.name("c", before)])
		kill(lost)
		h.write("a.yaml", process("a", []string{"run", "differently"}))
		h.start()
		Eventually(func() int { return h.pidOf("a") }).ShouldNot(BeEquivalentTo(before[h.name("a", before)]))
		Expect(h.pidOf("b")).To(BeEquivalentTo(before[h.name("b", before)]))
		Expect(h.pidOf("c")).NotTo(Equal(lost))
		h.ready()
		Expect(h.pids()).To(HaveLen(3))
	})
})
