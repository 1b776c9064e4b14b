//go:build linux

package guard_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/process/runner/guard"
)

// TestMain lets this binary be a guarded operator that serves a socket.
func TestMain(m *testing.M) {
	if dir, ok := os.LookupEnv("KEEPER_DIR"); ok {
		fmt.Fprintln(os.Stderr, "operator:", serve(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// serve is such an operator: it listens once for all of its lives, and answers every connection.
func serve(dir string) error {
	o := guard.Options{State: dir, Guard: filepath.Join(dir, "mirrorguard"), Settle: time.Nanosecond}
	if !guard.Guarded() {
		return guard.Exec(o)
	}
	keeper, kept, err := guard.OpenKeeper()
	if err != nil {
		return err
	}
	var f *os.File
	if fd, ok := kept["web"]; ok {
		f = os.NewFile(uintptr(fd), "web")
	} else {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		if f, err = l.(*net.TCPListener).File(); err != nil {
			return err
		}
		if err := keeper.Put("web", int(f.Fd())); err != nil {
			return err
		}
	}
	go func() {
		if guard.Watch(context.Background()) == nil {
			o.Sockets = map[string]int{"web": int(f.Fd())}
			fmt.Fprintln(os.Stderr, "operator:", guard.Exec(o))
			os.Exit(1)
		}
	}()
	l, err := net.FileListener(f)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("%d %d %s", os.Getpid(), os.Getppid(), l.Addr())
	if err := os.WriteFile(filepath.Join(dir, "new"), []byte(text), 0o600); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, "pids")); err != nil {
		return err
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		fmt.Fprint(c, "served")
		c.Close()
	}
}

// life is one operator below one guardian.
type life struct {
	Operator, Guardian int
	Address            string
}

func now(dir string) (l life) {
	data, _ := os.ReadFile(filepath.Join(dir, "pids"))
	fmt.Sscan(string(data), &l.Operator, &l.Guardian, &l.Address)
	return l
}

// runs tells whether a process has not ended; whoever waits for it may be slow.
func runs(pid int) bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(data), ") Z ")
}

var _ = Describe("a keeper", func() {
	It("refuses no connection while operators and guardians are killed", func() {
		dir := GinkgoT().TempDir()
		out, err := exec.Command("go", "build", "-o", filepath.Join(dir, "mirrorguard"), "mirroros.dev/mirroros/cmd/mirrorguard").CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), string(out))
		self, err := os.Executable()
		Expect(err).NotTo(HaveOccurred())
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), "KEEPER_DIR="+dir)
		log, err := os.Create(filepath.Join(dir, "log")) // a file: the end of a pipe would be waited for
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(log.Close)
		cmd.Stderr = log
		Expect(cmd.Start()).To(Succeed())
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		Eventually(now).WithArguments(dir).ShouldNot(HaveField("Address", ""))
		first := now(dir)
		DeferCleanup(func() {
			end := now(dir).Guardian
			Expect(syscall.Kill(end, syscall.SIGTERM)).To(Succeed())
			Eventually(runs).WithArguments(end).Should(BeFalse())
		})

		var dials, refused, served atomic.Int64
		stop := make(chan struct{})
		var clients sync.WaitGroup
		for range 4 {
			clients.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					c, err := net.Dial("tcp", first.Address)
					dials.Add(1)
					if err != nil {
						refused.Add(1)
						continue
					}
					if text, err := io.ReadAll(c); err == nil && string(text) == "served" {
						served.Add(1)
					}
					c.Close()
				}
			})
		}
		for i := range 12 {
			was := now(dir)
			victim := was.Operator
			if i%2 == 1 { // its operator becomes a new guardian
				victim = was.Guardian
			}
			Expect(syscall.Kill(victim, syscall.SIGKILL)).To(Succeed())
			if i == 1 {
				Eventually(ended).Should(Receive()) // nobody else waits for the first guardian
			}
			Eventually(now).WithArguments(dir).WithTimeout(5 * time.Second).ShouldNot(HaveField("Operator", was.Operator))
			before := served.Load()
			Eventually(served.Load).Should(BeNumerically(">", before))
			Expect(now(dir).Address).To(Equal(first.Address))
		}
		close(stop)
		clients.Wait()
		GinkgoWriter.Printf("%d connections, %d served, %d refused\n", dials.Load(), served.Load(), refused.Load())
		Expect(refused.Load()).To(BeZero())
	})

	It("is not there without a guardian", func() {
		_, _, err := guard.OpenKeeper()
		Expect(err).To(MatchError(ContainSubstring("cannot leave sockets with the guardian")))
	})
})
