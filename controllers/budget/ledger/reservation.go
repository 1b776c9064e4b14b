package ledger

// Reservation is what was set aside for one call. Exactly one of Settle and Cancel ends it; a further one does nothing.
type Reservation struct{}

// Output is how many output tokens each choice may have: what was asked for, or what the budgets have left.
func (r *Reservation) Output() int64 { return 0 }

// Commit with durable returns when the reservation is on the disk; without, at once, for it is in the log since Reserve. On an error the
// reservation is canceled.
func (r *Reservation) Commit(durable bool) error { return nil }

// Settle replaces what was set aside by what the call took, at the price of the backend that answered; nil is free. It does not wait for the disk; what
// cannot be written now is kept and written when it can. Over tells that it took more than was set aside: all of it is charged.
func (r *Reservation) Settle(u Usage, p *Price) (over bool) { return false }

// Cancel gives everything back: the call took nothing, and was no request.
func (r *Reservation) Cancel() {}

// Left is what the tightest limits of tokens and of requests had left, with this reservation, when it was made.
func (r *Reservation) Left() (tokens, requests Left) { return }
