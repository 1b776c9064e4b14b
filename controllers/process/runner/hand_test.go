//go:build linux

package runner_test

import (
	"errors"
	"os"
	"regexp"
	"strconv"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"mirroros.dev/mirroros/controllers/process/runner"
)

var _ = Describe("a pidfd that a guardian handed on", Serial, func() {
	both(func(parent string) {
		var g *rig
		// die lets the only run end while nobody watches, be reaped by one who tells nobody, and leave a handed pidfd.
		die := func(script string) {
			GinkgoHelper()
			pid := g.start("a", 1, script).PID
			g.stop()
			fd, err := unix.PidfdOpen(pid, 0)
			Expect(err).NotTo(HaveOccurred())
			_, err = unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0) // as the guardian leaves it; Open takes it
			Expect(err).NotTo(HaveOccurred())
			Expect(unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)).To(Succeed())
			_, err = syscall.Wait4(pid, nil, 0, nil)
			Expect(err).NotTo(HaveOccurred())
		}
		BeforeEach(func() { g = open(GinkgoT().TempDir(), parent) })

		It("tells how a run ended that was reaped before it was adopted", func() {
			die("wait")
			g = open(g.state, parent)
			i, _ := g.Get("a")
			if !g.Capabilities().PidfdInfo { // it cannot, on this kernel
				i = g.exit("a")
				Expect(i.Exit.Known).To(BeFalse())
				return
			}
			Expect(i.Exit).To(HaveValue(And(HaveField("Known", true), HaveField("Signal", syscall.SIGKILL))))
		})

		It("tells it of a run whose process id nobody wrote down", func() {
			if g.Capabilities().CgroupV2 == "" {
				return // there the run writes it itself
			}
			die("wait")
			file := g.state + "/claims/a"
			data, err := os.ReadFile(file)
			Expect(err).NotTo(HaveOccurred())
			Expect(os.WriteFile(file, regexp.MustCompile(`(?m)^pid .*$`).ReplaceAll(data, nil), 0o600)).To(Succeed())
			g = open(g.state, parent)
			i, ok := g.Get("a")
			Expect(ok).To(BeTrue())
			Expect(i.Exit).To(HaveValue(HaveField("Known", g.Capabilities().PidfdInfo)))
			Expect(i.Attempt).To(Equal(1))
		})

		It("is not needed to see that a zombie is older than a run, and another's", func() {
			if g.Capabilities().CgroupV2 == "" {
				return // there the run says itself which process it is
			}
			pid := g.start("a", 1, "wait").PID
			g.stop()
			Expect(syscall.Kill(pid, syscall.SIGKILL)).To(Succeed())
			Eventually(alive).WithArguments(pid).Should(BeFalse())
			DeferCleanup(func() { _, _ = syscall.Wait4(pid, nil, syscall.WNOHANG, nil) })
			file := g.state + "/claims/a"
			data, err := os.ReadFile(file)
			Expect(err).NotTo(HaveOccurred())
			data = regexp.MustCompile(`(?m)^pid .*$`).ReplaceAll(data, nil)
			later := regexp.MustCompile(`"clock":`).ReplaceAll(data, []byte(`"clock":9`))
			Expect(os.WriteFile(file, later, 0o600)).To(Succeed())
			i, _ := open(g.state, parent).Get("a")
			Expect(i.Exit).To(HaveValue(HaveField("Known", false)))
		})

		It("lives through an exec, also one of a process that never adopted", func() {
			pid := g.start("a", 1, "wait").PID
			g.stop()
			Expect(handed(pid)).To(BeEmpty())
			also, err := os.Open(g.state)
			Expect(err).NotTo(HaveOccurred())
			DeferCleanup(also.Close)
			failed, opened := errors.New("no exec"), make(chan struct{})
			lives := func() bool {
				flags, err := unix.FcntlInt(also.Fd(), unix.F_GETFD, 0)
				Expect(err).NotTo(HaveOccurred())
				return flags&unix.FD_CLOEXEC == 0
			}
			err = runner.Hand(g.state, true, []int{int(also.Fd())}, func() error {
				Expect(handed(pid)).To(HaveLen(1))
				Expect(lives()).To(BeTrue())
				go func() { // it marks all descriptors, so it must wait
					defer GinkgoRecover()
					defer close(opened)
					g = open(g.state, parent)
				}()
				Consistently(opened, "50ms").ShouldNot(BeClosed())
				Expect(handed(pid)).To(HaveLen(1))
				return failed
			})
			Expect(err).To(MatchError(failed))
			Eventually(opened).Should(BeClosed())
			Expect(handed(pid)).To(BeEmpty())
			Expect(lives()).To(BeFalse())
		})
	})
})

// handed lists the pidfds of a process that would live through an exec.
func handed(pid int) []int {
	var all []int
	entries, err := os.ReadDir("/proc/self/fdinfo")
	Expect(err).NotTo(HaveOccurred())
	for _, e := range entries {
		data, err := os.ReadFile("/proc/self/fdinfo/" + e.Name())
		if err != nil || !regexp.MustCompile(`(?m)^Pid:\s+`+strconv.Itoa(pid)+`$`).Match(data) {
			continue
		}
		fd, _ := strconv.Atoi(e.Name())
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			all = append(all, fd)
		}
	}
	return all
}
