//go:build linux

package main_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	"github.com/onsi/gomega/gexec"
	"golang.org/x/sys/unix"
)

// operator does what a script says, a word at a time, and never returns.
//
//	exit:N  end with N       end:N   say that it is on purpose, and end with N     kill  die by SIGKILL
//	hang    wait for nothing
//	trap    wait for SIGTERM, then end with 0         orphan:N  leave a child in a session of its own that ends with N
//	child:N leave a child in this session that ends with N      once:FILE  end with 0 unless FILE could be made
//	then:FILE  trap unless FILE could be made
//	held    tell the processes that it has a pidfd of           leave      leave a child that waits until its stdin ends
//	put:A   leave a listening socket A with the guardian        drop:A     have it dropped          list    tell what the guardian has
//	odd     send what no guardian understands                   full       leave more than there is room for
func operator(script string) {
	fmt.Println("started", os.Getpid(), os.Getppid() == guardian())
	for _, word := range strings.Fields(script) {
		verb, arg, _ := strings.Cut(word, ":")
		n, _ := strconv.Atoi(arg)
		switch verb {
		case "exit":
			os.Exit(n)
		case "end":
			syscall.Write(3, []byte{1, 0, 0, 0, 0, 0, 0, 0})
			os.Exit(n)
		case "kill":
			for {
				syscall.Kill(os.Getpid(), syscall.SIGKILL)
			}
		case "once", "then":
			f, err := os.OpenFile(arg, os.O_CREATE|os.O_EXCL, 0o600)
			if err != nil && verb == "then" {
				trap()
			}
			if err != nil {
				os.Exit(0)
			}
			f.Close()
		case "trap":
			trap()
		case "held":
			fmt.Println("held", pidfds())
		case "put":
			put(arg)
		case "drop":
			say("drop " + arg)
		case "list":
			fmt.Println("list", list())
		case "odd":
			odd()
		case "full":
			for i := range 1100 {
				put(strconv.Itoa(i))
			}
		case "env":
			fmt.Println("sockets <" + os.Getenv("MIRROROS_SOCKETS") + ">")
		case "leave":
			pid, err := syscall.ForkExec("/bin/sh", []string{"sh", "-c", "read x"}, &syscall.ProcAttr{Files: []uintptr{0}, Sys: &syscall.SysProcAttr{Setsid: true}})
			fmt.Println("left", pid, err)
		case "hang":
			fmt.Println("hanging")
			syscall.Select(0, nil, nil, nil, nil)
		case "orphan", "child":
			syscall.ForkExec("/bin/sh", []string{"sh", "-c", "exit " + arg}, &syscall.ProcAttr{Sys: &syscall.SysProcAttr{Setsid: verb == "orphan"}})
		}
	}
	os.Exit(0)
}

// trap waits for SIGTERM and ends with 0.
func trap() {
	ch := make(chan os.Signal, 4)
	signal.Notify(ch, syscall.SIGTERM)
	fmt.Println("trapped")
	<-ch
	select { // a second signal would come at once
	case <-ch:
		fmt.Println("signalled twice")
	case <-time.After(20 * time.Millisecond):
	}
	fmt.Println("signalled")
	os.Exit(0)
}

// pidfds lists the processes that this one was given pidfds of, in their order.
func pidfds() []int {
	pids := []int{}
	entries, _ := os.ReadDir("/proc/self/fdinfo")
	for _, e := range entries {
		data, _ := os.ReadFile("/proc/self/fdinfo/" + e.Name())
		_, after, ok := strings.Cut(string(data), "\nPid:\t")
		if fd, _ := strconv.Atoi(e.Name()); ok && fd > 3 {
			pid, _ := strconv.Atoi(strings.Fields(after)[0])
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
}

// say sends a packet to the guardian, with descriptors.
func say(packet string, fds ...int) {
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	if err := unix.Sendmsg(4, []byte(packet), rights, nil, 0); err != nil {
		fmt.Println("cannot send", packet, err)
	}
}

// put leaves a socket that listens at some port, and no copy of it here.
func put(name string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println("cannot listen", err)
		return
	}
	f, _ := l.(*net.TCPListener).File()
	fmt.Println("put", name, l.Addr())
	say("put "+name, int(f.Fd()))
	f.Close()
	l.Close()
}

// list asks for what the guardian has: names with their ports.
func list() []string {
	say("list")
	all, packet, control := []string{}, make([]byte, 300), make([]byte, 100)
	for {
		n, cn, _, _, err := unix.Recvmsg(4, packet, control, 0)
		if err != nil || string(packet[:n]) == "done" {
			slices.Sort(all)
			return append(all, strings.Fields(fmt.Sprint(err))...)
		}
		entry := string(packet[:n])
		if m, _ := unix.ParseSocketControlMessage(control[:cn]); len(m) == 1 {
			fds, _ := unix.ParseUnixRights(&m[0])
			sa, _ := unix.Getsockname(fds[0])
			entry += ":" + strconv.Itoa(sa.(*unix.SockaddrInet4).Port)
			unix.Close(fds[0])
		}
		all = append(all, entry)
	}
}

// odd sends packets that are to be ignored, each with its reason.
func odd() {
	l, _ := net.Listen("tcp", "127.0.0.1:0")
	f, _ := l.(*net.TCPListener).File()
	fd := int(f.Fd())
	say("put none")
	say("put two", fd, fd)
	say("put many", fd, fd, fd, fd, fd, fd)
	say("put with space", fd)
	say("put ", fd)
	say("put "+strings.Repeat("x", 256), fd)
	say("put "+strings.Repeat("x", 5000), fd)
	say("put file", 0)
	say("drop nothing")
	say("drop x", fd)
	say("list now", fd)
	say("\x00\xff", fd)
}

func guardian() int {
	n, _ := strconv.Atoi(os.Getenv("MIRROROS_GUARD"))
	return n
}

var _ = Describe("mirrorguard run", func() {
	var state string
	BeforeEach(func() { state = GinkgoT().TempDir() })

	run := func(script string, options ...string) *gexec.Session {
		GinkgoHelper()
		self, err := os.Executable()
		Expect(err).NotTo(HaveOccurred())
		args := append([]string{"run", "--state", state}, options...)
		cmd := exec.Command(guard, append(args, "--", self, "x")...)
		cmd.Env = append(os.Environ(), "GUARD_CHILD="+script)
		s, err := gexec.Start(cmd, GinkgoWriter, GinkgoWriter)
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func() { s.Terminate().Wait() })
		return s
	}
	records := func() []string {
		names, err := filepath.Glob(state + "/exits/[0-9]*")
		Expect(err).NotTo(HaveOccurred())
		return names
	}

	It("ends with its operator when that ends with 0", func() {
		s := run("exit:0")
		Eventually(s).Should(gexec.Exit(0))
		Expect(s.Out).To(gbytes.Say(`started \d+ true`))
	})

	It("ends with the code of an operator that ends on purpose", func() {
		Eventually(run("end:9")).Should(gexec.Exit(9))
	})

	It("starts an operator again that fails or is killed", func() {
		s := run("once:" + state + "/a kill")
		Eventually(s).Should(gexec.Exit(0))
		Expect(strings.Count(string(s.Out.Contents()), "started")).To(Equal(2))
		Eventually(run("once:" + state + "/b exit:3")).Should(gexec.Exit(0))
	})

	It("passes a signal on once", func() {
		s := run("trap")
		Eventually(s.Out).Should(gbytes.Say("trapped"))
		s.Terminate()
		Eventually(s).Should(gexec.Exit(0))
		Expect(string(s.Out.Contents())).To(And(ContainSubstring("signalled"), Not(ContainSubstring("twice"))))
	})

	It("ends with an operator that dies of the signal, having not come as far as to wait for it", func() {
		s := run("hang")
		Eventually(s.Out).Should(gbytes.Say("hanging"))
		s.Terminate()
		Eventually(s).Should(gexec.Exit(128 + 15))
		Expect(strings.Count(string(s.Out.Contents()), "started")).To(Equal(1))
	})

	It("waits between operators that keep dying, and can be ended then", func() {
		s := run("exit:3")
		Eventually(s.Err).Should(gbytes.Say("starting it again in 1s"))
		Expect(strings.Count(string(s.Out.Contents()), "started")).To(Equal(5))
		s.Terminate()
		Eventually(s).Should(gexec.Exit(128 + 15))
	})

	It("goes on when nobody reads its messages any more", func() {
		r, w, err := os.Pipe()
		Expect(err).NotTo(HaveOccurred())
		r.Close()
		self, err := os.Executable()
		Expect(err).NotTo(HaveOccurred())
		cmd := exec.Command(guard, "run", "--state", state, "--", self, "x")
		cmd.Env = append(os.Environ(), "GUARD_CHILD=exit:3")
		out := gbytes.NewBuffer()
		cmd.Stdout, cmd.Stderr = out, w
		Expect(cmd.Start()).To(Succeed())
		w.Close()
		for range 5 { // then it tells that it waits
			Eventually(out).Should(gbytes.Say("started"))
		}
		Expect(cmd.Process.Signal(syscall.SIGTERM)).To(Succeed())
		_ = cmd.Wait()
		Expect(cmd.ProcessState.Sys().(syscall.WaitStatus).Signal()).NotTo(Equal(syscall.SIGPIPE))
	})

	It("says that there is no operator to start", func() {
		cmd := exec.Command(guard, "run", "--state", state, "--", state+"/none")
		s, err := gexec.Start(cmd, GinkgoWriter, GinkgoWriter)
		Expect(err).NotTo(HaveOccurred())
		Eventually(s.Err).Should(gbytes.Say("cannot start"))
		Eventually(s.Err).Should(gbytes.Say("starting it again in 1s"))
		s.Terminate()
		Eventually(s).Should(gexec.Exit(128 + 15))
	})

	It("records how orphaned session leaders ended, and no others", func() {
		s := run("then:" + state + "/a child:5 orphan:37 kill") // the second operator waits until both have ended
		Eventually(records).Should(HaveLen(1))
		data, err := os.ReadFile(records()[0])
		Expect(err).NotTo(HaveOccurred())
		Expect(string(data)).To(MatchRegexp(`^exit 1 37 \d{19}/[1-9]\d* \d+ /.*\n$`))
		Expect(filepath.Base(records()[0])).To(MatchRegexp(`^\d+-\d+$`))
		Eventually(s.Out).Should(gbytes.Say("trapped"))
		s.Terminate()
		Eventually(s).Should(gexec.Exit(0))
		Expect(filepath.Glob(state + "/exits/.*")).To(BeEmpty())
	})

	It("keeps a record that cannot be written, and writes it later", func() {
		Expect(os.WriteFile(state+"/exits", nil, 0o600)).To(Succeed()) // no directory can be made there
		s := run("orphan:38 trap")
		Eventually(s.Out).Should(gbytes.Say("trapped"))
		_, after, _ := strings.Cut(string(s.Out.Contents()), "started ")
		pid, err := strconv.Atoi(strings.Fields(after)[0])
		Expect(err).NotTo(HaveOccurred())
		Expect(syscall.Kill(pid, syscall.SIGKILL)).To(Succeed())
		Eventually(s.Out).Should(gbytes.Say("trapped")) // the next one; the orphan was reaped before or will be soon
		Eventually(children).WithArguments(s.Command.Process.Pid).Should(HaveLen(1))
		Expect(os.Remove(state + "/exits")).To(Succeed())
		Eventually(records).ShouldNot(BeEmpty())
		data, err := os.ReadFile(records()[0])
		Expect(err).NotTo(HaveOccurred())
		Expect(string(data)).To(HavePrefix("exit 1 38 "))
	})

	It("gives each operator a pidfd of every process that an earlier one left, and of those that it was given itself", func() {
		self, err := os.Executable()
		Expect(err).NotTo(HaveOccurred())
		foreign, err := unix.PidfdOpen(os.Getpid(), 0) // as an operator that becomes a guardian leaves it
		Expect(err).NotTo(HaveOccurred())
		pidfd := os.NewFile(uintptr(foreign), "pidfd")
		in, out, err := os.Pipe()
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(out.Close)
		cmd := exec.Command(guard, "run", "--state", state, "--", self, "x")
		cmd.Env = append(os.Environ(), "GUARD_CHILD=held once:"+state+"/a leave kill")
		cmd.Stdin, cmd.ExtraFiles = in, []*os.File{in, pidfd} // from 4 on
		s, err := gexec.Start(cmd, GinkgoWriter, GinkgoWriter)
		Expect(err).NotTo(HaveOccurred())
		in.Close()
		pidfd.Close()
		Eventually(s).Should(gexec.Exit(0))
		text := string(s.Out.Contents())
		_, after, _ := strings.Cut(text, "left ")
		held := []int{os.Getpid()}
		Expect(text).To(ContainSubstring(fmt.Sprintln("held", held)))
		pid, err := strconv.Atoi(strings.Fields(after)[0])
		Expect(err).NotTo(HaveOccurred())
		held = append(held, pid)
		slices.Sort(held)
		Expect(text).To(ContainSubstring(fmt.Sprintln("held", held)))
	})

	It("gives each operator the listening sockets that earlier ones left", func() {
		s := run("list once:" + state + "/a put:a put:b put:a drop:b put:c kill")
		Eventually(s).Should(gexec.Exit(0))
		out := string(s.Out.Contents())
		port := func(name string) string {
			all := regexp.MustCompile(`put `+name+` 127.0.0.1:(\d+)`).FindAllStringSubmatch(out, -1)
			return all[len(all)-1][1]
		}
		Expect(out).To(ContainSubstring("list [<nil>]\n"))
		Expect(out).To(ContainSubstring("list [socket a:" + port("a") + " socket c:" + port("c") + " <nil>]\n"))
	})

	It("holds a socket that nobody else has, and lets go of what was dropped", func() {
		s := run("put:a put:b drop:b list trap")
		Eventually(s.Out).Should(gbytes.Say("trapped"))
		address := func(name string) string {
			return regexp.MustCompile(`put ` + name + ` (\S+)`).FindStringSubmatch(string(s.Out.Contents()))[1]
		}
		c, err := net.Dial("tcp", address("a"))
		Expect(err).NotTo(HaveOccurred())
		c.Close()
		_, err = net.Dial("tcp", address("b"))
		Expect(err).To(MatchError(syscall.ECONNREFUSED))
	})

	It("ignores what it does not understand, and keeps no descriptor of it", func() {
		s := run("put:a odd put:a odd list trap")
		Eventually(s.Out).Should(gbytes.Say("trapped"))
		Expect(string(s.Out.Contents())).To(MatchRegexp(`list \[socket a:\d+ <nil>\]`))
		Expect(sockets(s.Command.Process.Pid)).To(HaveLen(2), "the line and a")
	})

	It("holds a bounded number of them", func() {
		s := run("full list trap")
		Eventually(s.Out).Should(gbytes.Say("trapped"))
		Expect(strings.Count(string(s.Out.Contents()), "socket ")).To(Equal(1024))
	})

	It("takes the sockets that the program before it brought along, and no others", func() {
		self, err := os.Executable()
		Expect(err).NotTo(HaveOccurred())
		l, err := net.Listen("tcp", "127.0.0.1:0")
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(l.Close)
		f, err := l.(*net.TCPListener).File()
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(f.Close)
		plain, err := os.Open(state)
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(plain.Close)
		cmd := exec.Command(guard, "run", "--state", state, "--", self, "x")
		cmd.Env = append(os.Environ(), "GUARD_CHILD=env list", "MIRROROS_SOCKETS=x 4:plain 5:a 5:b 99:c 1:d -1:e 6:two:parts 7:")
		cmd.ExtraFiles = []*os.File{plain, plain, f, f, f} // from 3 on
		s, err := gexec.Start(cmd, GinkgoWriter, GinkgoWriter)
		Expect(err).NotTo(HaveOccurred())
		Eventually(s).Should(gexec.Exit(0))
		port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
		Expect(string(s.Out.Contents())).To(ContainSubstring("list [socket a:" + port + " socket two:parts:" + port + " <nil>]\n"))
		Expect(string(s.Out.Contents())).To(ContainSubstring("sockets <>\n"))
	})

	It("refuses what it does not understand", func() {
		for _, args := range [][]string{{}, {"run"}, {"run", "--state", "x"}, {"run", "--what", "x", "--", "y"}, {"exec", "x"}, {"exec", "-u", "a:b:c", "x", "1", "--", "y", "z"}} {
			s, err := gexec.Start(exec.Command(guard, args...), GinkgoWriter, GinkgoWriter)
			Expect(err).NotTo(HaveOccurred())
			Eventually(s).Should(gexec.Exit(2))
		}
	})
})

// sockets lists the descriptors of a process that are sockets.
func sockets(pid int) (all []string) {
	links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, l := range links {
		if target, err := os.Readlink(l); err == nil && strings.HasPrefix(target, "socket:") {
			all = append(all, target)
		}
	}
	return all
}

// children lists the children of all threads of a process.
func children(pid int) []string {
	var all []string
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists {
		data, _ := os.ReadFile(list)
		all = append(all, strings.Fields(string(data))...)
	}
	return all
}

var _ = Describe("mirrorguard exec", func() {
	var claim string
	BeforeEach(func() { claim = GinkgoT().TempDir() + "/claim" })

	run := func(text string, args ...string) *gexec.Session {
		GinkgoHelper()
		if text != "" {
			Expect(os.WriteFile(claim, []byte(text), 0o600)).To(Succeed())
		}
		s, err := gexec.Start(exec.Command(guard, append([]string{"exec"}, args...)...), GinkgoWriter, GinkgoWriter)
		Expect(err).NotTo(HaveOccurred())
		return s
	}
	const header = "\n{\"id\":\"a\",\"started\":77}\n"

	It("adds itself to the claim and becomes the program", func() {
		s := run(header, "-d", "/", claim, "77", "--", "/bin/sh", "name", "-c", "echo $0 $$; pwd; exit 4")
		Eventually(s).Should(gexec.Exit(4))
		pid := strconv.Itoa(s.Command.Process.Pid)
		Expect(string(s.Out.Contents())).To(Equal("name " + pid + "\n/\n"))
		data, err := os.ReadFile(claim)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(data)).To(MatchRegexp(`(?s)\A\n\{.*\}\n\npid ` + pid + ` \d+ \d+ 77 \.\n\z`))
	})

	It("gives the program the variable that it is known again by, with its own pid", func() {
		s := run(header, "-m", "RUN=3 77 /a claim", claim, "77", "--", "/bin/sh", "sh", "-c", "echo $$; echo $RUN")
		Eventually(s).Should(gexec.Exit(0))
		pid := strconv.Itoa(s.Command.Process.Pid)
		Expect(string(s.Out.Contents())).To(Equal(pid + "\n" + pid + " 3 77 /a claim\n"))
	})

	DescribeTable("does not run what it cannot claim", func(text string, code int) {
		s := run(text, claim, "77", "--", "/bin/echo", "echo", "ran")
		Eventually(s).Should(gexec.Exit(code))
		Expect(s.Out.Contents()).To(BeEmpty())
	},
		Entry("there is no claim", "", 250),
		Entry("it is void", header+"\nvoid .\n", 250),
		Entry("it is another run's", "\n{\"id\":\"a\",\"started\":78}\n", 250),
		Entry("a later run has begun", header+"\nvoid .\n\n{\"id\":\"a\",\"started\":78}\n", 250),
	)

	It("is not disturbed by one that came too late for an earlier run", func() {
		s := run(header+"\npid 5 6 7 66 .\n", claim, "77", "--", "/bin/echo", "echo", "ran")
		Eventually(s).Should(gexec.Exit(0))
	})

	DescribeTable("tells why it did not become the program", func(code int, stage string, args func() []string) {
		r, w, err := os.Pipe()
		Expect(err).NotTo(HaveOccurred())
		Expect(os.WriteFile(claim, []byte(header), 0o600)).To(Succeed())
		cmd := exec.Command(guard, append([]string{"exec", "-e", "3"}, args()...)...)
		cmd.ExtraFiles = []*os.File{w}
		s, err := gexec.Start(cmd, GinkgoWriter, GinkgoWriter)
		Expect(err).NotTo(HaveOccurred())
		w.Close()
		Eventually(s).Should(gexec.Exit(code))
		buf := make([]byte, 64)
		n, _ := r.Read(buf)
		r.Close()
		Expect(string(buf[:n])).To(Equal(stage + "\n"))
	},
		Entry("no program", 127, "exec 2", func() []string { return []string{claim, "77", "--", "/no/such", "x"} }),
		Entry("no right", 126, "exec 13", func() []string { return []string{claim, "77", "--", "/etc/passwd", "x"} }),
		Entry("no directory", 126, "dir 2", func() []string { return []string{"-d", "/no/such", claim, "77", "--", "/bin/true", "x"} }),
	)
})

var _ = Describe("mirrorguard tree", func() {
	run := func(args ...string) *gexec.Session {
		GinkgoHelper()
		s, err := gexec.Start(exec.Command(guard, append([]string{"tree"}, args...)...), GinkgoWriter, GinkgoWriter)
		Expect(err).NotTo(HaveOccurred())
		return s
	}
	gone := func(pid string) bool {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		return err != nil || strings.Contains(string(stat), ") Z ")
	}
	It("ends with the command, after all that it left behind is dead", func() {
		s := run("--", "/bin/sh", "sh", "-c", `setsid sh -c 'sleep 1000 & echo pid $!' >&1 & wait; exit 5`)
		Eventually(s).Should(gexec.Exit(5))
		_, after, _ := strings.Cut(string(s.Out.Contents()), "pid ")
		Expect(gone(strings.TrimSpace(after))).To(BeTrue(), after)
	})

	It("kills everything when it is told to end", func() {
		s := run("--", "/bin/sh", "sh", "-c", `trap '' TERM; setsid sleep 1000 & echo pid $!; wait`)
		Eventually(s.Out).Should(gbytes.Say(`pid \d+\n`))
		_, after, _ := strings.Cut(string(s.Out.Contents()), "pid ")
		s.Terminate()
		Eventually(s).Should(gexec.Exit(128 + 9))
		Expect(gone(strings.TrimSpace(after))).To(BeTrue(), after)
	})

	It("says that it cannot execute the command", func() {
		r, w, err := os.Pipe()
		Expect(err).NotTo(HaveOccurred())
		defer r.Close()
		cmd := exec.Command(guard, "tree", "--", "/no/such", "such")
		cmd.ExtraFiles = []*os.File{w}
		Expect(cmd.Run()).To(MatchError("exit status 126"))
		w.Close()
		Expect(io.ReadAll(r)).To(BeEquivalentTo(fmt.Sprintf("%d\n", syscall.ENOENT)))
	})

	It("refuses what it does not understand", func() {
		Eventually(run()).Should(gexec.Exit(2))
		Eventually(run("-u", "x", "--", "/bin/true", "true")).Should(gexec.Exit(2))
	})
})
