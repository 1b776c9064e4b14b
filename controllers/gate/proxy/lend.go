package proxy

import (
	"sync"

	"mirroros.dev/mirroros/reconcile/audit"
)

// lendable is the largest body whose memory serves again: the client of the backends has copied it when its Do returns.
const lendable = 64 << 10

var (
	memory = sync.Pool{New: func() any { return new([]byte) }}
	books  = sync.Pool{New: func() any { return new(audit.Record) }}
)

// lend gives room for so many bytes, which is good until the request has ended.
func (x *exchange) lend(size int) []byte {
	if size > lendable {
		return make([]byte, 0, size)
	}
	b := memory.Get().(*[]byte)
	if cap(*b) < size {
		*b = make([]byte, 0, max(size, 2<<10))
	}
	if x.lent == nil {
		x.lent = x.room[:0]
	}
	x.lent = append(x.lent, b)
	return (*b)[:0]
}

// giveBack lets others have what was lent. Nothing of it may be looked at any more.
func (x *exchange) giveBack() {
	for _, b := range x.lent {
		memory.Put(b)
	}
	x.lent, x.body = nil, nil
	if x.book != nil {
		*x.book = audit.Record{}
		books.Put(x.book)
		x.book = nil
	}
}
