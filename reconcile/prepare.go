package reconcile

import (
	"crypto/rand"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// PrepareCreate answers the object that Create would store: a copy with its type, uid, creationTimestamp and generation.
// With PrepareUpdate, PrepareStatus and PrepareDelete it serves dry runs.
func (c *Client) PrepareCreate(o specs.Object) (specs.Object, error) {
	s := shapeOf(o)
	if s == nil {
		return nil, errKind(o)
	}
	n := specs.Copy(o)
	s.kind.SetType(n)
	if n.GetName() == "" && n.GetGenerateName() != "" {
		n.SetName(n.GetGenerateName() + strings.ToLower(rand.Text()[:6]))
	}
	if n.GetName() == "" {
		return nil, fmt.Errorf("cannot create %s: no name", strings.ToLower(s.kind.Kind))
	}
	if s.kind.Namespaced && n.GetNamespace() == "" {
		n.SetNamespace("default")
	}
	n.SetUID(newUID())
	n.SetCreationTimestamp(c.stamp())
	n.SetDeletionTimestamp(nil)
	n.SetDeletionGracePeriodSeconds(nil)
	n.SetResourceVersion("")
	n.SetGeneration(0)
	if s.hasSpec {
		n.SetGeneration(1)
	}
	return n, nil
}

// PrepareUpdate answers the object that Update would store: o with uid, creationTimestamp, deletionTimestamp and status of live, and a
// generation that counts changes of what is declared. It merges nothing. It answers live itself when nothing changes, and store.ErrConflict
// when o names another uid or resourceVersion than live has.
func (c *Client) PrepareUpdate(live, o specs.Object) (specs.Object, error) {
	s := shapeOf(o)
	if s == nil {
		return nil, errKind(o)
	}
	if err := current(live, o); err != nil {
		return nil, err
	}
	same := s.sameDesired(live, o)
	if same && sameMeta(live, o) {
		return live, nil
	}
	n := specs.Copy(o)
	s.kind.SetType(n)
	keepMeta(n, live)
	s.setStatus(n, live)
	if s.hasSpec && !same {
		n.SetGeneration(live.GetGeneration() + 1)
	}
	return n, nil
}

// PrepareStatus answers the object that UpdateStatus would store: live with the status of o, live itself when that is the same.
func (c *Client) PrepareStatus(live, o specs.Object) (specs.Object, error) {
	s := shapeOf(o)
	if s == nil {
		return nil, errKind(o)
	}
	if s.sameStatus(live, o) {
		return live, nil
	}
	if err := current(live, o); err != nil {
		return nil, err
	}
	n := shallow(live)
	s.setStatus(n, specs.Copy(o))
	return n, nil
}

// PrepareDelete answers nil when Delete would remove live, else the object that it would store: marked as deleted, waiting for its
// finalizers; live itself when it is so marked already.
func (c *Client) PrepareDelete(live specs.Object) specs.Object {
	switch {
	case len(live.GetFinalizers()) == 0:
		return nil
	case live.GetDeletionTimestamp() != nil:
		return live
	}
	n := specs.Copy(live)
	now, grace := c.stamp(), int64(0)
	n.SetDeletionTimestamp(&now)
	n.SetDeletionGracePeriodSeconds(&grace)
	if shapeOf(n).hasSpec {
		n.SetGeneration(n.GetGeneration() + 1)
	}
	return n
}

// current refuses an object that was read before live was written.
func current(live, o specs.Object) error {
	if rv := o.GetResourceVersion(); rv != "" && rv != live.GetResourceVersion() {
		return fmt.Errorf("%s: %w", KeyOf(live), store.ErrConflict)
	}
	if uid := o.GetUID(); uid != "" && uid != live.GetUID() {
		return fmt.Errorf("%s was deleted and created again: %w", KeyOf(live), store.ErrConflict)
	}
	return nil
}

// keepMeta gives n the metadata that no client writes.
func keepMeta(n, live specs.Object) {
	n.SetUID(live.GetUID())
	n.SetGenerateName(live.GetGenerateName())
	n.SetCreationTimestamp(live.GetCreationTimestamp())
	n.SetDeletionTimestamp(live.GetDeletionTimestamp())
	n.SetDeletionGracePeriodSeconds(live.GetDeletionGracePeriodSeconds())
	n.SetGeneration(live.GetGeneration())
	n.SetResourceVersion(live.GetResourceVersion())
}

// stamp is the present time as it will be read back.
func (c *Client) stamp() metav1.Time {
	t := metav1.NewTime(c.now())
	return t.Rfc3339Copy()
}

func notFound(k store.Key) error { return fmt.Errorf("%s: %w", k, store.ErrNotFound) }

// newUID makes a random UUID (version 4).
func newUID() types.UID {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return types.UID(fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]))
}
