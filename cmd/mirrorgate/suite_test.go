//go:build linux

package main_test

import (
	"os"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	gate "mirroros.dev/mirroros/cmd/mirrorgate"
)

// asGate in the environment makes this binary the gate that the specs start.
const asGate = "MIRRORGATE_TEST_MAIN=1"

func TestMain(m *testing.M) {
	if slices.Contains(os.Environ(), asGate) {
		gate.Main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestMirrorgate(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(5 * time.Second)
	cfg, rep := GinkgoConfiguration()
	cfg.RandomizeAllSpecs = true
	RunSpecs(t, "mirrorgate", cfg, rep)
}
