package probe_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/process/probe"
)

const path = "PATH=/usr/bin:/bin"

func shell(script string, env ...string) probe.Exec {
	return probe.Exec{Command: []string{"sh", "-c", script}, Env: append([]string{path}, env...)}
}

func run(e probe.Exec, timeout time.Duration) probe.Result {
	return probe.Probe{Exec: &e, Timeout: timeout}.Run(context.Background())
}

// dead waits until the process that wrote its number into a file is gone.
func dead(file string) {
	GinkgoHelper()
	b, err := os.ReadFile(file)
	Expect(err).NotTo(HaveOccurred())
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	Expect(err).NotTo(HaveOccurred())
	Eventually(func() bool {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		return err != nil && syscall.Kill(pid, 0) != nil || strings.Contains(string(stat), ") Z ")
	}).Should(BeTrue())
}

var _ = Describe("Exec", func() {
	It("succeeds with exit code 0 and has the output", func() {
		Expect(run(shell("echo fine; echo and well >&2"), 5*time.Second)).To(Equal(probe.Result{Status: probe.Success, Output: "fine\nand well"}))
	})

	It("fails with any other, or a signal", func() {
		Expect(run(shell("echo broken; exit 3"), 5*time.Second)).To(Equal(probe.Result{Status: probe.Failure, Output: "exit status 3: broken"}))
		Expect(run(shell("kill -TERM $$"), 5*time.Second)).To(Equal(probe.Result{Status: probe.Failure, Output: "signal: terminated"}))
	})

	It("is Unknown when it cannot be started", func() {
		for _, e := range []probe.Exec{{}, {Command: []string{"no-such-program"}, Env: []string{path}}, {Command: []string{"sh"}},
			{Command: []string{"/no/such"}}, {Command: []string{"sh"}, Env: []string{path}, Dir: "/no/such"}} {
			r := run(e, time.Second)
			Expect(r.Status).To(Equal(probe.Unknown))
			Expect(r.Output).To(HavePrefix("cannot run the command: "))
		}
	})

	It("gets the environment and directory that are given, and nothing of ours", func() {
		GinkgoT().Setenv("SECRET_OF_OURS", "x")
		dir := GinkgoT().TempDir()
		Expect(os.WriteFile(filepath.Join(dir, "local"), []byte("#!/bin/sh\nenv | sort; pwd; cat\n"), 0o755)).To(Succeed())
		e := probe.Exec{Command: []string{"./local"}, Env: []string{path, "A=b"}, Dir: dir}
		r := run(e, 5*time.Second)
		Expect(r.Status).To(Equal(probe.Success))
		Expect(r.Output).To(HavePrefix("A=b\n" + path + "\nPWD="))
		Expect(r.Output).NotTo(ContainSubstring("SECRET"))
		real, err := filepath.EvalSymlinks(dir)
		Expect(err).NotTo(HaveOccurred())
		Expect(r.Output).To(HaveSuffix(real))
	})

	It("keeps 1 KiB of endless output", func() {
		r := run(shell("head -c 300000 /dev/zero | tr '\\0' 'x'; exit 1"), 5*time.Second)
		Expect(r.Status).To(Equal(probe.Failure))
		Expect(len(r.Output)).To(Equal(1024))
	})

	It("is killed with its children at the timeout", func() {
		file := filepath.Join(GinkgoT().TempDir(), "pid")
		start := time.Now()
		r := run(shell("sleep 60 & echo $! > "+file+"; echo waiting; wait"), 200*time.Millisecond)
		Expect(time.Since(start)).To(BeNumerically("<", 2*time.Second))
		Expect(r).To(Equal(probe.Result{Status: probe.Failure, Output: "no answer within 200ms: waiting"}))
		dead(file)
	})

	It("leaves no child behind that holds its output", func() {
		file := filepath.Join(GinkgoT().TempDir(), "pid")
		start := time.Now()
		Expect(run(shell("sleep 60 & echo $! > "+file+"; echo fine"), 5*time.Second)).To(Equal(probe.Result{Status: probe.Success, Output: "fine"}))
		Expect(time.Since(start)).To(BeNumerically("<", 2*time.Second))
		dead(file)
	})
})
