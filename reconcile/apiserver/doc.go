// Package apiserver serves the objects of specs.Kinds in the manner of Kubernetes, so that kubectl, k9s and controller-runtime work, and
// the few things beside them that only this operator has. The whole surface is one table: routes.go.
//
// Promises:
//
//   - Who may. Root, the operator's own user and the holder of the token of ListenTLS may do everything; any other user is refused and
//     told so. A workload of the operator is refused whoever it runs as: an agent does not raise its own budget. See Server.Serve.
//   - Writes. What a client sends is decoded strictly (an unknown field is always an error), defaulted, validated and admitted before it
//     is stored, and one that changes nothing writes nothing: it answers the live object with the resourceVersion it had. dryRun=All goes
//     the same way up to the store.
//   - Fields that a file of a Stack declares refuse other writers with 409, naming file and line, unless the Stack is suspended. All other
//     fields are free. Kinds that only the operator writes, and every status, are read only.
//   - managedFields tell who set what through this API; what a Stack's file sets is in none of them.
//   - Watches. A watch sees every change after the resourceVersion that it names, in order. One that does not read fast enough is ended
//     with 410 and never makes a writer wait. An idle watch costs a goroutine; bookmarks are sent to those that ask.
//   - Errors are metav1.Status. What went wrong inside is logged and not told, but for a full disk.
//   - Input is bounded (body, headers, time, requests at once), and a handler that panics is a 500.
package apiserver
