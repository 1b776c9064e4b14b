// Package check runs Checks and tells how they stand.
//
// A run is a function ([Reconciler.Measure]): it looks at the target as often as the check says and amounts to a verdict. The schedule calls it, and
// whoever asks; it is given the revision of the target to look at, so that a rollout may call it too. At most a few run at once.
//
// When the next run begins is decided from the last one, which is in the check's status: an operator that comes back goes on where it was. Each
// check has a moment of its own in the first seconds, by its uid, so that many that come at once do not run at once. Time is that of the timer,
// which stands still while the host sleeps; only from one operator to the next it is the wall's.
//
// What a check says of its target is written by the target's own controller: specs.CheckedConditions.
package check
