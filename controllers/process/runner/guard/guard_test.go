//go:build linux

package guard_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/process/runner/guard"
)

func TestGuard(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(5 * time.Second)
	cfg, rep := GinkgoConfiguration()
	cfg.RandomizeAllSpecs = true
	RunSpecs(t, "guard", cfg, rep)
}

// What it does with a real guardian is tested by the runner's chaos specs.
var _ = Describe("guard", func() {
	set := func(name, value string) {
		old, ok := os.LookupEnv(name)
		Expect(os.Setenv(name, value)).To(Succeed())
		DeferCleanup(func() {
			if ok {
				os.Setenv(name, old)
			} else {
				os.Unsetenv(name)
			}
		})
	}

	It("believes only its parent", func() {
		set("MIRROROS_GUARD", "1000000000")
		Expect(guard.Guarded()).To(BeFalse())
		guard.End() // must not write to a descriptor that is not the guardian's
	})

	It("returns at once when there is no guardian to watch", func() {
		set("MIRROROS_GUARD", "")
		Expect(guard.Watch(context.Background())).To(Succeed())
	})

	It("stops watching when it is told to", func() {
		set("MIRROROS_GUARD", strconv.Itoa(os.Getppid()))
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- guard.Watch(ctx) }()
		cancel()
		Eventually(done).Should(Receive(MatchError(context.Canceled)))
	})

	It("finds mirrorguard in PATH, and says where it looked", func() {
		dir := GinkgoT().TempDir()
		set("PATH", dir)
		_, err := guard.Find()
		Expect(err).To(MatchError(ContainSubstring("neither beside")))
		Expect(guard.Exec(guard.Options{State: dir})).To(MatchError(ContainSubstring("cannot find mirrorguard")))
		Expect(os.WriteFile(filepath.Join(dir, "mirrorguard"), nil, 0o755)).To(Succeed())
		Expect(guard.Find()).To(Equal(filepath.Join(dir, "mirrorguard")))
	})

	It("says that the guardian cannot be executed", func() {
		dir := GinkgoT().TempDir()
		Expect(guard.Exec(guard.Options{State: dir, Guard: dir + "/none"})).To(MatchError(ContainSubstring("cannot execute the guardian")))
	})
})
