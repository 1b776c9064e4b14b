package proxy

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"slices"
	"strings"
)

// sessionHeader is where a session of MCP is named, by the server first and by the client in what follows.
const sessionHeader = "Mcp-Session-Id"

// maxSession is the longest name of a session that is taken, of a server's.
const maxSession = 1 << 10

// sessions bind the names of sessions of MCP to who was given them, and by which instance of a backend: a client sees SEAL.NAME, of which the seal
// can be made and checked by whoever has the key, for one route, principal and instance. So nothing is remembered, a session outlives the gate,
// and the name tells nothing of what is behind it.
type sessions struct{ key []byte }

// seal is that of a session's name, for who asks on a route, of the instance at an address. Lengths go before texts, so that no two are read as one.
func (s sessions) seal(route, principal, name string, b *backend, at *endpoint) string {
	h := hmac.New(sha256.New, s.key)
	for _, text := range []string{"mcp session", route, principal, name, b.Name, at.target.Address} {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(text))))
		h.Write([]byte(text))
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:16])
}

// seal is that of a session's name for the caller, of the instance at an address.
func (x *exchange) seal(name string, b *backend, at *endpoint) string {
	return x.server.sessions.seal(x.route.Name, x.caller.principal.Name, name, b, at)
}

// session gives the server's name of the session that a request names, empty when it names none, and ties the request to the instance that
// gave it. One that was given to somebody else, or whose instance is gone, is unknown, as one that never was. While no instance of the route is
// ready nothing can be told: then it is not the session that is gone.
func (x *exchange) session() (string, *refusal) {
	values := x.r.Header[sessionHeader]
	if len(values) == 0 {
		return "", nil
	}
	if len(values) > 1 {
		return "", refuse(BadHeader, sessionHeader)
	}
	seal, name, ok := strings.Cut(values[0], ".")
	if !ok || name == "" || len(name) > maxSession {
		return "", x.unknownSession()
	}
	x.tied = &attempt{tied: true}
	any := false
	for _, b := range slices.Concat(x.route.backends, x.route.fallbacks) {
		for _, at := range b.ready(x.view.endpoints) {
			if any = true; hmac.Equal([]byte(seal), []byte(x.seal(name, b, at))) {
				x.tied.backend, x.tied.endpoints = b, []*endpoint{at}
				return name, nil
			}
		}
	}
	if any {
		return "", x.unknownSession()
	}
	return name, nil
}

// unknownSession is told with a status and no message of JSON-RPC, for clients take that for a refusal of the call and the session for good.
func (x *exchange) unknownSession() *refusal {
	x.dialect = plainError
	return refuse(UnknownSession, "")
}

// given puts the client's name of a session in place of that of the server at an address. One that is longer than any that would be taken again is
// taken away.
func (x *exchange) given(h http.Header, at *endpoint) {
	values := h[sessionHeader]
	if len(values) == 0 {
		return
	}
	if delete(h, sessionHeader); values[0] != "" && len(values[0]) <= maxSession {
		h[sessionHeader] = []string{x.seal(values[0], x.backend, at) + "." + values[0]}
	}
}
