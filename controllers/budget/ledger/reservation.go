package ledger

import "sync/atomic"

// Reservation is what was set aside for one call. Exactly one of Settle and Cancel ends it; a further one does nothing.
type Reservation struct {
	ledger           *Ledger
	n                uint64
	output           int64
	most             Amounts
	place            int64 // where its record ends
	tokens, requests Left
	held             bool
	ended            atomic.Bool
}

// Held tells that a budget holds for the call; where none does, it is a fact and nothing more.
func (r *Reservation) Held() bool { return r.held }

// Output is how many output tokens each choice may have: what was asked for, or what the budgets have left.
func (r *Reservation) Output() int64 { return r.output }

// Commit with durable returns when the reservation is on the disk; without, at once, for it is in the log since Reserve. On an error the
// reservation is canceled.
func (r *Reservation) Commit(durable bool) error {
	if !durable {
		return nil
	}
	err := r.ledger.disk.upTo(r.place)
	if err != nil {
		r.Cancel()
	}
	return err
}

// Settle replaces what was set aside by what the call took, at the price of the backend that answered; nil is free. It does not wait for the disk; what
// cannot be written now is kept and written when it can. Over tells that it took more than was set aside: all of it is charged.
func (r *Reservation) Settle(u Usage, p *Price) (over bool) {
	u = Usage{max(0, u.Input), max(0, u.Cached), max(0, u.Output)}
	cost := Nano(0)
	if p != nil {
		cost = max(0, p.Cost(u))
	}
	r.end(record{kind: recSettle, usage: u, cost: cost})
	return u.Input > r.most.Input || u.Output > r.most.Output || cost > r.most.Cost
}

// Cancel gives everything back: the call took nothing, and was no request.
func (r *Reservation) Cancel() { r.end(record{kind: recCancel}) }

func (r *Reservation) end(fact record) {
	if r.ended.Swap(true) {
		return
	}
	fact.id = callID{r.ledger.gen.number, r.n}
	_ = r.ledger.submit(&op{fact: &fact}) // of a closed ledger, what is open is charged by the next one
}

// Left is what the tightest limits of tokens and of requests had left, with this reservation, when it was made.
func (r *Reservation) Left() (tokens, requests Left) { return r.tokens, r.requests }
