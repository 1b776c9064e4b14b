// Package upstream is the gate's side toward backends: an HTTP/1.1 client whose connections cost no goroutine and a tenth of the
// allocations of the standard one, and that never decodes, retries or redirects by itself.
//
// # The way of a request
//
// Do takes an idle connection that is still alive, or opens one, writes head and body in one piece and reads the answer in the caller's
// goroutine. Only a Stream, or a Body of more than 64 KiB, has a goroutine of its own that sends it, so that an answer may begin before.
// A context that ends, and the timeouts, act by the connection's deadlines. At rest a connection is a descriptor and nothing else: it has no
// goroutine and no buffer, and one timer serves all of them.
//
// # When a connection dies
//
// A server may close a connection that idles just when a request is sent on it. The request is sent anew, once, on a fresh connection, where
// it is sure that nothing of it was taken: it could not be written, or the connection ended in order and the kernel says that the other
// side acknowledged no byte of it. In every other case the caller gets an Error, whose Phase says how far the request came.
//
// # What counts as an answer
//
// The parser refuses what two readers could read differently: a line without CR, a folded line, a blank before a colon, a control
// character, two lengths, a length beside chunks, a transfer coding other than chunked, chunk extensions of any kind, a head or trailer of
// more than 64 KiB, more than 16 interim answers. Whatever a backend sends after an answer is over ends the connection.
package upstream
