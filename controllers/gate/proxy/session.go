package proxy

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"strings"
)

// sessionHeader is where a session of MCP is named, by the server first and by the client in what follows.
const sessionHeader = "Mcp-Session-Id"

// maxSession is the longest name of a session that is taken, of a server's.
const maxSession = 1 << 10

// sessions bind the names of sessions of MCP to who was given them: a client sees SEAL.NAME, of which the seal can be made and checked by
// whoever has the key, for one route and one principal. So nothing is remembered, and a session outlives the gate.
type sessions struct{ key []byte }

// seal is that of a session's name, for who asks on a route. Lengths go before texts, so that no two are read as one.
func (s sessions) seal(route, principal, name string) string {
	h := hmac.New(sha256.New, s.key)
	for _, text := range []string{"mcp session", route, principal, name} {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(text))))
		h.Write([]byte(text))
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:16])
}

// session gives the server's name of the session that a request names, empty when it names none. One that was given to somebody else is
// unknown, as one that never was.
func (x *exchange) session() (string, *refusal) {
	values := x.r.Header[sessionHeader]
	if len(values) == 0 {
		return "", nil
	}
	if len(values) > 1 {
		return "", refuse(BadHeader, sessionHeader)
	}
	seal, name, ok := strings.Cut(values[0], ".")
	if !ok || name == "" || len(name) > maxSession ||
		!hmac.Equal([]byte(seal), []byte(x.server.sessions.seal(x.route.Name, x.caller.principal.Name, name))) {
		return "", refuse(UnknownSession, "")
	}
	return name, nil
}

// given puts the client's name of a session in place of the server's. One that is longer than any that would be taken again is taken away.
func (x *exchange) given(h http.Header) {
	values := h[sessionHeader]
	if len(values) == 0 {
		return
	}
	if delete(h, sessionHeader); values[0] != "" && len(values[0]) <= maxSession {
		h[sessionHeader] = []string{x.server.sessions.seal(x.route.Name, x.caller.principal.Name, values[0]) + "." + values[0]}
	}
}
