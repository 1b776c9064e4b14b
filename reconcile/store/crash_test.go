package store_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/reconcile/store"
)

// childEnv makes the test binary the child of the crash test: it names the store.
const childEnv = "STORE_TEST_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		if err := count(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// count goes on from the highest number in the store until it is killed: odd numbers are written to a and are durable, even ones to b and
// are lazy. It prints each with its revision when the transaction returned.
func count(path string) error {
	s, err := store.Open(path, store.Options{Codec: codec{}})
	if err != nil {
		return err
	}
	for i := max(counted(s, "a"), counted(s, "b")) + 1; ; i++ {
		rev, err := s.Txn(context.Background(), func(t *store.Tx) error {
			name := pick(i%2 == 1, "a", "b")
			if _, ok := t.Get(key(name)); !ok {
				return pick(i%2 == 1, t.Create, t.CreateLazy)(newThing(name, strconv.Itoa(i)), "Thing")
			}
			return pick(i%2 == 1, t.Update, t.UpdateLazy)(newThing(name, strconv.Itoa(i)), "Thing")
		})
		if err != nil {
			return err
		}
		fmt.Println(i, rev)
	}
}

func counted(s *store.Store, name string) int {
	n, _ := strconv.Atoi(value(s, name))
	return n
}

var _ = Describe("a store whose process is killed", func() {
	It("has all that was durable, no hole, and no revision twice", func() {
		path := filepath.Join(GinkgoT().TempDir(), "state.db")
		r := rand.New(rand.NewPCG(uint64(GinkgoRandomSeed()), 2))
		i, rev := 0, int64(0)
		for range 8 {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), childEnv+"="+path)
			out, err := cmd.StdoutPipe()
			Expect(err).NotTo(HaveOccurred())
			Expect(cmd.Start()).To(Succeed())
			lines := bufio.NewScanner(out)
			for range 1 + r.IntN(60) {
				Expect(lines.Scan()).To(BeTrue())
				last := rev
				_, err := fmt.Sscan(lines.Text(), &i, &rev)
				Expect(err).NotTo(HaveOccurred())
				Expect(rev).To(BeNumerically(">", last))
			}
			Expect(cmd.Process.Kill()).To(Succeed())
			for lines.Scan() { // what it still said
				_, _ = fmt.Sscan(lines.Text(), &i, &rev)
			}
			_ = cmd.Wait()

			s := open(path)
			a, b := counted(s, "a"), counted(s, "b")
			Expect(a).To(BeNumerically(">=", i-1+i%2), "the last durable number that was told")
			Expect(b).To(Or(Equal(a-1), Equal(a+1)), "the store as it was at one revision")
			Expect(s.Rev()).To(BeNumerically(">", rev))
			Expect(s.Close()).To(Succeed())
		}
	})
})
