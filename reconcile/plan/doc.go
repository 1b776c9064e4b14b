// Package plan says what would happen before it happens. It knows no kind: each controller lends the pure functions that it acts by, and
// plan runs them over an overlay of the target until they have nothing more to do.
//
// Promises: planning changes nothing, neither on the host nor in the store. The steps are those that the controllers then take, in their
// order, as long as nothing that was read has changed and every action succeeds. What would happen without the change too is marked as a
// repair. No value of a field is in a plan, only names.
package plan
