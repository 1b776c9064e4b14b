package stack

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"mirroros.dev/mirroros/reconcile/admit"
	"mirroros.dev/mirroros/reconcile/plan"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// bound is what a plan's digest is made of: the contents it leads from and to, every object that it was made from, and what becomes of each.
type bound struct {
	Stack, From, To string
	// Read is what of each object in force was read: its uid and a digest of what is declared of it. A status does not count.
	Read map[string]string
	// Does is what happens to each object.
	Does map[string]string
	// texts are digests of the documents that it puts in force, to tell later which of them changed; To has them all.
	texts map[string][sha256.Size]byte
}

func (b *bound) digest() string {
	data, err := json.Marshal(b)
	if err != nil {
		panic(err) // strings only
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])[:12]
}

// bind makes what a plan from what is in force to a set is bound to.
func (r *Reconciler) bind(s *state, to *admit.Set, fates map[store.Key]fate) *bound {
	b := &bound{Stack: s.name, From: s.live.Digest(), To: to.Digest(), Read: map[string]string{}, Does: map[string]string{},
		texts: map[string][sha256.Size]byte{}}
	for _, c := range admit.Diff(s.live, to) {
		live, exists := r.get(c.Key)
		if c.New != nil {
			if doc := c.New.Document(); doc != nil {
				b.texts[c.Key.String()] = sha256.Sum256(doc.Text)
			}
		}
		switch {
		case c.New != nil && exists:
			b.Does[c.Key.String()] = string(plan.Update)
		case c.New != nil:
			b.Does[c.Key.String()] = string(plan.Create)
		case fates[c.Key] == fateDelete, fates[c.Key] == fateRename:
			b.Does[c.Key.String()] = string(plan.Delete)
		case fates[c.Key] == fateRelease:
			b.Does[c.Key.String()] = string(plan.Keep)
		default:
			continue
		}
		if exists {
			b.Read[c.Key.String()] = version(live)
		}
	}
	return b
}

// version names what is declared of an object.
func version(o specs.Object) string {
	data, _ := json.Marshal(struct {
		UID                 string
		Generation          int64
		Labels, Annotations map[string]string
	}{string(o.GetUID()), o.GetGeneration(), o.GetLabels(), o.GetAnnotations()})
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])[:12]
}

// plans are what the plans that were shown last are bound to, by digest, so that it can be told what has changed since.
type plans struct {
	by    map[string]*bound
	order []string
}

func (p *plans) add(b *bound) string {
	d := b.digest()
	if p.by == nil {
		p.by = map[string]*bound{}
	}
	if p.by[d] == nil {
		if p.order = append(p.order, d); len(p.order) > 32 {
			delete(p.by, p.order[0])
			p.order = p.order[1:]
		}
	}
	p.by[d] = b
	return d
}

// whatChanged says in words why a plan does not fit.
func (p *plans) whatChanged(digest string, now *bound) string {
	was := p.by[digest]
	if was == nil {
		return "it is not known; the operator keeps the last few, and none when it is started anew"
	}
	var what []string
	if was.From != now.From {
		what = append(what, fmt.Sprintf("revision %s is in force instead of %s", short(now.From), short(was.From)))
	}
	if was.To != now.To {
		what = append(what, fmt.Sprintf("the files hold %s instead of %s", short(now.To), short(was.To)))
	}
	keys := maps.Clone(was.Does)
	maps.Copy(keys, now.Does)
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		if was.Does[k] != now.Does[k] || was.Read[k] != now.Read[k] || was.texts[k] != now.texts[k] {
			what = append(what, k+" changed")
		}
	}
	if len(what) > 5 {
		what = append(what[:5], fmt.Sprintf("%d more", len(what)-5))
	}
	return strings.Join(what, ", ")
}
