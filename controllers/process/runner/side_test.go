//go:build linux

package runner_test

import (
	"errors"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	"golang.org/x/sys/unix"

	"mirroros.dev/mirroros/controllers/process/runner"
)

// prepare has a command started beside a run, as probes do.
func prepare(s *runner.Side, cmd *exec.Cmd) {
	GinkgoHelper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	words, reasons, err := s.Prepare(cmd.SysProcAttr)
	Expect(err).NotTo(HaveOccurred())
	if len(words) > 0 {
		cmd.Args = slices.Concat(words, []string{cmd.Path}, cmd.Args)
		cmd.Path, cmd.ExtraFiles = words[0], []*os.File{reasons}
	}
}

// beside runs a command beside a run, which starts a daemon, and gives the daemon's pid. Then is called once that has been started.
func (g *rig) beside(id, script string, then func(*runner.Side, *exec.Cmd)) (daemon int, ended error) {
	GinkgoHelper()
	s, err := g.Beside(id)
	Expect(err).NotTo(HaveOccurred())
	self, err := os.Executable()
	Expect(err).NotTo(HaveOccurred())
	out := gbytes.NewBuffer()
	cmd := exec.Command(self)
	cmd.Env, cmd.Stdout = []string{"RUNNER_CHILD=" + script}, out
	cmd.WaitDelay = 100 * time.Millisecond // the daemon has the output too, until it dies
	prepare(s, cmd)
	Expect(cmd.Start()).To(Succeed())
	Eventually(out).Should(gbytes.Say(`child \d+ <nil>\n`))
	_, after, _ := strings.Cut(string(out.Contents()), "child ")
	daemon, err = strconv.Atoi(strings.Fields(after)[0])
	Expect(err).NotTo(HaveOccurred())
	if then != nil {
		then(s, cmd)
	}
	ended = cmd.Wait()
	Expect(s.Close()).To(Succeed())
	return daemon, ended
}

var _ = Describe("Side", func() {
	both(func(parent string) {
		var g *rig
		BeforeEach(func() { g = open(GinkgoT().TempDir(), parent) })

		It("lets nothing of a command beside a run outlive it, daemons neither, and leaves the run alone", func() {
			i := g.start("a", 1, "wait")
			pid, err := g.beside("a", "daemon exit:3", nil)
			Expect(err).To(MatchError("exit status 3"))
			Eventually(alive).WithArguments(pid).Should(BeFalse())
			pid, err = g.beside("a", "daemon ignore wait", func(s *runner.Side, cmd *exec.Cmd) { Expect(s.Kill(cmd.Process.Pid)).To(Succeed()) })
			Expect(err).To(HaveOccurred())
			Eventually(alive).WithArguments(pid).Should(BeFalse())
			Expect(alive(i.PID)).To(BeTrue())
			now, _ := g.Get("a")
			Expect(now.Exit).To(BeNil())
			Expect(g.Kill("a")).To(Succeed())
			g.exit("a")
			_, err = g.Beside("a")
			Expect(err).To(MatchError(runner.ErrEnded))
		})

		It("tells why a command beside a run cannot be executed", func() {
			g.start("a", 1, "wait")
			s, err := g.Beside("a")
			Expect(err).NotTo(HaveOccurred())
			cmd := exec.Command("/no/such")
			prepare(s, cmd)
			err = cmd.Run()
			Expect(errors.Join(err, s.Close())).To(MatchError(unix.ENOENT))
		})

		if parent == runner.NoCgroup {
			return // there commands of an earlier operator end by themselves
		}

		It("ends the commands of an earlier operator", func() {
			g.start("a", 1, "wait")
			s, err := g.Beside("a")
			Expect(err).NotTo(HaveOccurred())
			self, err := os.Executable()
			Expect(err).NotTo(HaveOccurred())
			cmd := exec.Command(self)
			cmd.Env = []string{"RUNNER_CHILD=wait"}
			prepare(s, cmd)
			Expect(cmd.Start()).To(Succeed())
			g.stop()
			g = open(g.state, parent)
			Expect(cmd.Wait()).To(MatchError("signal: killed"))
			Expect(s.Close()).To(Succeed())
		})
	})
})
