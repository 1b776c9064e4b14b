package ledger

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sort"
)

// book is what the log says: facts, and the accounts of a config that are derived from them. It is a pure function of the records that were applied
// in their order, the same in each process. One goroutine at a time uses it.
type book struct {
	now        moment
	boot       string // of the latest record of a boot, with what is added to its clock
	bootOffset int64
	lastGen    uint64
	keys       []*key
	byName     map[keyName]*key
	perWho     map[string]int // keys of a principal
	principals map[string]*known
	open       map[callID]*hold
	openOf     map[uint64]int   // reservations of a generation
	resets     map[string]int64 // when a budget was reset last, by the ledger's clock
	cuts       []int64          // the times of resets, rising: no bucket is on both sides of one
	used, held Amounts
	maxWall    int64 // no use has a later wall time

	accounts *accounts // of the config; nil is none
	stale    bool      // the accounts must be made anew
}

// key is what is accounted by itself.
type key struct {
	keyName
	id       uint64
	series   series
	accounts []*account
}

// known is what the log knows of a principal.
type known struct {
	Principal
	number int64 // of the config that it is from
}

// hold is what is set aside for a call under way.
type hold struct {
	key *key
	Amounts
	request string
}

func newBook() *book {
	return &book{byName: map[keyName]*key{}, perWho: map[string]int{}, principals: map[string]*known{}, open: map[callID]*hold{},
		openOf: map[uint64]int{}, resets: map[string]int64{}}
}

// apply takes a record of the log. An error is a log that contradicts itself.
func (b *book) apply(r *record) error {
	switch r.kind {
	case recTime:
		if r.at.ledger <= b.now.ledger {
			return fmt.Errorf("the ledger's clock goes from %d back to %d", b.now.ledger, r.at.ledger)
		}
		if r.used != b.used || r.held != b.held {
			return fmt.Errorf("the balance should be %+v used and %+v set aside, but it says %+v and %+v", b.used, b.held, r.used, r.held)
		}
		b.now = r.at
	case recBoot:
		b.boot, b.bootOffset = r.text, r.number
	case recGen:
		b.lastGen = max(b.lastGen, r.id.gen)
	case recPrincipal:
		b.know(&known{Principal{r.name.principal, r.text, r.labels}, r.number})
	case recKey:
		if b.byName[r.name] != nil {
			return fmt.Errorf("%q appears twice", r.name)
		}
		b.addKey(r.name)
	case recReserve:
		if r.key >= uint64(len(b.keys)) || b.open[r.id] != nil {
			return fmt.Errorf("reservation %d of generation %d has no key, or is there twice", r.id.n, r.id.gen)
		}
		b.reserve(r.id, &hold{b.keys[r.key], Amounts{r.usage.Input, r.usage.Output, r.cost, 1}, r.text})
	case recSettle, recCancel:
		h := b.open[r.id]
		if h == nil {
			return fmt.Errorf("reservation %d of generation %d ends, but is not open", r.id.n, r.id.gen)
		}
		b.release(r.id, h)
		if r.kind == recSettle {
			b.spend(h.key, Amounts{r.usage.Input, r.usage.Output, r.cost, 1})
		}
	case recCharge:
		for _, id := range b.openIn(r.id.gen) {
			h := b.open[id]
			b.release(id, h)
			b.spend(h.key, h.Amounts)
		}
	case recReset:
		b.reset(r.text, r.at.ledger)
	case recEnd:
		b.fold()
	default:
		return fmt.Errorf("a record %q does not belong here", r.kind)
	}
	return nil
}

// openIn are the open reservations of a generation in their order.
func (b *book) openIn(gen uint64) []callID {
	var out []callID
	for id := range b.open {
		if id.gen == gen {
			out = append(out, id)
		}
	}
	slices.SortFunc(out, compareIDs)
	return out
}

func compareIDs(a, b callID) int { return cmp.Or(cmp.Compare(a.gen, b.gen), cmp.Compare(a.n, b.n)) }

func (b *book) addKey(name keyName) *key {
	k := &key{keyName: name, id: uint64(len(b.keys))}
	b.keys = append(b.keys, k)
	b.byName[name] = k
	b.perWho[name.principal]++
	if b.accounts != nil {
		b.accounts.attach(b, k)
	}
	return k
}

// know who somebody is. When that changes what budgets select, the accounts must be made anew.
func (b *book) know(p *known) {
	old := b.principals[p.Name]
	b.principals[p.Name] = p
	same := old != nil && old.Type == p.Type && maps.Equal(old.Labels, p.Labels)
	if !same && b.accounts != nil && b.accounts.principals[p.Name] == nil && b.perWho[p.Name] > 0 {
		b.stale = true
	}
}

func (b *book) reserve(id callID, h *hold) {
	b.open[id] = h
	b.openOf[id.gen]++
	b.held.plus(h.Amounts)
	for _, a := range h.key.accounts {
		a.held.plus(h.Amounts)
	}
}

func (b *book) release(id callID, h *hold) {
	delete(b.open, id)
	if b.openOf[id.gen]--; b.openOf[id.gen] == 0 {
		delete(b.openOf, id.gen)
	}
	b.held.minus(h.Amounts)
	for _, a := range h.key.accounts {
		a.held.minus(h.Amounts)
	}
}

func (b *book) spend(k *key, a Amounts) {
	b.used.plus(a)
	for _, acc := range k.accounts { // before the series, from which a counter may be derived meanwhile
		for i := range acc.counters {
			acc.counters[i].add(b, acc, a)
		}
		acc.latest = max(acc.latest, b.now.wall)
	}
	k.series.add(b.now, a, b.lastCut())
	b.maxWall = max(b.maxWall, b.now.wall)
}

func (b *book) lastCut() int64 {
	if n := len(b.cuts); n > 0 {
		return b.cuts[n-1]
	}
	return 0
}

func (b *book) reset(budget string, at int64) {
	if old, ok := b.resets[budget]; ok {
		if i, found := slices.BinarySearch(b.cuts, old); found {
			b.cuts = slices.Delete(b.cuts, i, i+1)
		}
	}
	b.resets[budget] = at
	i, _ := slices.BinarySearch(b.cuts, at)
	b.cuts = slices.Insert(b.cuts, i, at)
	if b.accounts != nil {
		b.accounts.forget(budget)
	}
}

// apart tells whether a reset lies between two uses.
func (b *book) apart(from, to int64) bool {
	i := sort.Search(len(b.cuts), func(i int) bool { return b.cuts[i] >= from })
	return i < len(b.cuts) && b.cuts[i] < to
}

// fold makes old facts coarser. It happens where the log says so, for all processes alike.
func (b *book) fold() {
	for _, k := range b.keys {
		k.series.fold(b.now, b.apart)
	}
}
