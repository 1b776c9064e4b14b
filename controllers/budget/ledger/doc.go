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
// # Facts and balances
//
// A budget that is new, renamed, or has another window knows at once what was spent before it, because balances are sums over facts. Facts
// are kept for 62 days by the second, minute or quarter of an hour, coarser with age, and for ever as a sum: a limit without a window is
// over all that ever was. Only a reset, which is a fact too, makes a budget forget.
//
// # Clocks
//
// Sliding windows run on the ledger's own clock, which goes on with the boot-time clock (CLOCK_BOOTTIME, with time asleep) and over a reboot with the wall clock, and
// never backwards. Calendar windows go by the wall clock in their zone.
package ledger
