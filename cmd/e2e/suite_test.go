// Package e2e drives the real programs: it holds tests only.
package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

func TestE2E(t *testing.T) {
	if testing.Short() {
		t.Log("the end-to-end tests run by themselves: make e2e")
		return
	}
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(10 * time.Second)
	SetDefaultEventuallyPollingInterval(10 * time.Millisecond)
	cfg, rep := GinkgoConfiguration()
	cfg.RandomizeAllSpecs = true
	RunSpecs(t, "e2e", cfg, rep)
}

// bin holds the programs under test, built once for all parallel processes, or taken from MIRROROS_BIN.
var bin string

var _ = SynchronizedBeforeSuite(func() []byte {
	if dir := os.Getenv("MIRROROS_BIN"); dir != "" {
		return []byte(dir)
	}
	dir, err := os.MkdirTemp("", "mo-bin")
	Expect(err).NotTo(HaveOccurred())
	Expect(os.Chmod(dir, 0o755)).To(Succeed())
	ours := []string{"./cmd/mirrorosd", "./cmd/mirrorgate", "./cmd/mirrorctl"}
	// The guardian, the workloads and the demo programs are what they are in production: static, without the race detector.
	static := []string{"./cmd/mirrorguard", "./hack/workload", "./hack/demomodel", "./hack/demotools", "./hack/demoworker"}
	if os.Getenv("MIRROROS_TEST_RACE") != "" {
		build(dir, os.Getenv("CGO_ENABLED"), append([]string{"-race"}, ours...)...)
	} else {
		static = append(static, ours...) // at once, as one build
	}
	build(dir, "0", static...)
	return []byte(dir)
}, func(dir []byte) { bin = string(dir) })

var _ = SynchronizedAfterSuite(func() {}, func() {
	if bin == "" {
		return // it was not built
	}
	Expect(running(bin+"/")).To(BeEmpty(), "a process of the tests is left over")
	if os.Getenv("MIRROROS_BIN") == "" {
		Expect(os.RemoveAll(bin)).To(Succeed())
	}
})

// build makes programs, stripped as they are in production, which also links them sooner.
func build(dir, cgo string, args ...string) {
	GinkgoHelper()
	cmd := exec.Command("go", append([]string{"build", "-ldflags=-s -w", "-o", dir + "/"}, args...)...)
	cmd.Dir, cmd.Env = filepath.Join("..", ".."), append(os.Environ(), "CGO_ENABLED="+cgo)
	out, err := cmd.CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), string(out))
}

// running lists the processes, zombies apart, whose program's path begins with prefix.
func running(prefix string) []string {
	var found []string
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, d := range dirs {
		exe, err := os.Readlink(d + "/exe")
		if err != nil || !strings.HasPrefix(exe, prefix) {
			continue
		}
		args, _ := os.ReadFile(d + "/cmdline")
		pid, _ := strconv.Atoi(filepath.Base(d))
		found = append(found, strconv.Itoa(pid)+" "+strings.ReplaceAll(string(args), "\x00", " "))
	}
	return found
}
