package store_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/reconcile/store"
)

// model is what a store should hold: things and blobs by name.
type model struct{ things, blobs map[string]string }

func (m model) clone() model { return model{maps.Clone(m.things), maps.Clone(m.blobs)} }

func (m model) String() string {
	out := ""
	for _, part := range []map[string]string{m.things, m.blobs} {
		for _, k := range slices.Sorted(maps.Keys(part)) {
			out += k + "=" + part[k] + " "
		}
		out += "| "
	}
	return out
}

func modelOf(s *store.Store) model {
	m := model{map[string]string{}, map[string]string{}}
	list, _ := s.List("Thing")
	for _, o := range list {
		m.things[o.GetName()] = o.(*thing).Value
	}
	s.Blobs("b", func(k string, v []byte) bool { m.blobs[k] = string(v); return true })
	return m
}

// step does one random thing to the transaction and the model; it reports whether the store agreed with the model.
func (m model) step(r *rand.Rand, t *store.Tx) error {
	name, v, lazy := fmt.Sprint("n", r.IntN(12)), fmt.Sprint(r.IntN(1000)), r.IntN(2) == 0
	_, there := m.things[name]
	var err, want error
	switch r.IntN(5) {
	case 0:
		if there {
			want = store.ErrExists
		} else {
			m.things[name] = v
		}
		err = pick(lazy, t.CreateLazy, t.Create)(newThing(name, v), "Thing")
	case 1, 2:
		if !there {
			want = store.ErrNotFound
		} else {
			m.things[name] = v
		}
		err = pick(lazy, t.UpdateLazy, t.Update)(newThing(name, v), "Thing")
	case 3:
		if !there {
			want = store.ErrNotFound
		}
		delete(m.things, name)
		err = pick(lazy, t.DeleteLazy, t.Delete)(key(name))
	case 4:
		if lazy {
			m.blobs[name] = v
			t.PutBlob("b", name, []byte(v))
		} else {
			delete(m.blobs, name)
			t.DeleteBlob("b", name)
		}
	}
	if !errors.Is(err, want) || (err == nil) != (want == nil) {
		return fmt.Errorf("%s: got %v, want %v", name, err, want)
	}
	if o, ok := t.Get(key(name)); ok && o.(*thing).Value != m.things[name] {
		return fmt.Errorf("%s: own write is not seen", name)
	}
	return nil
}

func pick[T any](a bool, x, y T) T {
	if a {
		return x
	}
	return y
}

var errAbort = errors.New("abort")

var _ = Describe("a store under random use", func() {
	It("is what a map would be, through failing transactions, failing disks and re-opens", func() {
		seed := uint64(GinkgoRandomSeed())
		GinkgoWriter.Println("seed", seed)
		r := rand.New(rand.NewPCG(seed, 1))
		path := filepath.Join(GinkgoT().TempDir(), "state.db")
		s := open(path)
		m := modelOf(s)
		watched, w := modelOf(s), watch(s)
		last := s.Rev()
		for i := range 400 {
			by := fmt.Sprintf("seed %d, step %d", seed, i)
			next, abort, fail := m.clone(), r.IntN(8) == 0, r.IntN(10) == 0
			if fail {
				failAt(s, 1+r.IntN(6))
			}
			rev, err := s.Txn(context.Background(), func(t *store.Tx) error {
				for range r.IntN(5) {
					Expect(next.step(r, t)).To(Succeed(), by)
				}
				if abort {
					return errAbort
				}
				return nil
			})
			s.SetFault(nil)
			switch {
			case err == nil:
				m = next
				Expect(rev).To(BeNumerically(">=", last), by)
				last = rev
			case fail && errors.Is(err, errFault), abort && errors.Is(err, errAbort):
			default:
				Fail(by + ": " + err.Error())
			}
			Expect(modelOf(s).String()).To(Equal(m.String()), by)
			if r.IntN(20) == 0 {
				follow(watched, w)
				Expect(watched.things).To(Equal(m.things), by)
			}
			if r.IntN(60) == 0 {
				w.Close()
				Expect(s.Close()).To(Succeed(), by)
				s = open(path)
				Expect(modelOf(s).String()).To(Equal(m.String()), by)
				Expect(s.Rev()).To(BeNumerically(">", last), by)
				last = s.Rev()
				watched, w = modelOf(s), watch(s)
			}
		}
	})

	It("never shows readers half a transaction, and watchers see every revision once, in order", func() {
		s := temp()
		txn(s, func(t *store.Tx) error {
			return errors.Join(t.Create(newThing("a", "0"), "Thing"), t.Create(newThing("b", "0"), "Thing"))
		})
		_, w := s.ListWatch(nil)
		defer w.Close()
		const writers, each = 4, 50
		errs := make(chan error, writers)
		for i := range writers {
			go func() {
				var err error
				for j := range each {
					_, e := s.Txn(context.Background(), func(t *store.Tx) error {
						o, _ := t.Get(key("a"))
						v := o.(*thing).Value + "x"
						put := pick((i+j)%2 == 0, t.Update, t.UpdateLazy)
						return errors.Join(put(newThing("a", v), "Thing"), put(newThing("b", v), "Thing"))
					})
					err = errors.Join(err, e)
				}
				errs <- err
			}()
		}
		last := "0"
		for n := 0; n < writers*each; {
			events, err := w.Next(context.Background())
			Expect(err).NotTo(HaveOccurred())
			for i := 0; i < len(events); i += 2 {
				a, b := events[i], events[i+1]
				Expect(a.Rev).To(Equal(b.Rev))
				Expect(a.Object.(*thing).Value).To(Equal(last + "x"))
				Expect(b.Object.(*thing).Value).To(Equal(last + "x"))
				last += "x"
				n++
			}
			list, _ := s.List("Thing")
			Expect(list[0].(*thing).Value).To(Equal(list[1].(*thing).Value))
			Expect(strings.HasPrefix(list[0].(*thing).Value, last)).To(BeTrue())
		}
		for range writers {
			Expect(<-errs).To(Succeed())
		}
	})
})

func watch(s *store.Store) *store.Watch {
	_, w := s.ListWatch([]string{"Thing"})
	DeferCleanup(w.Close)
	return w
}

// follow brings the model up to date from the watch.
func follow(m model, w *store.Watch) {
	GinkgoHelper()
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	events, err := w.Next(ended)
	if errors.Is(err, context.Canceled) {
		return
	}
	Expect(err).NotTo(HaveOccurred())
	for _, e := range events {
		old, had := m.things[e.Object.GetName()]
		Expect(had).To(Equal(e.Type != store.Added))
		if had {
			Expect(e.Old.(*thing).Value).To(Equal(old))
		}
		m.things[e.Object.GetName()] = e.Object.(*thing).Value
		if e.Type == store.Deleted {
			delete(m.things, e.Object.GetName())
		}
	}
}
