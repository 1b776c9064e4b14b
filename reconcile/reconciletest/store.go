package reconciletest

import (
	"path/filepath"
	"testing"

	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// TempStore opens a store of all kinds in a temporary directory. When the test ends it is closed and opened again, and the test fails
// unless every object is on disk exactly as it was in memory. With ginkgo, t is GinkgoTB().
func TempStore(t testing.TB) *store.Store {
	t.Helper()
	path := filepath.Join(t.TempDir(), "state.db")
	s := openStore(t, path)
	t.Cleanup(func() {
		t.Helper()
		want := dump(t, s)
		if err := s.Close(); err != nil {
			t.Errorf("cannot close the store: %v", err)
		}
		again := openStore(t, path)
		defer again.Close()
		got := dump(t, again)
		for k, v := range want {
			if got[k] != v {
				t.Errorf("%s in memory:\n%s\non disk:\n%s", k, v, got[k])
			}
			delete(got, k)
		}
		for k := range got {
			t.Errorf("%s is on disk only", k)
		}
	})
	return s
}

// TempClient is a client of a TempStore.
func TempClient(t testing.TB) *reconcile.Client {
	t.Helper()
	return reconcile.NewClient(TempStore(t), reconcile.ClientOptions{})
}

func openStore(t testing.TB, path string) *store.Store {
	t.Helper()
	s, err := store.Open(path, store.Options{Codec: reconcile.Codec()})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// dump answers every object as JSON.
func dump(t testing.TB, s *store.Store) map[store.Key]string {
	t.Helper()
	out := map[store.Key]string{}
	for _, k := range specs.Kinds {
		list, _ := s.List(k.Kind)
		for _, o := range list {
			b, err := reconcile.Codec().Encode(o)
			if err != nil {
				t.Errorf("cannot encode %s: %v", reconcile.KeyOf(o), err)
			}
			out[reconcile.KeyOf(o)] = string(b)
		}
	}
	return out
}
