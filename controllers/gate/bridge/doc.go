// Package bridge puts a stdio MCP server behind streamable HTTP, for whoever may reach its loopback address: mirrorgate bridge.
//
// In the era of sessions each session has a child of its own, which ends with it. Requests of 2026-07-28 share one child, if it is of that
// version, which it is asked once with server/discover; else they are refused so that a client falls back to a session. Ids of requests
// are replaced on their way to the child and restored on the way back, so that no two are alike. What a child says that is no answer goes to
// the request that it belongs to where it says so, else to the session's stream (GET), else to a request under way, and waits for one of these
// where there is none. A child that dies ends its session: what is under way gets an error, and what comes later 404.
package bridge
