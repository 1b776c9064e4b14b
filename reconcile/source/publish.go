package source

import (
	"slices"
	"time"
)

// publish gives a new Snapshot, if anything in it would be new.
func (l *loop) publish(now time.Time) {
	last := l.s.Latest()
	snap := &Snapshot{
		Seq: 1, Root: l.s.o.Root, Err: l.tree.err(), Changed: l.changed,
		Hold: l.git.told(now), Git: l.git.state(), Warnings: l.tree.warnings(),
	}
	if w := l.watches.warning(); w != "" {
		snap.Warnings = append(snap.Warnings, w)
	}
	filesChanged := l.tree.rev != l.told && !l.torn
	if last == nil {
		if (l.git.hold != nil || l.torn) && snap.Hold == nil {
			return // what was read may be half of something
		}
		if !l.tree.scanned && l.tree.rootErr == nil && snap.Hold == nil || len(l.tree.waiting) > 0 && now.Before(l.started.Add(startWait)) {
			return
		}
	} else {
		if !filesChanged && same(last, snap) {
			return
		}
		snap.Seq = last.Seq + 1
	}
	if filesChanged {
		l.changed, snap.Changed = now, now
		l.git.stale = true
		if now.Sub(l.lastPublish) > calm {
			l.gap = 0
		}
		l.gap = min(max(firstGap, 2*l.gap), lastGap)
		l.lastPublish = now
	}
	if l.torn && last != nil {
		snap.Files = last.Files
	} else {
		snap.Files, l.told = l.tree.snapshotFiles(), l.tree.rev
	}
	l.report(last, snap)
	l.s.publish(snap)
}

// report logs what the owner should know, once.
func (l *loop) report(last, snap *Snapshot) {
	if last == nil {
		last = &Snapshot{}
	}
	if text(snap.Err) != text(last.Err) && snap.Err != nil {
		l.s.o.Log.Error(snap.Err, "cannot read all manifests; what was last seen there stays")
	}
	for _, w := range snap.Warnings {
		if !slices.Contains(last.Warnings, w) {
			l.s.o.Log.Info("warning: " + w)
		}
	}
}

// same tells whether two Snapshots with the same files say the same.
func same(a, b *Snapshot) bool {
	return text(a.Err) == text(b.Err) && a.Hold.same(b.Hold) && a.Git.same(b.Git) && slices.Equal(a.Warnings, b.Warnings)
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
