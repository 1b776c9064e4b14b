//go:build linux

package runner_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/process/runner"
)

var _ = Describe("a lost claim", func() {
	both(func(parent string) {
		var g *rig
		BeforeEach(func() { g = open(GinkgoT().TempDir(), parent) })

		DescribeTable("knows a run again whose claim is lost, damaged or older than it", func(lose func(claim string, older []byte)) {
			g.start("web-x-abc-0", 1, "exit:0")
			g.exit("web-x-abc-0")
			claim := g.state + "/claims/web-x-abc-0"
			older, err := os.ReadFile(claim)
			Expect(err).NotTo(HaveOccurred())
			second := g.spec("web-x-abc-0", 2, "fork say:up wait") // what it starts has the same environment
			second.Owner = "web-x"
			run, err := g.Start(second)
			Expect(err).NotTo(HaveOccurred())
			other := g.start("web-x-abc-1", 1, "say:up wait")
			g.output("web-x-abc-0", "up")
			child := g.childPID("web-x-abc-0")
			g.stop()
			lose(claim, older)
			for range 2 { // the second time by the claim that was made anew
				g = open(g.state, parent)
				now, ok := g.Get("web-x-abc-0")
				Expect(ok).To(BeTrue())
				Expect([]any{now.PID, now.Attempt, now.Owner, now.Hash, now.Exit}).To(Equal([]any{run.PID, 2, "web-x", "abc", (*runner.Exit)(nil)}))
				Expect(now.Started).To(BeTemporally("~", run.Started, time.Second))
				Expect(g.List()).To(HaveLen(2))
				Expect([]bool{alive(run.PID), alive(child), alive(other.PID)}).To(HaveEach(true))
				_, err := g.Start(g.spec("web-x-abc-0", 3, "wait"))
				Expect(err).To(MatchError(runner.ErrRunning))
				g.stop()
			}
			g = open(g.state, parent)
			Expect(g.Kill("web-x-abc-0")).To(Succeed())
			Expect(g.exit("web-x-abc-0").Exit.Signal).To(Equal(syscall.SIGKILL))
			Eventually(func() bool { return alive(child) }).Should(BeFalse())
		},
			Entry("the file was removed", func(claim string, _ []byte) { Expect(os.Remove(claim)).To(Succeed()) }),
			Entry("all were removed", func(claim string, _ []byte) { Expect(os.RemoveAll(filepath.Dir(claim))).To(Succeed()) }),
			Entry("it is torn", func(claim string, _ []byte) { Expect(os.WriteFile(claim, []byte("\n{\"boot\""), 0o600)).To(Succeed()) }),
			Entry("an older one was put back", func(claim string, older []byte) { Expect(os.WriteFile(claim, older, 0o600)).To(Succeed()) }),
			Entry("one was put back that does not know the process yet", func(claim string, _ []byte) {
				b, err := os.ReadFile(claim)
				Expect(err).NotTo(HaveOccurred())
				Expect(os.WriteFile(claim, b[:strings.LastIndex(string(b), "pid ")], 0o600)).To(Succeed())
			}),
			Entry("one was put back of a run that never ended", func(claim string, older []byte) {
				older = older[:strings.LastIndex(string(older), "exit ")]
				Expect(os.WriteFile(claim, older, 0o600)).To(Succeed())
			}),
		)

		It("takes nothing up of another state directory", func() {
			theirs := g.start("web-x-abc-0", 1, "say:up wait")
			g.output("web-x-abc-0", "up")
			another := open(GinkgoT().TempDir(), parent)
			Expect(another.List()).To(BeEmpty())
			another.start("web-x-abc-0", 1, "exit:0")
			another.exit("web-x-abc-0")
			Expect(alive(theirs.PID)).To(BeTrue())
		})
	})
})
