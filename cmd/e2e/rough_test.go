package e2e

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gexec"
	"go.etcd.io/bbolt"
)

var _ = Describe("a program that turns itself into a daemon", func() {
	It("is over when its main process is: what it left is killed before the next run, and never adds up", func() {
		h := newHost()
		h.write("daemon.yaml", process("daemon", []string{"fork"}, "restartBackoff: {initial: 20ms, max: 50ms}"))
		h.write("once.yaml", process("once", []string{"fork"}, "restartPolicy: OnFailure"))
		h.write("a.yaml", process("a", []string{"run", "a"}))
		h.start()
		a := h.pidOf("a")
		Eventually(func() int32 { return h.one("daemon").Status.RestartCount }).Should(BeNumerically(">=", 5))
		Expect(h.copies()["stubborn"]).To(BeNumerically("<=", 2), "of each program at most one")
		Eventually(h.status).Should(MatchRegexp(`(?m)^daemon +CrashLoopBackOff .*exit 0`))
		h.killOperator()
		h.write("daemon.yaml", process("daemon", []string{"run", "well"}))
		Eventually(h.copies).Should(Equal(map[string]int{"a": 1, "well": 1}))
		h.ready()
		Expect(h.pidOf("a")).To(Equal(a))
	})
})

var _ = Describe("a directory below the manifests", func() {
	It("that cannot be read keeps what it declared, and says so", func() {
		h := newHost()
		h.write("a.yaml", process("a", []string{"run", "a"}))
		h.write("sub/b.yaml", process("b", []string{"run", "b"}))
		h.ordinary()
		h.start()
		h.ready()
		before := h.pids()
		Expect(os.Chmod(h.manifests+"/sub", 0)).To(Succeed())
		Eventually(h.status).Should(And(HavePrefix("exit 1"), MatchRegexp(`cannot read directory .*/sub.*permission denied`)))
		Expect(h.killAndCompare(before)).To(BeTrue(), "also to the next operator")
		Eventually(h.status).Should(And(HavePrefix("exit 1"), MatchRegexp(`cannot read directory .*/sub.*permission denied`)))
		Expect(h.pids()).To(Equal(before))
		Expect(os.Chmod(h.manifests+"/sub", 0o755)).To(Succeed())
		h.ready()
		Expect(h.pids()).To(Equal(before))
	})

	It("that leads back up is passed over, and one that leads elsewhere is followed", func() {
		h := newHost()
		h.write("a.yaml", process("a", []string{"run", "a"}))
		Expect(os.Symlink("..", h.manifests+"/up")).To(Succeed())
		Expect(os.MkdirAll(h.manifests+"/x/y", 0o755)).To(Succeed())
		Expect(os.Symlink("../../x", h.manifests+"/x/y/loop")).To(Succeed())
		Expect(os.Mkdir(h.dir+"/elsewhere", 0o755)).To(Succeed())
		Expect(os.WriteFile(h.dir+"/elsewhere/b.yaml", []byte(process("b", []string{"run", "b"})), 0o644)).To(Succeed())
		Expect(os.Symlink(h.dir+"/elsewhere", h.manifests+"/linked")).To(Succeed())
		h.start()
		h.ready()
		Expect(h.copies()).To(Equal(map[string]int{"a": 1, "b": 1}))
		Expect(string(h.log.Contents())).To(MatchRegexp(`"up" is a symbolic link to a directory above it`))
	})
})

var _ = Describe("a state directory", func() {
	It("is one operator's, also when two start in the same moment", func() {
		h := newHost()
		h.write("a.yaml", process("a", []string{"run", "a"}))
		for range 3 {
			second := exec.Command(bin+"/mirrorosd", "--manifests", h.manifests, "--state", h.state, "--run", h.dir+"/r2")
			second.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
			s, err := gexec.Start(second, nil, nil)
			Expect(err).NotTo(HaveOccurred())
			h.startAsOne(s)
			h.ready()
			Expect(h.copies()).To(Equal(map[string]int{"a": 1}))
			Expect(h.stopOperator()).To(BeZero())
		}
	})

	It("that a newer version wrote, or that is damaged, is refused, touches nothing, and can be begun anew", func() {
		h := newHost()
		h.write("a.yaml", process("a", []string{"run", "a"}))
		h.start()
		h.ready()
		before := h.pids()
		Expect(h.stopOperator()).To(BeZero())
		file := h.state + "/state.db"
		good, err := os.ReadFile(file)
		Expect(err).NotTo(HaveOccurred())

		db, err := bbolt.Open(file, 0o600, nil)
		Expect(err).NotTo(HaveOccurred())
		Expect(db.Update(func(tx *bbolt.Tx) error {
			return tx.Bucket([]byte("meta")).Put([]byte("schema"), binary.BigEndian.AppendUint64(nil, 99))
		})).To(Succeed())
		Expect(db.Close()).To(Succeed())
		out, code := mirrorosd("--manifests", h.manifests, "--state", h.state, "--run", h.run)
		Expect(fmt.Sprintf("%d: %s", code, out)).To(MatchRegexp(`^1: .*newer version`))
		for name, data := range map[string][]byte{"cut": good[:9000], "text": []byte(strings.Repeat("not a store\n", 1000))} {
			Expect(os.WriteFile(file, data, 0o600)).To(Succeed())
			out, code := mirrorosd("--manifests", h.manifests, "--state", h.state, "--run", h.run)
			Expect(fmt.Sprintf("%d: %s", code, out)).To(MatchRegexp(`^1: .*cannot open the store .*move state\.db away`), name)
		}
		Expect(alive(int(before[h.name("a", before)]))).To(BeTrue())
		Expect(os.Rename(file, h.dir+"/damaged.db")).To(Succeed())
		h.start()
		h.ready()
		Expect(h.pids()).To(Equal(before), "what runs is taken up again")
	})
})

// startAsOne starts the host's operator beside another that is starting, and sees to it that the host has the one that won.
func (h *host) startAsOne(other *gexec.Session) {
	GinkgoHelper()
	first, err := gexec.Start(h.command(), nil, nil)
	Expect(err).NotTo(HaveOccurred())
	ended := func(s *gexec.Session) bool { return s.ExitCode() >= 0 }
	Eventually(func() bool { return ended(first) || ended(other) }).Should(BeTrue(), "one must give way")
	lost, won := first, other
	if ended(other) {
		lost, won = other, first
	}
	Expect(lost.ExitCode()).To(Equal(1))
	Expect(string(lost.Err.Contents())).To(ContainSubstring("another operator"))
	if won == other {
		won.Terminate()
		Eventually(won).Should(gexec.Exit(0))
		h.start()
		return
	}
	h.cmd, h.log, h.done = won.Command, won.Err, make(chan struct{})
	go func() { <-won.Exited; close(h.done) }()
	h.answers()
}
