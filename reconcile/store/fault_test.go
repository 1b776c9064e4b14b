package store_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/reconcile/store"
)

var errFault = errors.New("injected fault")

// failAt makes the n-th operation of the disk, from 1, fail, and tells whether it came to that.
func failAt(s *store.Store, n int) (fired func() bool) {
	count := 0
	s.SetFault(func(op string) error {
		count++
		if count == n {
			return fmt.Errorf("%s: %w", op, errFault)
		}
		return nil
	})
	return func() bool { s.SetFault(nil); return count >= n }
}

var _ = Describe("a disk that fails", func() {
	ctx := context.Background()
	try := func(s *store.Store, fn func(*store.Tx) error) error { _, err := s.Txn(ctx, fn); return err }

	// act does one durable transaction of several things.
	act := func(t *store.Tx) error {
		t.PutBlob("b", "old", []byte("after"))
		t.PutBlob("b", "new", []byte("after"))
		t.DeleteBlob("b", "gone")
		return errors.Join(t.Update(newThing("old", "after"), "Thing"), t.Create(newThing("new", "after"), "Thing"), t.Delete(key("gone")))
	}
	state := func(s *store.Store) string {
		list, _ := s.List("Thing")
		out := strings.Join(names(list), " ")
		s.Blobs("b", func(k string, v []byte) bool { out += " b/" + k + "=" + string(v); return true })
		return out
	}
	const before = "/gone=before /lazy=1 /old=before b/gone=before b/old=before"
	const after = "/lazy=1 /new=after /old=after b/new=after b/old=after"

	It("changes nothing when any one operation fails, is usable after that, and leaves the same on disk", func() {
		for n := 1; ; n++ {
			path := filepath.Join(GinkgoT().TempDir(), "state.db")
			s := open(path)
			txn(s, func(t *store.Tx) error {
				t.PutBlob("b", "old", []byte("before"))
				t.PutBlob("b", "gone", []byte("before"))
				return errors.Join(t.Create(newThing("old", "before"), "Thing"), t.Create(newThing("gone", "before"), "Thing"))
			})
			txn(s, func(t *store.Tx) error { return t.CreateLazy(newThing("lazy", "1"), "Thing") })
			rev := s.Rev()
			_, w := s.ListWatch(nil)
			fired := failAt(s, n)
			err := try(s, act)
			if !fired() {
				Expect(err).NotTo(HaveOccurred())
				Expect(n).To(BeNumerically(">", 8), "operations tried")
				return
			}
			by := fmt.Sprintf("operation %d", n)
			Expect(err).To(MatchError(errFault), by)
			Expect(s.Rev()).To(Equal(rev), by)
			Expect(state(s)).To(Equal(before), by)
			cancelled, cancel := context.WithCancel(ctx)
			cancel()
			_, err = w.Next(cancelled)
			Expect(err).To(MatchError(context.Canceled), by)
			w.Close()

			if n%2 == 0 { // it works again, and takes nothing of the failed one along
				txn(s, func(t *store.Tx) error { return t.Create(newThing("z", "1"), "Thing") })
				txn(s, func(t *store.Tx) error { return t.Delete(key("z")) })
			}
			Expect(s.Close()).To(Succeed(), by)
			s = open(path)
			Expect(state(s)).To(Equal(before), by)
			Expect(s.Rev()).To(BeNumerically(">", rev), by)
			txn(s, act)
			Expect(state(s)).To(Equal(after), by)
			Expect(s.Close()).To(Succeed())
		}
	})

	It("fails what ran on top of a failed transaction, too", func() {
		s := temp()
		create(s, "a", "0")
		block, first := make(chan bool), make(chan bool)
		var once sync.Once
		s.SetFault(func(op string) error {
			var err error
			if op == "begin" {
				once.Do(func() {
					close(first)
					<-block
					err = errFault
				})
			}
			return err
		})
		errs := make(chan error, 5)
		go func() { errs <- try(s, func(t *store.Tx) error { return t.Update(newThing("a", "1"), "Thing") }) }()
		<-first // it is being written
		ran := make(chan bool)
		for _, fn := range []func(*store.Tx) error{
			func(t *store.Tx) error { return t.UpdateLazy(newThing("a", "2"), "Thing") },
			func(t *store.Tx) error { t.List("Thing"); return nil }, // changes nothing, but saw
			func(t *store.Tx) error { return t.Create(newThing("new", ""), "Thing") },
			func(t *store.Tx) error { return errors.New("it saw what never came to be") },
		} {
			go func() {
				errs <- try(s, func(t *store.Tx) error {
					o, _ := t.Get(key("a"))
					Expect(o.(*thing).Value).NotTo(Equal("0"))
					defer func() { ran <- true }()
					return fn(t)
				})
			}()
			<-ran
		}
		Expect(value(s, "a")).To(Equal("0"), "nobody sees what is not durable")
		close(block)
		for range 5 {
			Expect(<-errs).To(MatchError(errFault))
		}
		Expect(value(s, "a")).To(Equal("0"))
		update(s, "a", "3")
		Expect(value(s, "a")).To(Equal("3"))
	})

	It("does in one commit what waits at the same time", func() {
		s := temp()
		block, first := make(chan bool), make(chan bool)
		commits := 0
		s.SetFault(func(op string) error {
			if op == "begin" {
				if commits++; commits == 1 {
					close(first)
					<-block
				}
			}
			return nil
		})
		var wg sync.WaitGroup
		wg.Go(func() { _ = try(s, func(t *store.Tx) error { return t.Create(newThing("first", ""), "Thing") }) })
		<-first
		ran := make(chan bool)
		for i := range 20 {
			wg.Go(func() {
				defer GinkgoRecover()
				Expect(try(s, func(t *store.Tx) error {
					defer func() { ran <- true }()
					return t.Create(newThing(fmt.Sprint(i), ""), "Thing")
				})).To(Succeed())
			})
		}
		for range 20 {
			<-ran
		}
		close(block)
		wg.Wait()
		Expect(commits).To(BeNumerically("<=", 3))
		list, _ := s.List("Thing")
		Expect(list).To(HaveLen(21))
	})

	It("refuses transactions on a full disk and takes them when there is room again", func() {
		path := filepath.Join(GinkgoT().TempDir(), "state.db")
		s := open(path)
		create(s, "a", "1")
		s.SetMaxSize(1 << 20)
		n, big := 0, strings.Repeat("x", 100<<10)
		var err error
		for ; err == nil; n++ {
			Expect(n).To(BeNumerically("<", 100))
			err = try(s, func(t *store.Tx) error { return t.Create(newThing(fmt.Sprint("big", n), big), "Thing") })
		}
		Expect(n).To(BeNumerically(">", 2))
		list, _ := s.List("Thing")
		Expect(list).To(HaveLen(n)) // a, and all but the last
		s.SetMaxSize(0)
		create(s, "more", big)
		Expect(s.Close()).To(Succeed())
		s = open(path)
		list, _ = s.List("Thing")
		Expect(list).To(HaveLen(n + 1))
	})

	It("opens all the same when nothing can be written, and keeps one bad object from no other", func() {
		s := temp()
		txn(s, func(t *store.Tx) error { return t.CreateLazy(newThing("bad", "unencodable"), "Thing") })
		create(s, "good", "1")
		_, err := s.Txn(ctx, func(t *store.Tx) error { return t.Create(newThing("bad2", "unencodable"), "Thing") })
		Expect(err).To(MatchError(ContainSubstring("cannot encode thing/bad2")))
	})
})
