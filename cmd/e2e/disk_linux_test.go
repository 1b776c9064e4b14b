package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/specs"
)

// smallDisk gives the host's state a disk of its own: a tmpfs in a mount namespace of the operator, which is gone when the last of its
// processes is. An ordinary user makes it in a user namespace. Where the host allows neither it answers false, and says why.
func (h *host) smallDisk(size string) bool {
	GinkgoHelper()
	Expect(os.Mkdir(h.state, 0o755)).To(Succeed())
	try := exec.Command("/bin/true")
	onDisk(try, size, h.state)
	if out, err := try.CombinedOutput(); err != nil {
		GinkgoWriter.Printf("NOT TESTED: needs a mount namespace: %v %s\n", err, out)
		return false
	}
	h.wrap = func(cmd *exec.Cmd) { onDisk(cmd, size, h.state) }
	return true
}

// onDisk makes a command run where a new disk is mounted on dir.
func onDisk(cmd *exec.Cmd, size, dir string) {
	script := `mount -t tmpfs -o size="$1",mode=755 none "$2" && shift 2 && exec "$@"`
	cmd.Args = append([]string{"sh", "-c", script, "sh", size, dir, cmd.Path}, cmd.Args[1:]...)
	cmd.Path = "/bin/sh"
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Unshareflags = syscall.CLONE_NEWNS
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
}

// inside is a path of the state directory as the operator sees it.
func (h *host) inside(path string) string {
	GinkgoHelper()
	if h.mounted == nil {
		var err error
		h.mounted, err = os.Open(fmt.Sprintf("/proc/%d/root%s", h.cmd.Process.Pid, h.state))
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(h.mounted.Close)
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", h.mounted.Fd(), path)
}

// fill leaves no room on the disk; drain gives it back.
func (h *host) fill() {
	GinkgoHelper()
	f, err := os.OpenFile(h.inside("fill"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	Expect(err).NotTo(HaveOccurred())
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	Expect(errors.Is(err, syscall.ENOSPC)).To(BeTrue(), err.Error())
	Expect(f.Close()).To(Succeed())
}

func (h *host) drain() {
	GinkgoHelper()
	Expect(os.Remove(h.inside("fill"))).To(Succeed())
}

var _ = Describe("a full disk", Label("namespaces"), func() {
	It("is said, stops nothing that runs, and what waited for room then happens, once", func() {
		h := newHost()
		if !h.smallDisk("1m") {
			return
		}
		for _, n := range []string{"a", "b", "c"} {
			h.write(n+".yaml", process(n, []string{"run", n}, "restartBackoff: {initial: 50ms, max: 200ms}"))
		}
		h.write("once.yaml", process("once", []string{"run", "once"}, "restartPolicy: Never"))
		h.start()
		h.ready()
		before := h.pids()
		h.fill()
		Expect(h.status()).To(And(HavePrefix("exit 1"), MatchRegexp(`(?m)^DiskPressure +state directory \S+ has 0 KiB left`), ContainSubstring("4 of 4 ready")))

		h.write("b.yaml", process("b", []string{"run", "b2"}))
		h.write("new.yaml", process("new", []string{"run", "new"}))
		Eventually(h.status).Should(And(HavePrefix("exit 1"), MatchRegexp(`(?m)^DiskPressure .*no space left on device`), MatchRegexp(`trying again: cannot put revision`)))
		kill(h.pidOf("once"))
		Eventually(func() specs.StateTerminated { return h.lastExit("once") }).Should(HaveField("Signal", "SIGKILL"))
		kill(h.pidOf("a")) // its next run may have to wait for room, or not
		h.killOperator()
		guardian := h.info().GuardianPID
		was := h.info().PID
		kill(guardian)
		h.again(was)
		Eventually(h.status).Should(MatchRegexp(`(?m)^DiskPressure .*no space left on device`))
		Expect(same(before, h.pids())).To(BeNumerically(">=", 2), "b and c")
		Expect(h.copies()).To(And(HaveKeyWithValue("b", 1), HaveKeyWithValue("c", 1), Not(HaveKey("new"))))

		h.drain()
		Eventually(h.copies).Should(Equal(map[string]int{"a": 1, "b2": 1, "c": 1, "new": 1}))
		Eventually(h.status).Should(And(ContainSubstring("disk the same"), Not(ContainSubstring("DiskPressure"))))
		Expect(h.pidOf("c")).To(BeEquivalentTo(before[h.name("c", before)]))
		Expect(h.lastExit("once")).To(HaveField("Signal", "SIGKILL"), "a process that is not to run again")
		h.killOperator()
		Eventually(func() int { return len(h.pids()) }).Should(Equal(4))
		Expect(h.lastExit("once")).To(HaveField("Signal", "SIGKILL"), "and it is kept")
		Expect(h.copies()).To(Equal(map[string]int{"a": 1, "b2": 1, "c": 1, "new": 1}))
	})

	It("loses no exit code of what ended while there was no operator", func() {
		h := newHost()
		if !h.smallDisk("1m") {
			return
		}
		h.write("once.yaml", process("once", []string{"run", "once"}, "restartPolicy: Never"))
		h.start()
		h.ready()
		if !h.tells() {
			GinkgoWriter.Println("NOT TESTED: needs a kernel whose pidfds tell exit codes (6.15)")
			return
		}
		pid, operator := h.pidOf("once"), h.info().PID
		h.fill()
		Expect(syscall.Kill(operator, syscall.SIGSTOP)).To(Succeed())
		kill(pid)
		kill(operator) // now the guardian reaps both, and cannot write how the workload ended
		h.again(operator)
		Eventually(func() specs.StateTerminated { return h.lastExit("once") }).Should(HaveField("Signal", "SIGKILL"))
		h.drain()
		h.killOperator()
		Eventually(func() specs.StateTerminated { return h.lastExit("once") }).Should(HaveField("Signal", "SIGKILL"))
	})
})

// tells tells whether pidfds tell exit codes on this kernel.
func (h *host) tells() bool {
	_, out := h.call("GET", "/mirroros/host", "", "")
	return bytes.Contains([]byte(out), []byte(`"PidfdInfo":true`)) || bytes.Contains([]byte(out), []byte(`"PidfdInfo": true`))
}
