//go:build linux

package runner_test

import (
	"os"
	"os/exec"
	"strconv"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("kill -9", Serial, Label("slow"), func() {
	// chaos drives a real guardian and operator. It fails when a workload ran twice or never or was left to nobody, or when a line
	// or an exit code was lost.
	chaos := func(nobody bool, args ...string) {
		GinkgoHelper()
		args = append(args, "-guard", guardPath, "-seed", strconv.FormatInt(GinkgoRandomSeed(), 10))
		cmd := exec.Command(chaosPath, args...)
		dir, err := os.MkdirTemp("", "c")
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(os.RemoveAll, dir)
		Expect(os.Chmod(dir, 0o777)).To(Succeed())
		cmd.Env, cmd.Dir = append(os.Environ(), "TMPDIR="+dir), dir
		if nobody {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		}
		out, err := cmd.CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), string(out))
		GinkgoWriter.Println(string(out))
	}

	It("of the operator loses and doubles nothing", func() {
		chaos(false, "-workloads", "120", "-kills", "10")
	})
	It("of the operator loses and doubles nothing without cgroups", func() {
		chaos(false, "-workloads", "120", "-kills", "8", "-helper")
	})
	It("of the guardian loses and doubles nothing", func() {
		chaos(false, "-workloads", "120", "-kills", "0", "-guard-kills", "6")
	})
	It("of one soon after the other loses and doubles nothing", func() {
		chaos(false, "-workloads", "150", "-kills", "4", "-guard-kills", "4")
	})
	It("of one soon after the other loses and doubles nothing without cgroups", func() {
		chaos(false, "-workloads", "150", "-kills", "4", "-guard-kills", "4", "-helper")
	})
	It("of both at once loses exit codes at most", func() {
		chaos(false, "-workloads", "100", "-kills", "0", "-both", "2")
	})
	It("is a non-event for an ordinary user too", func() {
		chaos(os.Geteuid() == 0, "-workloads", "100", "-kills", "6")
	})
})
