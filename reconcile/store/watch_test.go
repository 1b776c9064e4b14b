package store_test

import (
	"context"
	"errors"
	"path/filepath"
	"strconv"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/reconcile/store"
)

var _ = Describe("Watch", func() {
	ctx := context.Background()
	next := func(w *store.Watch) []string {
		GinkgoHelper()
		events, err := w.Next(ctx)
		Expect(err).NotTo(HaveOccurred())
		var out []string
		for _, e := range events {
			out = append(out, string(e.Type)+" "+e.Object.GetName()+"="+e.Object.(*thing).Value)
		}
		return out
	}

	It("begins after the list, tells changes in order, with the object as it was", func() {
		s := temp()
		create(s, "a", "1")
		list, w := s.ListWatch([]string{"Thing"})
		defer w.Close()
		Expect(names(list)).To(Equal([]string{"/a=1"}))
		update(s, "a", "2")
		txn(s, func(t *store.Tx) error {
			return errors.Join(t.Delete(key("a")), t.Create(newThing("a", "3"), "Thing"))
		})
		events, err := w.Next(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(events[0].Old.(*thing).Value).To(Equal("1"))
		Expect(events[0].Type).To(Equal(store.Modified))
		Expect(events[1].Type).To(Equal(store.Deleted))
		Expect(events[2].Type).To(Equal(store.Added))
		Expect(events[1].Rev).To(Equal(events[2].Rev))
	})

	It("resumes from a revision", func() {
		s := temp()
		from := create(s, "a", "1")
		create(s, "b", "1")
		create(s, "c", "1")
		w, err := s.Watch(nil, from)
		Expect(err).NotTo(HaveOccurred())
		defer w.Close()
		Expect(next(w)).To(Equal([]string{"ADDED b=1", "ADDED c=1"}))
		_, err = s.Watch(nil, s.Rev()+1)
		Expect(err).To(MatchError(store.ErrGone))
	})

	It("never holds a writer; who falls behind gets ErrGone, and who wants other kinds does not", func() {
		s, err := store.Open(filepath.Join(GinkgoT().TempDir(), "s.db"), store.Options{Codec: codec{}, History: 8})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(s.Close)
		_, slow := s.ListWatch([]string{"Thing"})
		_, other := s.ListWatch([]string{"Other"})
		defer slow.Close()
		defer other.Close()
		from := s.Rev()
		for i := range 30 {
			txn(s, func(t *store.Tx) error { return t.CreateLazy(newThing(strconv.Itoa(i), ""), "Thing") })
		}
		_, err = slow.Next(ctx)
		Expect(err).To(MatchError(store.ErrGone))
		_, err = s.Watch(nil, from)
		Expect(err).To(MatchError(store.ErrGone))
		txn(s, func(t *store.Tx) error { return t.CreateLazy(newThing("x", "1"), "Other") })
		Expect(next(other)).To(Equal([]string{"ADDED x=1"}))
	})

	It("ends with ctx, with Close and with the store", func() {
		s := temp()
		_, w := s.ListWatch(nil)
		ended, cancel := context.WithCancel(ctx)
		errs := make(chan error)
		wait := func(ctx context.Context, w *store.Watch) {
			_, err := w.Next(ctx)
			errs <- err
		}
		go wait(ended, w)
		cancel()
		Expect(<-errs).To(MatchError(context.Canceled))
		go wait(ctx, w)
		w.Close()
		Expect(<-errs).To(MatchError(store.ErrClosed))
		_, w = s.ListWatch(nil)
		defer w.Close()
		go wait(ctx, w)
		Expect(s.Close()).To(Succeed())
		Expect(<-errs).To(MatchError(store.ErrClosed))
	})
})
