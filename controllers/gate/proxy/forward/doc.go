// Package forward passes plain HTTP on: requests and answers as streams, and connections that change their protocol. It decides nothing.
//
// Request makes a backend's request of a client's, Answer passes the answer on, Switch joins client and backend after a change of protocol.
// Serve is all three, for ports without rules.
package forward
