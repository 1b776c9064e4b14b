//go:build linux

package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// TestMain lets this binary be the operator of the specs.
func TestMain(m *testing.M) {
	if script, ok := os.LookupEnv("GUARD_CHILD"); ok {
		operator(script)
	}
	os.Exit(m.Run())
}

func TestMirrorguard(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(5 * time.Second)
	cfg, rep := GinkgoConfiguration()
	cfg.RandomizeAllSpecs = true
	RunSpecs(t, "mirrorguard", cfg, rep)
}

var guard string

var _ = BeforeSuite(func() {
	dir, err := os.MkdirTemp("", "guard")
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(os.RemoveAll, dir)
	guard = filepath.Join(dir, "mirrorguard")
	out, err := exec.Command("go", "build", "-o", guard, ".").CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), string(out))
})
