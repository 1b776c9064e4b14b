//go:build linux

package runner_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// TestMain lets this binary be the scripted child of the specs.
func TestMain(m *testing.M) {
	if script, ok := os.LookupEnv("RUNNER_CHILD"); ok {
		child(script)
	}
	os.Exit(m.Run())
}

func TestRunner(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(5 * time.Second)
	cfg, rep := GinkgoConfiguration()
	cfg.RandomizeAllSpecs = true
	RunSpecs(t, "runner", cfg, rep)
}

// guardPath and chaosPath are the programs that the specs need, built once.
var guardPath, chaosPath string

var _ = BeforeSuite(func() {
	dir, err := os.MkdirTemp("", "runner")
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(os.RemoveAll, dir)
	Expect(os.Chmod(dir, 0o755)).To(Succeed())
	guardPath, chaosPath = filepath.Join(dir, "mirrorguard"), filepath.Join(dir, "chaos")
	for path, pkg := range map[string]string{guardPath: "cmd/mirrorguard", chaosPath: "hack/bench/chaos"} {
		out, err := exec.Command("go", "build", "-o", path, "mirroros.dev/mirroros/"+pkg).CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), string(out))
	}
})
