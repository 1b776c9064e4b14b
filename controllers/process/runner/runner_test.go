//go:build linux

package runner_test

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"mirroros.dev/mirroros/controllers/process/runner"
)

// rig is a runner on a state directory, with the ends that it told.
type rig struct {
	*runner.Runner
	state string
	ended chan string
	stop  func()
}

// open opens a runner and runs it until the end of the spec, or until stop.
func open(state, parent string) *rig {
	GinkgoHelper()
	r, err := runner.Open(runner.Options{StateDir: state, Guard: guardPath, CgroupParent: parent, Mark: "RUNNER_MARK"})
	Expect(err).NotTo(HaveOccurred())
	g := &rig{Runner: r, state: state, ended: make(chan string, 100)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx, func(id string) { g.ended <- id }) }()
	stopped := false
	g.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		Eventually(done).Should(Receive(BeNil()))
		Expect(r.Close()).To(Succeed())
	}
	DeferCleanup(g.stop)
	DeferCleanup(func() {
		for _, i := range r.List() {
			r.Kill(i.ID)
			Eventually(func() *runner.Exit { i, _ := r.Get(i.ID); return i.Exit }).ShouldNot(BeNil())
			Expect(r.Forget(i.ID)).To(Succeed())
		}
	})
	return g
}

// spec is a run of this binary by a script.
func (g *rig) spec(id string, attempt int, script string) runner.Spec {
	GinkgoHelper()
	self, err := os.Executable()
	Expect(err).NotTo(HaveOccurred())
	out, err := os.OpenFile(g.log(id), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(out.Close)
	return runner.Spec{
		ID: id, Owner: "web", Hash: "abc", Attempt: attempt, Note: []byte("a\nnote"), Path: self, Argv: []string{"child"},
		Env: []string{"RUNNER_CHILD=" + script}, Output: out.Fd(),
	}
}

func (g *rig) log(id string) string { return filepath.Join(g.state, id+".out") }

func (g *rig) start(id string, attempt int, script string) runner.Instance {
	GinkgoHelper()
	i, err := g.Start(g.spec(id, attempt, script))
	Expect(err).NotTo(HaveOccurred())
	Expect(i.PID).To(BeNumerically(">", 1))
	return i
}

// exit waits for the end of a run.
func (g *rig) exit(id string) runner.Instance {
	GinkgoHelper()
	Eventually(g.ended).Should(Receive(Equal(id)))
	i, ok := g.Get(id)
	Expect(ok).To(BeTrue())
	Expect(i.Exit).NotTo(BeNil())
	return i
}

// output waits until a run has written a text, and gives all that it wrote.
func (g *rig) output(id, text string) string {
	GinkgoHelper()
	var data []byte
	Eventually(func() string {
		data, _ = os.ReadFile(g.log(id))
		return string(data)
	}).Should(ContainSubstring(text))
	return string(data)
}

// childPID waits for the line of a forked child.
func (g *rig) childPID(id string) int {
	GinkgoHelper()
	_, after, _ := strings.Cut(g.output(id, "<nil>"), "child ")
	pid, err := strconv.Atoi(strings.Fields(after)[0])
	Expect(err).NotTo(HaveOccurred())
	return pid
}

func alive(pid int) bool {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	rest := string(data)[strings.LastIndexByte(string(data), ')')+2:]
	return rest[0] != 'Z' && rest[0] != 'X'
}

// both runs the specs with cgroups, where this host has them, and without.
func both(body func(parent string)) {
	Context("with cgroups where the host has them", func() { body("") })
	Context("without cgroups", func() { body(runner.NoCgroup) })
}

var _ = Describe("Runner", func() {
	both(func(parent string) {
		var g *rig
		BeforeEach(func() { g = open(GinkgoT().TempDir(), parent) })

		It("starts again and stops when somebody removed all claims", func() {
			g.start("a", 1, "say:up wait")
			g.output("a", "up")
			g.start("b", 1, "trap say:up wait")
			g.output("b", "up")
			Expect(os.RemoveAll(g.state + "/claims")).To(Succeed())
			Expect(g.Kill("a")).To(Succeed())
			g.exit("a")
			g.start("a", 2, "wait")
			g.start("c", 1, "exit:0")
			g.exit("c")
			Expect(g.Stop("b", syscall.SIGTERM)).To(Succeed())
			Expect(g.exit("b").Exit.Code).To(Equal(7))
			before := g.List()
			g.stop()
			g = open(g.state, parent)
			for i, run := range g.List() {
				Expect(run.PID).To(Equal(before[i].PID))
				Expect(run.Owner).To(Equal("web"))
			}
			Expect(g.List()).To(HaveLen(len(before)))
		})

		It("stops a run by its signal when its claim cannot be written", func() {
			g.start("a", 1, "trap say:up wait")
			g.output("a", "up")
			Expect(os.RemoveAll(g.state + "/claims")).To(Succeed())
			Expect(os.WriteFile(g.state+"/claims", nil, 0o600)).To(Succeed()) // nothing can be written there
			Expect(g.Stop("a", syscall.SIGTERM)).To(Succeed())
			g.output("a", "term")
			Expect(os.Remove(g.state + "/claims")).To(Succeed())
			Expect(g.exit("a").Exit.Code).To(Equal(7))
		})

		It("tells how a run ended", func() {
			i := g.start("a", 1, "exit:37")
			Expect(i.Started).To(BeTemporally("~", time.Now(), 5*time.Second))
			Expect(g.exit("a").Exit).To(HaveValue(And(HaveField("Known", true), HaveField("Code", 37), HaveField("Signal", syscall.Signal(0)))))
			g.start("b", 1, "kill:9")
			Expect(g.exit("b").Exit).To(HaveValue(And(HaveField("Known", true), HaveField("Signal", syscall.SIGKILL))))
		})

		It("starts an attempt once", func() {
			g.start("a", 1, "wait")
			_, err := g.Start(g.spec("a", 2, "exit:0"))
			Expect(err).To(MatchError(runner.ErrRunning))
			Expect(g.Forget("a")).To(MatchError(runner.ErrRunning))
			Expect(g.Kill("a")).To(Succeed())
			g.exit("a")
			_, err = g.Start(g.spec("a", 1, "exit:0"))
			Expect(err).To(MatchError(runner.ErrTaken))
			g.start("a", 2, "exit:2")
			Expect(g.exit("a")).To(And(HaveField("Attempt", 2), HaveField("Exit.Code", 2)))
		})

		It("keeps nothing of a run that was forgotten", func() {
			g.start("a", 1, "exit:0")
			g.exit("a")
			Expect(g.Forget("a")).To(Succeed())
			_, ok := g.Get("a")
			Expect(ok).To(BeFalse())
			Expect(g.Forget("a")).To(MatchError(runner.ErrNotFound))
			Expect(filepath.Glob(g.state + "/claims/*")).To(BeEmpty())
			Expect(filepath.Glob(g.state + "/exits/*")).To(BeEmpty())
			Expect(filepath.Glob(g.Capabilities().CgroupV2 + "/a*")).To(BeEmpty())
			g.start("a", 1, "exit:1")
			Expect(g.exit("a").Exit.Code).To(Equal(1))
		})

		It("begins a long claim file anew", func() {
			s := g.spec("a", 1, "exit:3")
			s.Path, s.Argv, s.Note = "/bin/sh", []string{"sh", "-c", "exit 3"}, make([]byte, 4096)
			for s.Attempt = 1; s.Attempt <= 16; s.Attempt++ {
				_, err := g.Start(s)
				Expect(err).NotTo(HaveOccurred())
				Expect(g.exit("a").Exit.Code).To(Equal(3))
			}
			info, err := os.Stat(g.state + "/claims/a")
			Expect(err).NotTo(HaveOccurred())
			Expect(info.Size()).To(BeNumerically("<", 64<<10))
			g.stop()
			i, _ := open(g.state, parent).Get("a")
			Expect(i).To(And(HaveField("Attempt", 16), HaveField("Exit.Code", 3), HaveField("Note", s.Note)))
		})

		It("lets a workload inherit nothing of the operator", func() {
			fd, err := unix.Open("/dev/zero", unix.O_RDONLY, 0) // one that was not marked to be closed on exec
			Expect(err).NotTo(HaveOccurred())
			defer unix.Close(fd)
			g.stop()
			g = open(g.state, parent)
			g.start("a", 1, "facts env exit:0")
			g.exit("a")
			out := g.output("a", "RUNNER_CHILD")
			Expect(out).To(ContainSubstring("fds=[] stdin=/dev/null umask=022"))
			Expect(out).To(ContainSubstring("session=true group=true"))
			Expect(out).To(ContainSubstring("SigIgn:0000000000000000"))
			Expect(out).To(ContainSubstring("SigBlk:0000000000000000"))
			Expect(out).To(MatchRegexp(`(?m)^RUNNER_CHILD=facts env exit:0( MIRROROS_CLAIM=\d+ 1 \d+ ` + g.state + `/claims/a)?\n\z`))
		})

		It("gives a workload the limit of descriptors that the operator was started with", func() {
			s := g.spec("a", 1, "")
			s.Path, s.Argv = "/bin/sh", []string{"sh", "-c", "ulimit -n; ulimit -Hn"}
			_, err := g.Start(s)
			Expect(err).NotTo(HaveOccurred())
			g.exit("a")
			got := strings.Fields(g.output("a", "\n"))
			Expect(got).To(HaveLen(2))
			Expect(got[0]).To(Equal(parentLimit()))
		})

		It("runs in the directory that it is given", func() {
			s := g.spec("a", 1, "cwd exit:0")
			s.Dir = g.state
			_, err := g.Start(s)
			Expect(err).NotTo(HaveOccurred())
			g.exit("a")
			Expect(g.output("a", "\n")).To(Equal(g.state + "\n"))
		})

		It("stops a group once, and says so to a later runner", func() {
			g.start("a", 1, "trap say:ready wait")
			g.output("a", "ready")
			Expect(g.Stop("a", syscall.SIGTERM)).To(Succeed())
			Expect(g.Stop("a", syscall.SIGTERM)).To(Or(Succeed(), MatchError(runner.ErrEnded)))
			i := g.exit("a")
			Expect(i.Exit.Code).To(Equal(7))
			Expect(i.Stopping).NotTo(BeZero())
			Expect(strings.Count(g.output("a", "term"), "term")).To(Equal(1))
			Expect(g.Stop("a", syscall.SIGTERM)).To(MatchError(runner.ErrEnded))
		})

		It("signals the main process alone", func() {
			g.start("a", 1, "trap say:ready wait")
			g.output("a", "ready")
			Expect(g.Signal("a", syscall.SIGTERM)).To(Succeed())
			i := g.exit("a")
			Expect(i.Exit.Code).To(Equal(7))
			Expect(i.Stopping).To(BeZero())
			Expect(g.Signal("none", syscall.SIGTERM)).To(MatchError(runner.ErrNotFound))
		})

		It("kills what the main process left in its session before it tells the end", func() {
			g.start("a", 1, "fork exit:3")
			i := g.exit("a")
			Expect(alive(g.childPID("a"))).To(BeFalse())
			Expect(i).To(And(HaveField("Exit.Code", 3), HaveField("Stray", 0)))
		})

		It("kills a whole tree, daemons too", func() {
			g.start("a", 1, "ignore daemon fork say:ready wait")
			g.output("a", "ready")
			daemon := g.childPID("a")
			Expect(alive(daemon)).To(BeTrue())
			Expect(g.Kill("a")).To(Succeed())
			Expect(g.exit("a").Exit.Signal).To(Equal(syscall.SIGKILL))
			Eventually(alive).WithArguments(daemon).Should(BeFalse())
		})

		It("kills daemons that the main process left, where it has a cgroup of its own", func() {
			g.start("a", 1, "daemon exit:3") // without a mark
			i := g.exit("a")
			daemon := g.childPID("a")
			DeferCleanup(syscall.Kill, daemon, syscall.SIGKILL)
			Expect(alive(daemon)).To(Equal(g.Capabilities().CgroupV2 == ""))
			Expect(i.Stray).To(BeZero())
		})

		It("kills daemons that the main process left, by their mark where there is no cgroup", func() {
			Expect(unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)).To(Succeed()) // as the guardian is one
			DeferCleanup(unix.Prctl, unix.PR_SET_CHILD_SUBREAPER, uintptr(0), uintptr(0), uintptr(0), uintptr(0))
			for _, id := range []string{"b", "a"} {
				s := g.spec(id, 1, map[string]string{"a": "daemon exit:3", "b": "daemon say:ready wait"}[id])
				s.Env = append(s.Env, "RUNNER_MARK="+id)
				_, err := g.Start(s)
				Expect(err).NotTo(HaveOccurred())
			}
			Expect(g.exit("a")).To(And(HaveField("Exit.Code", 3), HaveField("Stray", 0)))
			Expect(alive(g.childPID("a"))).To(BeFalse())
			Expect(alive(g.childPID("b"))).To(BeTrue(), "another's")
			Expect(g.Kill("b")).To(Succeed())
			g.exit("b")
			for _, id := range []string{"a", "b"} {
				Eventually(alive).WithArguments(g.childPID(id)).Should(BeFalse())
				_, _ = syscall.Wait4(g.childPID(id), nil, syscall.WNOHANG, nil)
			}
		})

		It("keeps the zombie when its exit cannot be written, for the guardian to find", func() {
			i := g.start("a", 1, "trap say:ready wait")
			g.output("a", "ready")
			Expect(os.Remove(g.state + "/claims/a")).To(Succeed())
			Expect(os.Mkdir(g.state+"/claims/a", 0o700)).To(Succeed())
			Expect(g.Signal("a", syscall.SIGTERM)).To(Succeed())
			Expect(g.exit("a").Exit.Code).To(Equal(7))
			Expect(alive(i.PID)).To(BeFalse())
			Expect("/proc/" + strconv.Itoa(i.PID)).To(BeADirectory())
			Expect(g.Forget("a")).To(Succeed())
			Expect("/proc/" + strconv.Itoa(i.PID)).NotTo(BeADirectory())
		})

		It("runs as the user and with the groups that it is given", func() {
			s := g.spec("a", 1, "")
			s.Path, s.Argv = "/bin/sh", []string{"sh", "-c", "id -u; id -g; id -G"}
			s.Env = []string{"PATH=/usr/bin:/bin"}
			if os.Geteuid() != 0 { // an ordinary user cannot become another
				s.Credential = &syscall.Credential{}
				_, err := g.Start(s)
				Expect(err).To(MatchError(ContainSubstring("cannot become user 0")))
				return
			}
			s.Credential = &syscall.Credential{Uid: 65534, Gid: 65533, Groups: []uint32{7, 8}}
			_, err := g.Start(s)
			Expect(err).NotTo(HaveOccurred())
			g.exit("a")
			Expect(g.output("a", "\n")).To(Equal("65534\n65533\n65533 7 8\n"))
		})

		It("adopts what lives and what ended meanwhile", func() {
			live := g.start("live", 1, "trap say:ready wait")
			g.start("short", 1, "exit:41")
			g.exit("short")
			g.output("live", "ready")
			Expect(g.Stop("live", 0)).To(Succeed())
			g.stop()
			g = open(g.state, parent)
			i, ok := g.Get("live")
			Expect(ok).To(BeTrue())
			Expect(i).To(And(HaveField("PID", live.PID), HaveField("Adopted", true), HaveField("Owner", "web"), HaveField("Hash", "abc"),
				HaveField("Note", []byte("a\nnote")), HaveField("Attempt", 1), HaveField("Exit", BeNil()), HaveField("Stopping", Not(BeZero()))))
			Expect(i.Started).To(BeTemporally("==", live.Started))
			Expect(i.Boot).To(Equal(live.Boot))
			i, _ = g.Get("short")
			Expect(i.Exit).To(HaveValue(And(HaveField("Known", true), HaveField("Code", 41))))
			Expect(g.Signal("live", syscall.SIGTERM)).To(Succeed())
			Expect(g.exit("live").Exit.Code).To(Equal(7))
		})

		It("knows when things were by the awake clock, however the wall clock was set", func() {
			g.start("live", 1, "trap say:ready wait")
			g.start("short", 1, "exit:41")
			g.exit("short")
			g.output("live", "ready")
			Expect(g.Announce("live")).To(Succeed())
			Expect(g.Stop("live", 0)).To(Succeed())
			now := time.Now()
			g.stop()
			hour := regexp.MustCompile(`\d{19}`) // as if the clock had been set an hour ahead since
			for _, id := range []string{"live", "short"} {
				data, err := os.ReadFile(g.state + "/claims/" + id)
				Expect(err).NotTo(HaveOccurred())
				data = hour.ReplaceAllFunc(data, func(b []byte) []byte {
					n, err := strconv.ParseInt(string(b), 10, 64)
					Expect(err).NotTo(HaveOccurred())
					return strconv.AppendInt(nil, n-int64(time.Hour), 10)
				})
				Expect(os.WriteFile(g.state+"/claims/"+id, data, 0o600)).To(Succeed())
			}
			g = open(g.state, parent)
			soon := func(reading time.Duration) { Expect(runner.AwakeAt(reading)).To(BeTemporally("~", now, time.Minute)) }
			live, _ := g.Get("live")
			short, _ := g.Get("short")
			for _, wall := range []time.Time{live.Started, live.Announced, live.Stopping, short.Exit.At} {
				Expect(wall).To(BeTemporally("~", now.Add(-time.Hour), time.Minute))
			}
			soon(live.StartedAwake)
			soon(live.AnnouncedAwake)
			soon(live.StoppingAwake)
			soon(short.Exit.Awake)
			Expect(g.Signal("live", syscall.SIGTERM)).To(Succeed())
			g.exit("live")
		})

		It("leaves a process alone that has the number of an ended one", func() {
			g.start("a", 1, "wait")
			g.stop()
			file := g.state + "/claims/a"
			data, err := os.ReadFile(file)
			Expect(err).NotTo(HaveOccurred())
			i, _ := g.Get("a")
			Expect(i).To(BeZero())
			self := strconv.Itoa(os.Getpid())
			_, after, _ := strings.Cut(string(data), "\npid ")
			pid := strings.Fields(after)[0]
			n, err := strconv.Atoi(pid)
			Expect(err).NotTo(HaveOccurred())
			Expect(syscall.Kill(n, syscall.SIGKILL)).To(Succeed())
			_, err = syscall.Wait4(n, nil, 0, nil)
			Expect(err).NotTo(HaveOccurred())
			Expect(os.WriteFile(file, []byte(strings.Replace(string(data), "\npid "+pid, "\npid "+self, 1)), 0o600)).To(Succeed())
			g = open(g.state, parent)
			Eventually(func() *runner.Exit { i, _ := g.Get("a"); return i.Exit }).Should(HaveValue(HaveField("Known", false)))
		})

		It("says that a run of an earlier boot went down with it", func() {
			g.start("a", 1, "exit:0")
			g.exit("a")
			g.stop()
			file := g.state + "/claims/a"
			data, err := os.ReadFile(file)
			Expect(err).NotTo(HaveOccurred())
			line := strings.SplitAfter(strings.TrimLeft(string(data), "\n"), "\n")[0]
			boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
			Expect(err).NotTo(HaveOccurred())
			earlier := strings.Replace(line, strings.TrimSpace(string(boot)), "earlier", 1)
			Expect(os.WriteFile(file, []byte(earlier), 0o600)).To(Succeed())
			i, _ := open(g.state, parent).Get("a")
			Expect(i.Exit).To(HaveValue(And(HaveField("Known", false), HaveField("Rebooted", true), HaveField("Awake", BeZero()))))
			Expect(i.StartedAwake).To(BeZero(), "the awake clock began anew")
		})

		It("forgets a run that never began, and a torn header", func() {
			g.start("a", 1, "exit:0")
			g.exit("a")
			data, err := os.ReadFile(g.state + "/claims/a")
			Expect(err).NotTo(HaveOccurred())
			header := strings.Replace(strings.SplitAfter(strings.TrimLeft(string(data), "\n"), "\n")[0], `"id":"a"`, `"id":"b"`, 1)
			header = strings.ReplaceAll(header, "/a.1", "/b.1")
			g.stop()
			Expect(os.WriteFile(g.state+"/claims/b", []byte("\n"+header), 0o600)).To(Succeed())
			Expect(os.WriteFile(g.state+"/claims/c", []byte("\n"+header[:40]), 0o600)).To(Succeed())
			next := strings.Replace(strings.Replace(header, `"attempt":1`, `"attempt":2`, 1), `"id":"b"`, `"id":"a"`, 1)
			Expect(os.WriteFile(g.state+"/claims/a", append(data, "\n"+next...), 0o600)).To(Succeed())
			g = open(g.state, parent)
			Expect(g.List()).To(ConsistOf(And(HaveField("ID", "a"), HaveField("Attempt", 1))))
			g.start("a", 2, "exit:5")
			Expect(g.exit("a").Exit.Code).To(Equal(5))
			g.start("b", 1, "exit:6")
			Expect(g.exit("b").Exit.Code).To(Equal(6))
		})

		It("removes exit records that belong to nothing", func() {
			g.stop()
			Expect(os.WriteFile(g.state+"/exits/77-88", []byte("exit 1 0 5 0 /x\n"), 0o600)).To(Succeed())
			open(g.state, parent)
			Expect(filepath.Glob(g.state + "/exits/*")).To(BeEmpty())
		})

		DescribeTable("says what could not be executed, and lets the attempt be tried again",
			func(change func(dir string, s *runner.Spec), errno syscall.Errno, text string) {
				s := g.spec("a", 1, "exit:0")
				good := s
				change(GinkgoT().TempDir(), &s)
				_, err := g.Start(s)
				Expect(err).To(MatchError(errno))
				Expect(err).To(MatchError(ContainSubstring(text)))
				Expect(g.List()).To(BeEmpty())
				_, err = g.Start(good)
				Expect(err).NotTo(HaveOccurred())
				g.exit("a")
			},
			Entry("no program", func(d string, s *runner.Spec) { s.Path = d + "/none" }, syscall.ENOENT, "program"),
			Entry("no directory", func(d string, s *runner.Spec) { s.Dir = d + "/none" }, syscall.ENOENT, "directory"),
			Entry("a file for a directory", func(d string, s *runner.Spec) { s.Dir = file(d, "x", 0o644) }, syscall.ENOTDIR, "directory"),
			Entry("not executable", func(d string, s *runner.Spec) { s.Path = file(d, "x", 0o644) }, syscall.EACCES, "not executable"),
			Entry("a directory for a program", func(d string, s *runner.Spec) { s.Path = d }, syscall.EACCES, "is a directory"),
			Entry("a script without #!", func(d string, s *runner.Spec) { s.Path = file(d, "echo", 0o755) }, syscall.ENOEXEC, "#!"),
			Entry("a missing interpreter", func(d string, s *runner.Spec) { s.Path = file(d, "#!/no/such", 0o755) }, syscall.ENOENT, "interpreter"),
			Entry("too large an environment", func(_ string, s *runner.Spec) { s.Env = []string{"A=" + strings.Repeat("x", 4<<20)} }, syscall.E2BIG, "environment"),
		)

		It("sleeps while nothing ends", func() {
			g.start("a", 1, "wait")
			var before, after unix.Rusage
			g.start("b", 1, "exit:0")
			g.exit("b")
			Expect(unix.Getrusage(unix.RUSAGE_SELF, &before)).To(Succeed())
			Consistently(g.ended).ShouldNot(Receive())
			Expect(unix.Getrusage(unix.RUSAGE_SELF, &after)).To(Succeed())
			Expect(time.Duration(after.Utime.Nano() - before.Utime.Nano())).To(BeNumerically("<", 50*time.Millisecond))
		})
	})

	It("refuses what is no name, path or attempt", func() {
		g := open(GinkgoT().TempDir(), "")
		for _, change := range []func(*runner.Spec){
			func(s *runner.Spec) { s.ID = "" }, func(s *runner.Spec) { s.ID = "../a" }, func(s *runner.Spec) { s.ID = ".a" },
			func(s *runner.Spec) { s.Attempt = 0 }, func(s *runner.Spec) { s.Path = "true" }, func(s *runner.Spec) { s.Argv = nil },
			func(s *runner.Spec) { s.Note = make([]byte, 4097) },
		} {
			s := g.spec("a", 1, "exit:0")
			change(&s)
			_, err := g.Start(s)
			Expect(err).To(HaveOccurred())
		}
		Expect(g.List()).To(BeEmpty())
	})

	It("leaves nothing of its own behind", func() {
		descriptors := func() int {
			names, err := filepath.Glob("/proc/self/fd/*")
			Expect(err).NotTo(HaveOccurred())
			return len(names)
		}
		before := descriptors()
		g := open(GinkgoT().TempDir(), "")
		base := descriptors()
		dir := g.Capabilities().CgroupV2
		g.start("a", 1, "exit:0")
		g.exit("a")
		Expect(g.Forget("a")).To(Succeed())
		Expect(descriptors()).To(BeNumerically("<=", base+2)) // the log, and /dev/null once for all
		g.stop()
		Expect(descriptors()).To(BeNumerically("<=", before+2))
		if dir != "" {
			Expect(dir).NotTo(BeADirectory())
		}
	})
})

func file(dir, text string, mode os.FileMode) string {
	GinkgoHelper()
	path := filepath.Join(dir, "file")
	Expect(os.WriteFile(path, []byte(text), mode)).To(Succeed())
	return path
}

// parentLimit is the soft limit of descriptors of the process that started this one: Go raised our own.
func parentLimit() string {
	data, _ := os.ReadFile("/proc/" + strconv.Itoa(os.Getppid()) + "/limits")
	for _, line := range strings.Split(string(data), "\n") {
		if f := strings.Fields(line); strings.HasPrefix(line, "Max open files") && len(f) > 4 {
			return f[3]
		}
	}
	return ""
}
