// Package budget tells how TokenBudgets stand. It holds nobody to them: the gates do, by the ledger below this package and by the file that
// package gate writes for them.
//
// It reads the ledger's log, as a reader that writes nothing, when a gate tells its counters (at most once a second) and when an object or what the
// gates run changes; and at the times when a window begins anew or the last hour's rate has changed, as long as something is used. While nobody
// calls nothing is looked at. A status is written only when it says something else.
//
// An event tells of each threshold once in each window. What was told is in the status, which is stored with the event: they are lost together or
// not at all. The one thing that it does is Reset, for somebody who says why: a record in the operator's chain, then a fact in the ledger.
package budget
