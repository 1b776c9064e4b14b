package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/budget/ledger"
)

const limitedEnv = "MIRROROS_TEST_LEDGER_LIMITED"

// disk that can be full.
type fullDisk struct {
	dir        string
	fill, free func() error
}

// full is what happens on a disk that is full for a while.
func full(d fullDisk) error {
	c := config(budget("a", ledger.Tokens, 100_000, never))
	p := place{d.dir, &clock{id: "boot"}}
	l, err := ledger.Open(ledger.Options{Dir: d.dir, Clock: p.clock})
	if err != nil {
		return err
	}
	defer l.Close()
	if err := l.Configure(c); err != nil {
		return err
	}
	reserve := func() (*ledger.Reservation, error) {
		got, over, err := l.Reserve(context.Background(), tokens(100, 0))
		if over != nil {
			return nil, fmt.Errorf("refused: %+v", over)
		}
		return got, err
	}
	for round := range 3 {
		one, err := reserve()
		if err != nil {
			return err
		}
		two, err := reserve()
		if err != nil {
			return err
		}
		if err := d.fill(); err != nil {
			return err
		}
		open := []*ledger.Reservation{}
		for err == nil { // what is left of a page, or to the limit
			var got *ledger.Reservation
			if got, err = reserve(); err == nil {
				open = append(open, got)
			}
			if len(open) > 500 {
				return errors.New("the disk is never full")
			}
		}
		if !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EFBIG) {
			return fmt.Errorf("the error should be that the disk is full: %w", err)
		}
		if one.Settle(ledger.Usage{Input: 30}, nil) {
			return errors.New("over")
		}
		two.Cancel()
		if got, err := reserve(); err == nil || got != nil {
			return errors.New("a call goes on though it cannot be written")
		}
		if other, err := ledger.Open(ledger.Options{Dir: d.dir, Clock: p.clock}); err == nil { // its few bytes may still have room
			other.Close()
		} else if !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EFBIG) {
			return err
		}
		if f, err := ledger.Verify(d.dir, c); err != nil || len(f.Faults) > 0 || f.Torn > 0 {
			return fmt.Errorf("while it is full: %+v, %w", f, err)
		}
		c.Budgets[0].Limits[0].Amount-- // a config comes meanwhile
		if err := l.Configure(c); err != nil {
			return err
		}
		if err := d.free(); err != nil {
			return err
		}
		if _, over, err := l.Reserve(context.Background(), tokens(100_000-int64(round), 0)); over == nil || over.Amount != c.Budgets[0].Limits[0].Amount {
			return fmt.Errorf("the new config does not hold: %+v, %w", over, err)
		}
		last, err := reserve()
		if err != nil {
			return err
		}
		f, err := ledger.Verify(d.dir, c)
		if want := int64(round+1) * 30; err != nil || len(f.Faults) > 0 || f.Open != int64(len(open)+1) || f.Total.Input != want {
			return fmt.Errorf("after it was full, %d open and %d used: %+v, %w", len(open)+1, want, f, err)
		}
		for _, r := range append(open, last) {
			r.Cancel()
		}
	}
	return l.Close()
}

// limited is the child whose files may only have a size.
func limited(dir string) {
	signal.Ignore(syscall.SIGXFSZ)
	limit := func(extra int64) func() error {
		return func() error {
			var r syscall.Rlimit
			if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &r); err != nil {
				return err
			}
			r.Cur = r.Max
			if extra > 0 {
				st, err := os.Stat(filepath.Join(dir, "0000000001.log"))
				if err != nil {
					return err
				}
				r.Cur = uint64(st.Size() + extra)
			}
			return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &r)
		}
	}
	if err := full(fullDisk{dir, limit(150), limit(0)}); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

var _ = Describe("A disk that is full", func() {
	It("lets no call go on, loses no end of one, and is written again when there is room", func() {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), limitedEnv+"="+GinkgoT().TempDir())
		out, err := cmd.CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), string(out))
	})

	It("does so as a file system without space too, where one can be mounted", func() {
		dir := GinkgoT().TempDir()
		if err := syscall.Mount("none", dir, "tmpfs", 0, "size=64k"); err != nil {
			GinkgoWriter.Println("not tried, for tmpfs cannot be mounted here:", err)
			return
		}
		DeferCleanup(func() { Expect(syscall.Unmount(dir, 0)).To(Succeed()) })
		filler := filepath.Join(dir, "filler")
		Expect(full(fullDisk{filepath.Join(dir, "ledger"), func() error {
			f, err := os.Create(filler)
			if err != nil {
				return err
			}
			defer f.Close()
			if _, err = io.Copy(f, zeros{}); errors.Is(err, syscall.ENOSPC) {
				return nil
			}
			return fmt.Errorf("it should be full: %w", err)
		}, func() error { return os.Remove(filler) }})).To(Succeed())
	})
})

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }
