package stack

import (
	"context"
	"fmt"
	"maps"
	"time"

	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/admit"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// noteSuspended remembers durably that what the files declare may be changed from now on.
func (r *Reconciler) noteSuspended(ctx context.Context, s *state) error {
	s.decided = decision{}
	r.publish()
	if s.rec.Verify || s.live == nil {
		return nil
	}
	return r.keep(ctx, s, func(c *receipt) { c.Verify = true }, nil)
}

// keep changes the receipt, with other writes when there are some.
func (r *Reconciler) keep(ctx context.Context, s *state, change func(*receipt), also func(*reconcile.ClientTx) error) error {
	next := s.rec
	change(&next)
	_, err := r.o.Client.Txn(ctx, func(t *reconcile.ClientTx) error {
		if also != nil {
			if err := also(t); err != nil {
				return err
			}
		}
		return next.save(t, s.name)
	})
	if err != nil {
		return err
	}
	s.rec = next
	r.publish()
	return nil
}

// calendarLook is how often a calendar time is looked at anew: timers stand still while the host sleeps, and do not follow a clock that is set.
const calendarLook = time.Minute

// resume ends a suspension whose time has come, and says when to look again.
func (r *Reconciler) resume(ctx context.Context, o *specs.Stack) (time.Duration, error) {
	text := o.GetAnnotations()[specs.AnnotationResumeAt]
	if text == "" || !o.Spec.Suspend {
		return 0, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return 0, nil // validation refuses it; what is there from before waits for somebody
	}
	if left := at.Sub(r.o.Now().Round(0)); left > 0 { // wall against wall
		return min(left, calendarLook), nil
	}
	n := specs.Copy(o)
	n.Spec.Suspend = false
	annotations := maps.Clone(n.Annotations)
	delete(annotations, specs.AnnotationResumeAt)
	delete(annotations, specs.AnnotationSuspendReason)
	n.Annotations = annotations
	n.ResourceVersion = ""
	if _, err := r.o.Client.Update(ctx, n); err != nil {
		return 0, err
	}
	r.o.Event(o, specs.EventNormal, specs.ReasonResumed, "the suspension ended at "+text)
	r.publish()
	return 0, nil
}

// ensure brings the Stack's own object to its document. Documents of Stacks act at once: they say how everything else does.
func (r *Reconciler) ensure(ctx context.Context, s *state) error {
	live, exists := reconcile.Get[*specs.Stack](r.o.Client, s.name)
	if s.doc == nil {
		if exists {
			return nil
		}
		return r.ensureWithout(ctx, s)
	}
	doc := s.doc.Document()
	if doc == nil || doc.Object == nil {
		return nil
	}
	k := &kept{File: s.doc.Rel(), Line: s.doc.Line, Path: doc.Object.(*specs.Stack).Spec.Source.Path, Text: string(doc.Text)}
	if was := s.rec.Doc; exists && was != nil && was.File == k.File && was.Line == k.Line && was.Text == k.Text && (!s.rec.Verify || live.Spec.Suspend) {
		return nil
	}
	return r.keep(ctx, s, func(c *receipt) { c.Doc = k }, func(t *reconcile.ClientTx) error {
		if !exists {
			_, err := t.Create(created(doc, ""))
			return err
		}
		var last *specs.Document
		if e := s.document(); e != nil {
			last = e.Document()
		}
		n, faults, err := merged(last, doc, live, "")
		if err != nil || len(faults) > 0 {
			return fmt.Errorf("cannot put stack/%s in force: %w", s.name, orFaults(err, faults.ToAggregate()))
		}
		n.SetResourceVersion("")
		_, err = t.Update(n)
		return err
	})
}

func orFaults(err, faults error) error {
	if err != nil {
		return err
	}
	return faults
}

// ensureWithout makes the object of a Stack that no file declares: the default one, or one whose object somebody removed before its objects went.
func (r *Reconciler) ensureWithout(ctx context.Context, s *state) error {
	if e := s.document(); e != nil {
		if d := e.Document(); d != nil && d.Object != nil {
			_, err := r.o.Client.Create(ctx, created(d, ""))
			return err
		}
	}
	o := &specs.Stack{}
	o.Name = s.name
	specs.Default(o)
	return r.keep(ctx, s, func(*receipt) {}, func(t *reconcile.ClientTx) error { _, err := t.Create(o); return err })
}

// forget removes a Stack that has nothing left, with all that is kept of it.
func (r *Reconciler) forget(ctx context.Context, s *state, o *specs.Stack) error {
	names := r.garbage(s.name, nil, s.rec.digests())
	if s.rec.Live != nil && s.rec.at(s.rec.Live.Digest) < 0 {
		names = append(names, admit.RootName(s.rec.Live.Digest))
	}
	_, err := r.o.Client.Txn(ctx, func(t *reconcile.ClientTx) error {
		for _, n := range names {
			t.DeleteBlob(revisionBucket, s.name+"/"+n)
		}
		t.DeleteBlob(receiptBucket, s.name)
		return t.Delete(store.Key{Kind: "Stack", Name: s.name})
	})
	if err != nil {
		return err
	}
	r.o.Event(o, specs.EventNormal, specs.ReasonStackDeleted, "its document is gone, and it has no objects left")
	delete(r.stacks, s.name)
	r.publish()
	return nil
}
