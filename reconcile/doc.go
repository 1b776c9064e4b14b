// Package reconcile is the engine that turns declared objects into host state. It knows no kind's policy: that is in controllers.
//
// # The way of a change
//
//	writer ─Client─▶ store ─watch─▶ Manager ─Map─▶ queue ─worker─▶ Reconciler ─▶ host
//	                   ▲                              ▲                │
//	                   └────────── status ────────────┼────────────────┘
//	                                        Source (an exit, a file, a timer)
//
// A writer (the applier of a stack, the API server, a controller) gives the Client an object or a transaction of many. The Client keeps
// Kubernetes' rules for metadata and writes nothing where nothing changes. The store makes the change durable and then visible, under one
// revision. The Manager sees it and puts a Request in the queue of every controller that it concerns: a name, never a description of what
// happened. A worker takes the most urgent Request and calls the Reconciler, which looks at how things are, decides, acts and writes the
// status. The status is an object's change like any other, and takes the same way to whoever watches it.
//
// Because a Request says nothing but a name, requests may be merged, repeated and lost with the process: at start every object is a
// Request. So a Reconciler must bring about the same end from any beginning, and do nothing at all when there is nothing to do.
//
// # Who owns what state
//
//   - The store owns objects. They are immutable and shared; specs.Copy before changing one. Specs are durable before anybody sees them,
//     status, Instances and Events are seen at once and on disk about a second later: a Reconciler must be able to tell them anew.
//   - The queue owns what is to be done and when. It is memory only.
//   - The Manager owns every goroutine: workers, sources, and the one that follows the store. Run returns when the last has ended.
//   - A Reconciler owns the status of its Kind and nothing else, besides what its package says. One worker at a time has a Request, so what
//     concerns one object needs no lock.
//
// # What becomes of an answer
//
// nil: done until something changes. RequeueAfter: once more then, at the latest. An error: once more with backoff, and again until
// it succeeds. A TerminalError: not before something changes. A panic is an error like any other, logged with its stack: one bad object does
// not take the operator down. A change of status alone wakes no controller of that same Kind; its own status is not news to it.
//
// # To add a controller
//
// Write controllers/<kind> with observe, decide (pure), apply and a Reconciler that calls them and ends in one UpdateStatus. Say in
// Controller what else it watches, with a Map from the changed object to the Requests that depend on it. Add it to the Manager in
// cmd/mirrorosd/controllers.go. Test decide as a table, and Reconcile over a reconciletest.TempClient: called a second time it must be a
// reconciletest.BeNoOp.
package reconcile
