// Package store keeps the operator's objects: all of them in memory, immutable and shared, with one revision for the whole store,
// and bbolt under it.
//
// Promises:
//
//   - Order. Transactions run one at a time. Each that changes something gets the next revision, which is the resourceVersion of every
//     object it wrote. Watches see changes in the order of revisions, and the changes of one transaction together.
//   - All or nothing. A transaction that returns an error has changed nothing that anybody can see.
//   - Durability. A reader or watcher sees a change only when it is on disk. Transactions that wait at the same time share one commit.
//     Lazy changes are the exception: they are seen at once and written with the next commit, or about a second later. So what is on
//     disk is always the store as it was at one revision, at most that second old, and never with a hole in it.
//   - A failed commit (a full disk) fails the transactions in it, and those that ran on top of them; the store stays usable, and later
//     transactions succeed when there is room again.
//   - Revisions never go backwards, not after kill -9 either: they are reserved ahead on disk. A revision of a previous life is gone for Watch.
//   - Blocking. Readers never wait for the disk. A watcher never makes a writer wait; one that falls behind the kept history gets ErrGone.
//   - Idle costs nothing: no timer runs when nothing waits to be written and no history waits to be dropped.
//
// An object given to Create or Update belongs to the store from then on: the store sets its resourceVersion and shares it.
package store
