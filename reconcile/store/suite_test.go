package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gleak"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"mirroros.dev/mirroros/reconcile/store"
)

func TestStore(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(5 * time.Second)
	cfg, rep := GinkgoConfiguration()
	cfg.RandomizeAllSpecs = true
	RunSpecs(t, "store", cfg, rep)
}

var _ = BeforeEach(func() {
	before := gleak.Goroutines()
	DeferCleanup(func() { Eventually(gleak.Goroutines).ShouldNot(gleak.HaveLeaked(before)) })
})

// thing is the kind of these tests.
type thing struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Value             string `json:"value"`
}

func (t *thing) DeepCopyObject() runtime.Object {
	c := *t
	t.ObjectMeta.DeepCopyInto(&c.ObjectMeta)
	return &c
}

// codec keeps things as JSON.
type codec struct{}

func (codec) Encode(o store.Object) ([]byte, error) {
	if o.(*thing).Value == "unencodable" {
		return nil, errors.New("unencodable")
	}
	return json.Marshal(o)
}

func (codec) Decode(_ string, b []byte) (store.Object, error) {
	t := &thing{}
	return t, json.Unmarshal(b, t)
}

func newThing(name, value string) *thing {
	return &thing{ObjectMeta: metav1.ObjectMeta{Name: name}, Value: value}
}

func key(name string) store.Key { return store.Key{Kind: "Thing", Name: name} }

func open(path string) *store.Store {
	GinkgoHelper()
	s, err := store.Open(path, store.Options{Codec: codec{}, Log: GinkgoLogr})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(s.Close)
	return s
}

func temp() *store.Store {
	GinkgoHelper()
	return open(filepath.Join(GinkgoT().TempDir(), "state.db"))
}

func txn(s *store.Store, fn func(*store.Tx) error) int64 {
	GinkgoHelper()
	rev, err := s.Txn(context.Background(), fn)
	Expect(err).NotTo(HaveOccurred())
	return rev
}

func create(s *store.Store, name, value string) int64 {
	GinkgoHelper()
	return txn(s, func(t *store.Tx) error { return t.Create(newThing(name, value), "Thing") })
}

func update(s *store.Store, name, value string) int64 {
	GinkgoHelper()
	return txn(s, func(t *store.Tx) error { return t.Update(newThing(name, value), "Thing") })
}

func value(s *store.Store, name string) string {
	if o, ok := s.Get(key(name)); ok {
		return o.(*thing).Value
	}
	return ""
}

func names(list []store.Object) []string {
	out := []string{}
	for _, o := range list {
		out = append(out, o.GetNamespace()+"/"+o.GetName()+"="+o.(*thing).Value)
	}
	return out
}
