// Package mcp knows the Model Context Protocol over streamable HTTP, as far as a gate must: what a message asks for (Parse), how it is refused
// so that what is denied looks unknown, and which lists tell more than the caller may use (Filter, Events). It is pure.
//
// # Two eras
//
// Versions 2025-03-26 to 2025-11-25 begin with initialize and may have sessions: Mcp-Session-Id, a stream of the server's own by GET, an end by
// DELETE. Version 2026-07-28 has neither; each request tells its version in params._meta and in a header, and mirrors its method and the
// name of what it is for in Mcp-Method and Mcp-Name, which must agree with the body. What a message says decides of which era it is.
//
// # What is guarded
//
// A call of a tool, a reading of or subscription to resources and a fetching of a prompt name what they are for. Methods of Operation.List
// only list, describe or keep up the protocol. A method that is neither has no name to judge by, so a rule that is narrowed to names does not
// cover it. Batches are refused: one message, one decision.
package mcp
