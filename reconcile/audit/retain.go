package audit

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// kept is one file that retention may take.
type kept struct {
	chain  string
	number int
	size   int64
	to     time.Time
	seq    uint64
	hash   digest
	own    bool // of the chain that is being written
}

// retain removes the oldest files of this writer's chains that are too old or too many: first a record says what goes, then the signed
// index, then the files go. Whoever dies in between leaves files that the index does not count; the next one removes them.
func (k *keeper) retain() error {
	dir := k.log.o.Dir
	unlock, err := lockDir(dir)
	if err != nil {
		return fmt.Errorf("cannot lock audit log %q: %w", dir, err)
	}
	defer unlock()
	found, err := list(dir)
	if err != nil {
		return err
	}
	x, err := readIndex(dir, k.log.PublicKey())
	if err != nil {
		return fmt.Errorf("cannot read the index of audit log %q: %w", dir, err)
	}
	k.sweep(found, x)
	files, total, err := k.removable(found, x)
	if err != nil {
		return err
	}
	age, size := k.log.retention()
	if files = tooMuch(files, total, k.log.cautiousNow().Add(-age), size); len(files) == 0 {
		return nil
	}
	taken := takeOut(x, files, found)
	if err := k.tell(files, taken); err != nil {
		return err
	}
	forget(x, found, dir)
	if err := x.write(k.disk, dir, k.log.key, k.log.now()); err != nil {
		return fmt.Errorf("cannot write the index of audit log %q: %w", dir, err)
	}
	k.sweep(found, x)
	return nil
}

// cautiousNow is the wall clock, but no later than the time that has passed since the log was opened: a clock that jumps ahead removes
// nothing.
func (l *Log) cautiousNow() time.Time {
	now, atMost := l.o.Now(), l.wall.Add(time.Since(l.zero)+time.Minute)
	if now.After(atMost) {
		return atMost
	}
	return now
}

// sweep removes files that the index does not count any more.
func (k *keeper) sweep(found *listing, x *index) {
	for _, e := range x.entries {
		for _, n := range found.chains[e.Chain] {
			if e.Gone || n < e.First {
				_ = k.remove(filepath.Join(k.log.o.Dir, fileName(e.Chain, n)))
			}
		}
		if e.Gone && found.heads[e.Chain] {
			_ = k.remove(filepath.Join(k.log.o.Dir, e.Chain+headEnd))
		}
	}
}

// removable are the files of this writer that may go, oldest first: those of chains that have ended, and the full ones of its own.
func (k *keeper) removable(found *listing, x *index) (files []kept, total int64, err error) {
	for _, e := range x.entries {
		own := e.Chain == k.chain
		if writerOf(e.Chain) != k.log.o.Writer || e.Gone || !own && !e.Ended {
			continue
		}
		var to time.Time // never earlier than that of the file before it: they go in their order
		for _, n := range found.chains[e.Chain] {
			path := filepath.Join(k.log.o.Dir, fileName(e.Chain, n))
			info, err := os.Stat(path)
			if err != nil || n < e.First {
				continue
			}
			total += info.Size()
			if own && n >= k.number {
				continue
			}
			end, err := endingOf(path)
			if err != nil {
				return nil, 0, fmt.Errorf("cannot read audit log %q: %w", path, err)
			}
			if end.times.to.After(to) {
				to = end.times.to
			}
			f := kept{chain: e.Chain, number: n, size: info.Size(), to: to, own: own}
			f.seq, f.hash = end.last()
			files = append(files, f)
		}
	}
	slices.SortStableFunc(files, func(a, b kept) int {
		return cmp.Or(a.to.Compare(b.to), cmp.Compare(a.chain, b.chain), cmp.Compare(a.number, b.number))
	})
	return files, total, nil
}

// tooMuch are the first of the files, as many as must go: all that end before a time, and more while all together are larger than most.
func tooMuch(files []kept, total int64, before time.Time, most int64) []kept {
	for i, f := range files {
		if !f.to.Before(before) && total <= most {
			return files[:i]
		}
		total -= f.size
	}
	return files
}

// takeOut says in the index that files went, and answers how far each chain went.
func takeOut(x *index, files []kept, found *listing) (taken []standing) {
	for _, f := range files {
		e := x.of(f.chain)
		e.First, e.Base = f.number+1, f.seq
		if f.to.After(e.Until) {
			e.Until = f.to
		}
		all := found.chains[f.chain]
		e.Gone = !f.own && f.number == all[len(all)-1]
		s := standing{Chain: f.chain, Seq: f.seq, Hash: f.hash.String()}
		if i := slices.IndexFunc(taken, func(t standing) bool { return t.Chain == f.chain }); i >= 0 {
			taken[i] = s
		} else {
			taken = append(taken, s)
		}
	}
	return taken
}

// tell records what goes.
func (k *keeper) tell(files []kept, taken []standing) error {
	size := int64(0)
	for _, f := range files {
		size += f.size
	}
	chains, err := json.Marshal(taken)
	if err != nil {
		return err
	}
	return k.record(chains, fmt.Sprintf("retention removes %d files of %d bytes, with records until %s", len(files), size,
		files[len(files)-1].to.Format(time.RFC3339)))
}

// record writes a line of retention's own.
func (k *keeper) record(chains []byte, text string) error {
	body := appendText([]byte(`"kind":"`+KindRemoved+`"`), "chain", k.chain)
	if chains != nil {
		body = append(append(body, `,"chains":`...), chains...)
	}
	b, err := k.log.add(k.log.now(), appendText(body, "text", text), how{durable: true})
	if err != nil {
		return err
	}
	return k.log.see(b)
}

// forget drops chains from the index that are gone and that no chain's beginning names any more.
func forget(x *index, found *listing, dir string) {
	named := map[string]bool{}
	for _, e := range x.entries {
		if numbers := found.chains[e.Chain]; e.Gone || e.First > 1 || len(numbers) == 0 {
			continue
		}
		n, err := beginning(filepath.Join(dir, fileName(e.Chain, 1)))
		if err != nil {
			return // it may name any
		}
		for _, s := range n.Chains {
			named[s.Chain] = true
		}
	}
	x.entries = slices.DeleteFunc(x.entries, func(e *entry) bool {
		return e.Gone && !named[e.Chain] && len(found.chains[e.Chain]) == 0
	})
}
