package store_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/reconcile/store"
)

var _ = Describe("Store", func() {
	ctx := context.Background()

	It("gives every transaction one revision, and its objects that resourceVersion", func() {
		s := temp()
		before := s.Rev()
		rev := txn(s, func(t *store.Tx) error {
			return errors.Join(t.Create(newThing("a", "1"), "Thing"), t.Create(newThing("b", "2"), "Thing"))
		})
		Expect(rev).To(BeNumerically(">", before))
		Expect(s.Rev()).To(Equal(rev))
		for _, n := range []string{"a", "b"} {
			o, ok := s.Get(key(n))
			Expect(ok).To(BeTrue())
			Expect(o.GetResourceVersion()).To(Equal(strconv.FormatInt(rev, 10)))
		}
	})

	It("lists sorted by namespace and name, whatever the order of changes", func() {
		s := temp()
		in := func(ns, name string) {
			t := newThing(name, "v")
			t.Namespace = ns
			txn(s, func(tx *store.Tx) error { return tx.Create(t, "Thing") })
		}
		in("b", "a")
		in("", "z")
		in("a-b", "a")
		in("a", "z")
		in("a", "b")
		txn(s, func(tx *store.Tx) error {
			return errors.Join(tx.Delete(store.Key{Kind: "Thing", Namespace: "a", Name: "b"}), tx.Create(newThing("m", "v"), "Thing"), tx.Create(newThing("c", "v"), "Thing"))
		})
		list, rev := s.List("Thing")
		Expect(names(list)).To(Equal([]string{"/c=v", "/m=v", "/z=v", "a/z=v", "a-b/a=v", "b/a=v"}))
		Expect(rev).To(Equal(s.Rev()))
		none, _ := s.List("Other")
		Expect(none).To(BeEmpty())
	})

	It("changes nothing when the function or one of its writes fails", func() {
		s := temp()
		create(s, "a", "1")
		rev := s.Rev()
		_, err := s.Txn(ctx, func(t *store.Tx) error {
			Expect(t.Create(newThing("b", "1"), "Thing")).To(Succeed())
			return t.Create(newThing("a", "2"), "Thing")
		})
		Expect(err).To(MatchError(store.ErrExists))
		Expect(err).To(MatchError("thing/a: already exists"))
		Expect(s.Rev()).To(Equal(rev))
		_, ok := s.Get(key("b"))
		Expect(ok).To(BeFalse())
	})

	It("refuses what is not there and what has changed meanwhile", func() {
		s := temp()
		create(s, "a", "1")
		old, _ := s.Get(key("a"))
		update(s, "a", "2")
		write := func(fn func(*store.Tx) error) error { _, err := s.Txn(ctx, fn); return err }
		stale := old.DeepCopyObject().(*thing)
		Expect(write(func(t *store.Tx) error { return t.Update(stale, "Thing") })).To(MatchError(store.ErrConflict))
		Expect(write(func(t *store.Tx) error { return t.Update(newThing("x", ""), "Thing") })).To(MatchError(store.ErrNotFound))
		Expect(write(func(t *store.Tx) error { return t.Delete(key("x")) })).To(MatchError(store.ErrNotFound))
		Expect(value(s, "a")).To(Equal("2"))
	})

	It("shows a transaction its own writes, and makes one change of several to an object", func() {
		s := temp()
		create(s, "gone", "1")
		_, w := s.ListWatch(nil)
		defer w.Close()
		txn(s, func(t *store.Tx) error {
			Expect(t.Create(newThing("a", "1"), "Thing")).To(Succeed())
			Expect(t.Update(newThing("a", "2"), "Thing")).To(Succeed())
			Expect(t.Create(newThing("never", "1"), "Thing")).To(Succeed())
			Expect(t.Delete(key("never"))).To(Succeed())
			Expect(t.Delete(key("gone"))).To(Succeed())
			Expect(names(t.List("Thing"))).To(Equal([]string{"/a=2"}))
			_, ok := t.Get(key("gone"))
			Expect(ok).To(BeFalse())
			return nil
		})
		events, err := w.Next(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(events).To(HaveLen(2))
		Expect(events[0].Type).To(Equal(store.Added))
		Expect(events[0].Object.(*thing).Value).To(Equal("2"))
		Expect(events[1].Type).To(Equal(store.Deleted))
		Expect(events[1].Object.GetResourceVersion()).To(Equal(strconv.FormatInt(s.Rev(), 10)))
	})

	It("answers the old revision for a transaction that changes nothing", func() {
		s := temp()
		create(s, "a", "1")
		rev := s.Rev()
		Expect(txn(s, func(t *store.Tx) error {
			o, _ := t.Get(key("a"))
			t.DeleteBlob("b", "none")
			return t.Update(o, "Thing")
		})).To(Equal(rev))
		Expect(s.Rev()).To(Equal(rev))
	})

	It("has everything after it was opened again, with higher revisions", func() {
		path := filepath.Join(GinkgoT().TempDir(), "state.db")
		s := open(path)
		create(s, "a", "1")
		txn(s, func(t *store.Tx) error {
			t.PutBlob("revisions", "r1", []byte("text"))
			return t.CreateLazy(newThing("lazy", "1"), "Thing")
		})
		txn(s, func(t *store.Tx) error { return t.UpdateLazy(newThing("a", "2"), "Thing") })
		last := s.Rev()
		Expect(s.Close()).To(Succeed())
		Expect(s.Close()).To(Succeed())

		s = open(path)
		Expect(s.Rev()).To(BeNumerically(">", last))
		list, _ := s.List("Thing")
		Expect(names(list)).To(Equal([]string{"/a=2", "/lazy=1"}))
		Expect(list[0].GetResourceVersion()).To(Equal(strconv.FormatInt(last, 10)))
		b, ok := s.Blob("revisions", "r1")
		Expect(ok).To(BeTrue())
		Expect(string(b)).To(Equal("text"))
		_, err := s.Watch(nil, last)
		Expect(err).To(MatchError(store.ErrGone))
	})

	It("is refused to a second operator, and when a newer version wrote it", func() {
		path := filepath.Join(GinkgoT().TempDir(), "state.db")
		s := open(path)
		_, err := store.Open(path, store.Options{Codec: codec{}})
		Expect(err).To(MatchError(store.ErrLocked))
		Expect(s.WriteSchema(2)).To(Succeed())
		Expect(s.Close()).To(Succeed())
		_, err = store.Open(path, store.Options{Codec: codec{}})
		Expect(err).To(MatchError(store.ErrNewer))
	})

	It("refuses a damaged file without falling over", func() {
		path := filepath.Join(GinkgoT().TempDir(), "state.db")
		s := open(path)
		txn(s, func(t *store.Tx) (err error) {
			for i := range 200 {
				err = errors.Join(err, t.Create(newThing(strconv.Itoa(i), "some text to fill pages with"), "Thing"))
			}
			return err
		})
		Expect(s.Close()).To(Succeed())
		good, err := os.ReadFile(path)
		Expect(err).NotTo(HaveOccurred())
		for name, bad := range map[string][]byte{
			"other":     bytes.Repeat([]byte("not a store "), 5000),
			"truncated": good[:12<<10],
			"zeroed":    append(good[:8<<10:8<<10], make([]byte, len(good)-8<<10)...),
		} {
			Expect(os.WriteFile(path, bad, 0o600)).To(Succeed())
			_, err := store.Open(path, store.Options{Codec: codec{}})
			Expect(err).To(MatchError(store.ErrDamaged), name)
		}
	})

	It("answers ErrClosed after Close and goes on reading", func() {
		s := temp()
		create(s, "a", "1")
		Expect(s.Close()).To(Succeed())
		_, err := s.Txn(ctx, func(*store.Tx) error { return nil })
		Expect(err).To(MatchError(store.ErrClosed))
		Expect(value(s, "a")).To(Equal("1"))
	})

	It("goes on after a function that panics", func() {
		s := temp()
		Expect(func() {
			_, _ = s.Txn(ctx, func(*store.Tx) error { panic("ouch") })
		}).To(PanicWith("ouch"))
		create(s, "a", "1")
	})

	It("keeps blobs in order, and pages through many of them", func() {
		s := temp()
		big := make([]byte, 300<<10)
		for i := range 10 {
			txn(s, func(t *store.Tx) error { t.PutBlob("b", strconv.Itoa(i), big); return nil })
		}
		txn(s, func(t *store.Tx) error { t.DeleteBlob("b", "3"); t.PutBlob("b", "5", nil); return nil })
		rev := s.Rev()
		txn(s, func(t *store.Tx) error { t.PutBlob("b", "4", make([]byte, 300<<10)); return nil })
		Expect(s.Rev()).To(Equal(rev), "the same bytes are no change")
		var keys []string
		s.Blobs("b", func(k string, v []byte) bool {
			keys = append(keys, k+":"+strconv.Itoa(len(v)>>10))
			return k != "8"
		})
		Expect(keys).To(Equal([]string{"0:300", "1:300", "2:300", "4:300", "5:0", "6:300", "7:300", "8:300"}))
		_, ok := s.Blob("none", "x")
		Expect(ok).To(BeFalse())
	})
})
