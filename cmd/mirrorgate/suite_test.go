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

func TestMirrorgate(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(5 * time.Second)
	cfg, rep := GinkgoConfiguration()
	cfg.RandomizeAllSpecs = true
	RunSpecs(t, "mirrorgate", cfg, rep)
}

var program string

var _ = BeforeSuite(func() {
	dir, err := os.MkdirTemp("", "gate")
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(os.RemoveAll, dir)
	program = filepath.Join(dir, "mirrorgate")
	out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), string(out))
})
