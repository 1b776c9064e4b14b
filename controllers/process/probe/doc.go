// Package probe asks a program once whether it is well: over HTTP, TCP, the gRPC health service, or by a command.
//
// A probe takes no longer than its timeout, and leaves nothing behind: no connection, no goroutine, no process. It reads a
// bounded amount of what it is answered. It sees no proxy and no environment. Its Output is at most 1 KiB of UTF-8 text for
// people, and holds no header value and no URL with a password.
package probe
