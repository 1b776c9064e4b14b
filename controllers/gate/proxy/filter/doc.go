// Package filter looks at what requests and answers say: the texts of messages, arguments and results, as strings. A filter rewrites a text
// or refuses it, and never allows anything. Nothing that a filter found is kept: it tells kinds and counts alone.
//
//   - RedactSecrets puts [redacted: KIND] in place of what looks like a key or a password: keys of known shape, and what is assigned to or
//     stands beside a word such as password or token and looks like one. It errs to the side of redacting. It does not see what is encoded,
//     split over two messages, or looks like prose.
//   - BlockInjection refuses texts with known phrases of attempts to take an agent over. It is a tripwire for what is copied around, and for
//     case, spaces, zero-width characters and look-alike letters in it. It is no defence: whoever writes a new phrase gets through. What
//     an agent may do is what rules decide.
//   - RequirePattern refuses texts none of which matches one of the patterns, ForbidPattern a text that matches one.
//   - AnswerSchema refuses an answer of which a text is no JSON of the schema.
//
// Filters apply in their order, each to what the one before it left.
//
// A Stream does the same to a text that comes in pieces. It never lets go of a byte of what it will redact or refuse, wherever the pieces
// are cut, and holds back no more than it must: for secrets the last five words. What can only be judged as a whole is held until the end:
// RequirePattern, AnswerSchema, and patterns that have no bound or ask for the beginning or the end of the text.
package filter
