package ledger

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// A book file holds what the log files before its number told: a snapshot, which the log file of its number goes on from. It depends on those records
// alone, so that whoever makes it makes the same bytes.

// encode the book as the file of that number.
func (b *book) encode(number uint64) []byte {
	out := header(magicBook, number)
	put := func(r record) { out = appendFrame(out, number, 0, &r) }
	put(record{kind: recTime, at: b.now, used: b.used, held: b.held})
	put(record{kind: recBoot, text: b.boot, number: b.bootOffset})
	put(record{kind: recGen, id: callID{gen: b.lastGen}})
	for _, name := range slices.Sorted(maps.Keys(b.resets)) {
		put(record{kind: recReset, text: name, at: moment{ledger: b.resets[name]}})
	}
	for _, name := range slices.Sorted(maps.Keys(b.principals)) {
		p := b.principals[name]
		put(record{kind: recPrincipal, name: keyName{principal: name}, text: p.Type, labels: p.Labels, number: p.number})
	}
	for _, k := range b.keys {
		put(record{kind: recKey, name: k.keyName})
	}
	for _, k := range b.keys {
		for part := range slices.Chunk(k.series, bucketChunk) {
			put(record{kind: recBuckets, key: k.id, buckets: part})
		}
	}
	for _, id := range slices.SortedFunc(maps.Keys(b.open), compareIDs) {
		h := b.open[id]
		put(record{kind: recReserve, id: id, key: h.key.id, usage: Usage{Input: h.Input, Output: h.Output}, cost: h.Cost, text: h.request})
	}
	put(record{kind: recEnd, key: number})
	return out
}

// readBook reads the book file of that number.
func readBook(dir string, number uint64) (*book, error) {
	name := filepath.Join(dir, fileName(number, bookExt))
	content, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	if err := checkHeader(name, magicBook, number, content, restoreBook); err != nil {
		return nil, err
	}
	b, at, err := decodeBook(content, number)
	if err != nil {
		return nil, &fault{name, at, err.Error(), restoreBook}
	}
	return b, nil
}

// decodeBook gives the offset of what is wrong.
func decodeBook(content []byte, number uint64) (b *book, at int64, err error) {
	b = newBook()
	var want, sum, held Amounts
	var r record
	for at = headerSize; ; {
		payload, size, s := readFrame(content[at:], number, at)
		if s != frameOK {
			return nil, at, fmt.Errorf("a record is not whole")
		}
		if err := r.decode(payload); err != nil {
			return nil, at, err
		}
		switch r.kind {
		case recTime:
			b.now, b.used, want, held = r.at, r.used, r.used, r.held
		case recBuckets:
			if r.key >= uint64(len(b.keys)) {
				return nil, at, errPayload
			}
			k := b.keys[r.key]
			k.series = append(k.series, r.buckets...)
			for _, u := range r.buckets {
				sum.plus(u.Amounts)
				b.maxWall = max(b.maxWall, (u.wall+max(1, u.width))*1e9)
			}
		case recEnd:
			if sum != want || held != b.held || at+int64(size) != int64(len(content)) {
				return nil, at, fmt.Errorf("the balance should be %+v used and %+v set aside, but it says %+v and %+v", sum, b.held, want, held)
			}
			return b, at, nil
		case recBoot, recGen, recReset, recPrincipal, recKey, recReserve:
			if err := b.apply(&r); err != nil {
				return nil, at, err
			}
		default:
			return nil, at, errPayload
		}
		at += int64(size)
	}
}
