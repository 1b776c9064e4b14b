package store_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/reconcile/store"
)

// TestLazyWritesReachTheDiskWithinASecond and then nothing is left to do: no timer, no dirty object, no history.
func TestLazyWritesReachTheDiskWithinASecond(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		s, err := store.Open(path, store.Options{Codec: codec{}})
		g.Expect(err).NotTo(HaveOccurred())
		var commits atomic.Int32
		s.SetFault(func(op string) error {
			if op == "committed" {
				commits.Add(1)
			}
			return nil
		})
		for i := range 100 {
			_, err := s.Txn(context.Background(), func(t *store.Tx) error {
				return t.CreateLazy(newThing(fmt.Sprint(i), "1"), "Thing")
			})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(value(s, fmt.Sprint(i))).To(Equal("1"), "seen at once")
		}
		g.Expect(commits.Load()).To(BeZero())
		<-time.After(1100 * time.Millisecond)
		synctest.Wait()
		g.Expect(commits.Load()).To(BeEquivalentTo(1))
		<-time.After(2 * time.Minute)
		synctest.Wait()
		g.Expect(s.Idle()).To(BeTrue())
		g.Expect(commits.Load()).To(BeEquivalentTo(1))

		// What is gone from the history is gone for watches; the present is not.
		_, err = s.Watch(nil, s.Rev()-1)
		g.Expect(err).To(MatchError(store.ErrGone))
		w, err := s.Watch(nil, s.Rev())
		g.Expect(err).NotTo(HaveOccurred())
		w.Close()
		g.Expect(s.Close()).To(Succeed())
	})
}

// TestAFullDiskIsTriedAgain with growing waits, until there is room.
func TestAFullDiskIsTriedAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		s, err := store.Open(path, store.Options{Codec: codec{}})
		g.Expect(err).NotTo(HaveOccurred())
		var tries []time.Duration
		begin := time.Now()
		var room atomic.Bool
		s.SetFault(func(op string) error {
			if op != "begin" {
				return nil
			}
			tries = append(tries, time.Since(begin)/time.Second)
			if room.Load() {
				return nil
			}
			return fmt.Errorf("no space left on device")
		})
		_, err = s.Txn(context.Background(), func(t *store.Tx) error { return t.CreateLazy(newThing("a", "1"), "Thing") })
		g.Expect(err).NotTo(HaveOccurred())
		<-time.After(10 * time.Second)
		room.Store(true)
		<-time.After(time.Hour)
		synctest.Wait()
		g.Expect(tries).To(Equal([]time.Duration{1, 2, 4, 8, 16}))
		g.Expect(s.Idle()).To(BeTrue())
		g.Expect(s.Close()).To(Succeed())
	})
	s, err := store.Open(path, store.Options{Codec: codec{}})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(value(s, "a")).To(Equal("1"))
	NewWithT(t).Expect(s.Close()).To(Succeed())
}
