package ledger

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"maps"
	"math"
	"slices"
)

// A file begins with a header: magic, version and number. Then records follow, each with the length of its payload, a CRC32C, and the payload, which
// begins with its kind. The CRC covers the file's number and the offset too, so that a record that was moved, doubled or left out shows.
const (
	version     = 1
	headerSize  = 24
	frameSize   = 8
	maxPayload  = 1 << 18
	maxText     = 1 << 10
	magicLog    = "mrledger"
	magicBook   = "mrl-book"
	bucketChunk = 1000 // buckets in a record of a snapshot: at most 70 KB
)

// Kinds of records.
const (
	recTime      = 'T' // when what follows happened, and the balance before it
	recBoot      = 'C' // a boot that is new to the log
	recGen       = 'G' // a generation begins
	recPrincipal = 'P' // who somebody is
	recKey       = 'K' // who spends through what for which model; numbered from 0
	recReserve   = 'R' // set aside
	recSettle    = 'S' // what it took
	recCancel    = 'X' // it took nothing
	recCharge    = 'D' // a generation died: what it had set aside was taken
	recReset     = 'Z' // a budget forgets
	recBuckets   = 'B' // of a key, in a snapshot
	recEnd       = 'E' // the file ends; of a log file the next one goes on
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// callID names a reservation: a generation and its counter.
type callID struct{ gen, n uint64 }

// record is one fact. What a kind does not have is zero.
type record struct {
	kind    byte
	id      callID
	key     uint64
	usage   Usage // of a reservation without Cached
	cost    Nano
	at      moment
	used    Amounts           // balance: what was ever used
	held    Amounts           // balance: what is set aside
	name    keyName           // key; of a principal the name alone
	text    string            // id of a request, boot id, budget, type of a principal
	more    string            // reason
	number  int64             // of the config that a principal is from; offset of a boot
	labels  map[string]string // of a principal
	buckets []bucket
}

// keyName is what is accounted by itself.
type keyName struct{ principal, gate, route, model string }

var errPayload = errors.New("its content makes no sense")

type encoder []byte

func (e *encoder) u(n uint64)   { *e = binary.AppendUvarint(*e, n) }
func (e *encoder) n(n int64)    { e.u(uint64(n)) }
func (e *encoder) z(n int64)    { *e = binary.AppendVarint(*e, n) }
func (e *encoder) s(s string)   { e.u(uint64(len(s))); *e = append(*e, s...) }
func (e *encoder) a(a *Amounts) { e.n(a.Input); e.n(a.Output); e.n(int64(a.Cost)); e.n(a.Requests) }

func (r *record) encode(e *encoder) {
	*e = append(*e, r.kind)
	switch r.kind {
	case recTime:
		e.z(r.at.ledger)
		e.z(r.at.wall)
		e.a(&r.used)
		e.a(&r.held)
	case recBoot:
		e.s(r.text)
		e.z(r.number)
	case recGen, recCharge:
		e.u(r.id.gen)
	case recPrincipal:
		e.s(r.name.principal)
		e.s(r.text)
		e.n(r.number)
		e.u(uint64(len(r.labels)))
		for _, k := range slices.Sorted(maps.Keys(r.labels)) {
			e.s(k)
			e.s(r.labels[k])
		}
	case recKey:
		e.s(r.name.principal)
		e.s(r.name.gate)
		e.s(r.name.route)
		e.s(r.name.model)
	case recReserve:
		e.u(r.id.gen)
		e.u(r.id.n)
		e.u(r.key)
		e.n(r.usage.Input)
		e.n(r.usage.Output)
		e.n(int64(r.cost))
		e.s(r.text)
	case recSettle:
		e.u(r.id.gen)
		e.u(r.id.n)
		e.n(r.usage.Input)
		e.n(r.usage.Cached)
		e.n(r.usage.Output)
		e.n(int64(r.cost))
	case recCancel:
		e.u(r.id.gen)
		e.u(r.id.n)
	case recReset:
		e.s(r.text)
		e.s(r.more)
		e.z(r.at.ledger)
	case recBuckets:
		e.u(r.key)
		e.u(uint64(len(r.buckets)))
		var wall, last int64 // differences are short
		for i := range r.buckets {
			b := &r.buckets[i]
			e.z(b.wall - wall)
			e.n(b.width)
			e.z(b.last - last)
			e.a(&b.Amounts)
			wall, last = b.wall, b.last
		}
	case recEnd:
		e.u(r.key)
	}
}

type decoder struct {
	b   []byte
	i   int
	bad bool
}

func (d *decoder) u() uint64 {
	n, size := binary.Uvarint(d.b[d.i:])
	d.skip(size)
	return n
}

// n is a number that is not negative.
func (d *decoder) n() int64 {
	n := d.u()
	d.bad = d.bad || n > math.MaxInt64
	return int64(n & math.MaxInt64)
}

func (d *decoder) z() int64 {
	n, size := binary.Varint(d.b[d.i:])
	d.skip(size)
	return n
}

func (d *decoder) skip(size int) {
	if size <= 0 {
		d.bad, size = true, d.left()
	}
	d.i += size
}

func (d *decoder) left() int { return len(d.b) - d.i }

func (d *decoder) s() string {
	n := d.u()
	if n > uint64(d.left()) {
		d.skip(0)
		return ""
	}
	s := string(d.b[d.i : d.i+int(n)])
	d.i += int(n)
	return s
}

func (d *decoder) a() Amounts {
	return Amounts{Input: d.n(), Output: d.n(), Cost: Nano(d.n()), Requests: d.n()}
}

// decode reads a payload whole into r.
func (r *record) decode(payload []byte) error {
	*r = record{}
	if len(payload) == 0 {
		return errPayload
	}
	r.kind = payload[0]
	d := &decoder{b: payload[1:]}
	switch r.kind {
	case recTime:
		r.at = moment{d.z(), d.z()}
		r.used, r.held = d.a(), d.a()
	case recBoot:
		r.text, r.number = d.s(), d.z()
	case recGen, recCharge:
		r.id.gen = d.u()
	case recPrincipal:
		r.name.principal, r.text, r.number = d.s(), d.s(), d.n()
		n := d.u()
		if n > uint64(d.left()) {
			return errPayload
		}
		for range n {
			if r.labels == nil {
				r.labels = map[string]string{}
			}
			k := d.s()
			r.labels[k] = d.s()
		}
	case recKey:
		r.name = keyName{d.s(), d.s(), d.s(), d.s()}
	case recReserve:
		r.id = callID{d.u(), d.u()}
		r.key = d.u()
		r.usage = Usage{Input: d.n(), Output: d.n()}
		r.cost, r.text = Nano(d.n()), d.s()
	case recSettle:
		r.id = callID{d.u(), d.u()}
		r.usage = Usage{Input: d.n(), Cached: d.n(), Output: d.n()}
		r.cost = Nano(d.n())
	case recCancel:
		r.id = callID{d.u(), d.u()}
	case recReset:
		r.text, r.more, r.at.ledger = d.s(), d.s(), d.z()
	case recBuckets:
		r.key = d.u()
		n := d.u()
		if n > bucketChunk {
			return errPayload
		}
		var wall, last int64
		for range n {
			b := bucket{wall: wall + d.z(), width: d.n(), last: last + d.z(), Amounts: d.a()}
			wall, last = b.wall, b.last
			r.buckets = append(r.buckets, b)
		}
	case recEnd:
		r.key = d.u()
	default:
		return errPayload
	}
	if d.bad || d.left() > 0 {
		return errPayload
	}
	return nil
}

// appendFrame puts a record behind those of buf, which will be in the file of that number from the offset on.
func appendFrame(buf []byte, number uint64, offset int64, r *record) []byte {
	at := len(buf)
	e := encoder(append(buf, 0, 0, 0, 0, 0, 0, 0, 0))
	r.encode(&e)
	frame := e[at:]
	binary.LittleEndian.PutUint32(frame, uint32(len(frame)-frameSize))
	binary.LittleEndian.PutUint32(frame[4:], checksum(number, offset+int64(at), frame))
	return e
}

func checksum(number uint64, offset int64, frame []byte) uint32 {
	var place [16]byte
	binary.LittleEndian.PutUint64(place[:], number)
	binary.LittleEndian.PutUint64(place[8:], uint64(offset))
	crc := crc32.Update(0, castagnoli, place[:])
	crc = crc32.Update(crc, castagnoli, frame[:4])
	return crc32.Update(crc, castagnoli, frame[frameSize:])
}

// state of the bytes where a record should be.
type frameState int

const (
	frameOK    frameState = iota
	frameShort            // more is to come, if the length is right
	frameBad
)

// readFrame finds the payload of the record at the beginning of b. With frameShort, size is how many bytes it has in all.
func readFrame(b []byte, number uint64, offset int64) (payload []byte, size int, s frameState) {
	if len(b) < frameSize {
		return nil, frameSize, frameShort
	}
	n := binary.LittleEndian.Uint32(b)
	if n == 0 || n > maxPayload {
		return nil, 0, frameBad
	}
	size = frameSize + int(n)
	if len(b) < size {
		return nil, size, frameShort
	}
	if checksum(number, offset, b[:size]) != binary.LittleEndian.Uint32(b[4:]) {
		return nil, 0, frameBad
	}
	return b[frameSize:size], size, frameOK
}
