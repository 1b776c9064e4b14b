// Package ledger holds calls to budgets: it records facts (who, through which gate and route, for which model, how much, when), derives balances from them,
// and sets aside what a call may take before the call is forwarded.
//
// # One log, several writers
//
// The log is a directory of segments that only grow. Whoever writes holds the lock of the log (flock(2)), and reads what others wrote since
// before it decides: so the old and the new gate of an upgrade, and the operator that resets a budget, write the same log, no call is decided by a
// balance that another writer changed, and nothing is handed over. Calls that come together are decided and written together. A
// generation is one process that reserves; it holds a lock file of its own as long as it lives. What is reserved by a generation whose lock
// is free belongs to a dead process, and is charged in full.
//
// The directory holds:
//
//	lock                 the lock of the log
//	0000000007.log       records, each with a CRC32C over its content and its place; at the head of each write the time and the running balance
//	0000000007.book      what all files before 0000000007.log told: a snapshot; the one before it stays too, so that Verify can derive it again
//	generations/12       the lock file of a process
//
// # Facts and balances
//
// A budget that is new, renamed, or has another window knows at once what was spent before it, because balances are sums over facts. Facts
// are kept for 62 days by the second, minute or quarter of an hour, coarser with age, and for ever as a sum: a limit without a window is
// over all that ever was. Only a reset, which is a fact too, makes a budget forget.
//
// A call counts when it ends; until then all of what it may take is set aside. What a sliding window has used is told in steps of a sixtieth, and after a
// restart by the width of the facts: late and never early.
//
// # Promises
//
//   - In no window of a limit more is used than its amount, as long as no call takes more than was set aside for it, under parallel calls of several
//     processes, kill -9 of each, and restarts; and no limit was lowered, and no wall clock was moved, below what was used.
//   - What Commit(true) returned nil for is on the disk. A power cut may take ends of calls that were not there yet: those are charged in full.
//     With Commit(false) a power cut may take calls whole; the death of a process takes nothing.
//   - A call that cannot be written does not go on. The end of a call that cannot be written is kept, and written when it can.
//   - Half a write at the very end of the log is cut off. Anything else that is not as it was written is refused with its place, by whoever reads it.
//
// # Clocks
//
// Sliding windows run on the ledger's own clock, which goes on with the boot-time clock (CLOCK_BOOTTIME, with time asleep) and over a reboot with the wall clock, and
// never backwards. Calendar windows go by the wall clock in their zone. The zones are those of the host, or of the program: import time/tzdata.
//
// # What budgets of other gateways are blamed for
//
// Each of it has a test here; the names are looked up by one.
//
//	calls at once spend more than there is
//		cmd/mirrorgate/budgets_test.go: passes as many calls as a budget admits, of a thousand at once
//		controllers/budget/ledger/random_test.go: agree with a plain model, whatever happens to them
//	what is set aside blocks who has hardly spent
//		controllers/budget/ledger/ledger_test.go: does not pin a budget with what it might take but does not
//		controllers/gate/proxy/bounds_test.go: lowers the cap of calls that bring none
//		controllers/budget/ledger/queue_test.go: TestWhoeverCannotHaveWhatItWaitsForHoldsUpNobody
//	a model without a price, or by another name, is under no budget
//		cmd/e2e/budget_test.go: that counts money refuses a set with a route that has no price
//		reconcile/admit/budget_test.go: models that no route of the scope serves
//		controllers/gate/proxy/meter_test.go: is a request and the price of a call: of HTTP
//	who goes away pays nothing, or too much
//		cmd/mirrorgate/budgets_test.go: charges what the backend served, when callers go away at any moment
//		controllers/gate/proxy/settle_test.go: the answer is read on to the usage at its end
//		controllers/gate/proxy/settle_test.go: an explicit zero is zero
//	the usage of a stream is not asked for, or not found
//		controllers/gate/proxy/settle_test.go: the chunk that the gate asked for
//		controllers/gate/proxy/settle_test.go: a response that failed
//		controllers/gate/proxy/usage_test.go: is found however the answer is cut, and nothing else is taken for it
//	a restart forgets what was spent
//		cmd/e2e/budget_chaos_test.go: when the gate is killed at any moment
//		cmd/e2e/budget_chaos_test.go: is exact while the gate's own program is replaced
//		controllers/budget/ledger/crash_test.go: of one of two gates under load, again and again
//	a window does not begin anew, or begins twice
//		controllers/budget/ledger/ledger_test.go: of the calendar begins anew at its edge
//		controllers/budget/ledger/ledger_test.go: of the calendar does not begin twice when the clock goes back
//		controllers/budget/ledger/window_test.go: a day of 25 hours
//	a budget is taken and not held to
//		controllers/budget/decide_test.go: a gate runs earlier budgets
//		cmd/mirrorgate/budgets_test.go: takes up budgets as they are written
//		controllers/budget/ledger/ledger_test.go: of none is a prepaid amount
//	budgets of many are not shared, and headers tell something else
//		controllers/budget/ledger/ledger_test.go: all hold that a call falls under, and all above them
//		cmd/e2e/budget_rough_test.go: bounds a process that is run as an agent
//		controllers/gate/proxy/meter_test.go: tells with each answer what is left
package ledger
