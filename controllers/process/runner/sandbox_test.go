//go:build linux

package runner_test

import (
	"errors"
	"net"
	"os"
	"strconv"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/process/runner"
	"mirroros.dev/mirroros/controllers/process/sandbox"
)

// boxed is a run of this binary in a sandbox.
func (g *rig) boxed(id string, attempt int, o sandbox.Options, script string) runner.Spec {
	GinkgoHelper()
	s := g.spec(id, attempt, script)
	o.ReadOnly = append(o.ReadOnly, s.Path)
	o.Root = os.Geteuid() == 0
	p, err := sandbox.Probe().Compile(o)
	Expect(err).NotTo(HaveOccurred())
	Expect(p.Missing).To(BeEmpty(), "this host lacks what the level needs")
	s.Sandbox = &runner.Sandbox{Text: p.Text, NewNet: p.NewNet, NewUser: p.NewUser}
	return s
}

var _ = Describe("a run in a sandbox", func() {
	ways(func(parent string) {
		It("is in it, and adopted like any other", func() {
			g := open(GinkgoT().TempDir(), parent)
			s := g.boxed("box-x-0", 1, sandbox.Options{Level: sandbox.Strict}, "read:/etc/shadow wait")
			i, err := g.Start(s)
			Expect(err).NotTo(HaveOccurred())
			Expect(g.output("box-x-0", "read")).To(ContainSubstring("permission denied"))
			g.stop()
			g = open(g.state, parent)
			now, _ := g.Get("box-x-0")
			Expect(now.PID).To(Equal(i.PID))
			Expect(now.Exit).To(BeNil())
		})

		It("whose path is gone does not start, and may be tried again", func() {
			g := open(GinkgoT().TempDir(), parent)
			dir := g.state + "/gone"
			Expect(os.Mkdir(dir, 0o755)).To(Succeed())
			s := g.boxed("box-x-0", 1, sandbox.Options{Level: sandbox.Restricted, ReadOnly: []string{dir}}, "say:here wait")
			Expect(os.Remove(dir)).To(Succeed())
			_, err := g.Start(s)
			Expect(err).To(MatchError(ContainSubstring("cannot enter its sandbox: no such file")))
			Expect(os.Mkdir(dir, 0o755)).To(Succeed())
			_, err = g.Start(s)
			Expect(err).NotTo(HaveOccurred())
			g.output("box-x-0", "here")
		})

		It("of its own network gives its doors away before it begins, and does not begin without", func() {
			g := open(GinkgoT().TempDir(), parent)
			const port = 19123
			script := "dial:" + strconv.Itoa(port) + " wait"
			s := g.boxed("box-x-0", 1, sandbox.Options{Level: sandbox.Isolated, Listen: []int{port}}, script)
			s.Sandbox.Doors = func([]*os.File) error { return errors.New("nobody is at home") }
			_, err := g.Start(s)
			Expect(err).To(MatchError(And(ContainSubstring("sockets are not where they belong"), ContainSubstring("nobody is at home"))))
			Expect(g.log("box-x-0")).To(BeAnExistingFile())
			data, _ := os.ReadFile(g.log("box-x-0"))
			Expect(data).To(BeEmpty())

			var l net.Listener
			s.Sandbox.Doors = func(files []*os.File) error {
				defer GinkgoRecover()
				Expect(files).To(HaveLen(1))
				data, _ := os.ReadFile(g.log("box-x-0"))
				Expect(data).To(BeEmpty(), "it has not begun")
				var err error
				l, err = net.FileListener(files[0])
				files[0].Close()
				return err
			}
			_, err = g.Start(s)
			Expect(err).NotTo(HaveOccurred())
			DeferCleanup(l.Close)
			c, err := l.Accept()
			Expect(err).NotTo(HaveOccurred())
			c.Close()
			Expect(g.output("box-x-0", "dialled")).To(ContainSubstring("dialled <nil>"))
			_, err = net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(port))
			Expect(err).To(HaveOccurred(), "it is in another network")
		})
	})
})
