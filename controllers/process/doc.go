// Package process keeps the programs that Process objects declare running. It writes the status of each Process, and its Instances.
//
// Every reconcile is observe → decide → apply, again until decide has no more actions, then one write of what changed. decide is
// pure: what it knows is a value, observed, and a plan calls it over an overlay of the target with what assume says of each action.
//
// Promises:
//   - A copy whose template hash, ordinal and process are still declared is never touched: not by an edit of other fields, an
//     operator restart, a clock step, or a missing dependency.
//   - What runs is not stopped for a template that cannot be started: it is kept, and the condition says why.
//   - At most one run of an instance at a time; a run is claimed by instance and attempt in the runtime.
//   - A stop that began goes on to its end, at the deadline set when it began, across restarts of the operator.
//   - Values taken by reference reach the environment of the program and nothing else.
//   - An unchanged process costs no write and no timer; only processes with probes have a goroutine.
package process
