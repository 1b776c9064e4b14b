package stack

import (
	"math"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/admit"
	"mirroros.dev/mirroros/reconcile/store"
)

// given is a Stack that some of its objects are taken from: they leave its set in force in the transaction that takes them over.
type given struct {
	s     *state
	live  *admit.Set
	rec   receipt
	blobs map[string][]byte
}

// handedOver are the Stacks that the writes of a wave take objects from.
func (r *Reconciler) handedOver(ops []op, wave int) ([]given, error) {
	from := map[string]map[store.Key]*admit.Entry{}
	for i := range ops {
		o := &ops[i]
		if s := r.stacks[o.from]; o.from == "" || o.wave != wave || s == nil || s.rec.Live == nil || s.live.Get(o.key) == nil {
			continue
		}
		if from[o.from] == nil {
			from[o.from] = map[store.Key]*admit.Entry{}
		}
		from[o.from][o.key] = nil
	}
	var out []given
	for name, gone := range from {
		s := r.stacks[name]
		g := given{s: s, live: s.live.With(gone), rec: s.rec}
		var err error
		if g.blobs, err = g.live.Blobs(s.live); err != nil {
			return nil, err
		}
		rev := *s.rec.Live
		rev.Digest, rev.Number, rev.By, rev.Message = g.live.Digest(), 0, "", plural(len(gone), "object")+" taken over by another stack"
		rev.Time = metav1.NewTime(r.o.Now()).Rfc3339Copy()
		g.rec.leave(0)
		g.rec.Roll = nil                                                 // its files say what comes next
		g.rec.remember(&rev, math.MaxInt/2, s.good == s.rec.Live.Digest) // what is over the limit goes with its own next change
		g.rec.Live, g.rec.Whole = &rev, nil
		out = append(out, g)
	}
	return out, nil
}

func (g *given) write(t *reconcile.ClientTx) error {
	for name, data := range g.blobs {
		t.PutBlob(revisionBucket, g.s.name+"/"+name, data)
	}
	return g.rec.save(t, g.s.name)
}
