package stack

import (
	"time"

	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// count counts the objects that are ready, not more often than is cheap, and says when to count again if it did not.
func (r *Reconciler) count(s *state) time.Duration {
	set := s.inForce()
	pause := min(time.Second, time.Duration(set.Len())*100*time.Microsecond)
	now := r.o.Now()
	rev := r.o.Client.Store().Rev()
	if set == s.countedSet {
		if rev == s.countedRev {
			return 0
		}
		if since := now.Sub(s.counted); since >= 0 && since < pause {
			return pause - since
		}
	}
	defer r.noteGood(s)
	s.counted, s.countedRev, s.countedSet, s.counts, s.unready = now, rev, set, nil, nil
	declared := set.Kinds()
	there := 0
	for _, kind := range declaredKinds() {
		var ready int32
		list, _ := r.o.Client.Store().List(kind)
		for _, o := range list {
			if o.GetLabels()[specs.LabelStack] != s.name {
				continue
			}
			there++
			if isReady(o) {
				ready++
			} else {
				s.unready = append(s.unready, o.GetName())
			}
		}
		if declared[kind] > 0 {
			s.counts = append(s.counts, specs.KindCount{Kind: kind, Ready: min(ready, declared[kind]), Declared: declared[kind]})
		}
	}
	if s.verified >= 0 && there < s.verified && s.target == nil {
		s.verified = -1 // something is missing: it is put back next
		return time.Millisecond
	}
	return 0
}

// noteGood notes that all objects of the set in force are ready at once. The next receipt that is written keeps it: it is worth no write of
// its own, since whoever starts anew counts again.
func (r *Reconciler) noteGood(s *state) {
	if s.target != nil || s.live == nil {
		return
	}
	for _, c := range s.counts {
		if c.Ready < c.Declared {
			return
		}
	}
	s.good = s.live.Digest()
}

// isReady tells whether an object says that it is ready as it is declared now.
func isReady(o store.Object) bool { return reconcile.HealthOf(o).Ready }
