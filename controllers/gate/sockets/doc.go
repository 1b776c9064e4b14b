// Package sockets owns the listening sockets of the data plane, so that nobody is refused while those that accept come and go. The hub makes
// them, leaves a copy of each with a keeper that outlives it (the guardian), and gives copies to gates. When hub and keeper died both, a
// gate that lives brings its own copies back.
//
// A socket has a name, and an address as it is wanted: an IP address and port, where port 0 is any, kept as long as the socket lives; or
// unix:PATH. Whoever can name it is told where it is bound.
package sockets
