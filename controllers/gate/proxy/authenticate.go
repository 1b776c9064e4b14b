package proxy

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"strings"
	"time"
)

// PeerProcess is the process at the other end of a connection.
type PeerProcess struct {
	PID int
	// Cgroup of it, as WorkloadEntry has it, or the number of that; empty and 0 where there is none. Inode is that of a pidfd of it; 0 where
	// there is none.
	Cgroup          string
	CgroupID, Inode uint64
	// Instance that it is of, where the listener tells: a door.
	Instance string
}

// maxToken is the longest token that is looked at.
const maxToken = 512

// credentials gives the token that a request brings, or none.
func credentials(h http.Header) (string, *refusal) {
	bearer := ""
	for _, name := range []string{"Authorization", "Proxy-Authorization"} {
		value, has := h[name]
		if !has {
			continue
		}
		scheme, token, _ := strings.Cut(value[0], " ")
		if name == "Proxy-Authorization" && strings.EqualFold(scheme, "Basic") { // as programs send what is in a proxy's URL
			scheme, token = "Bearer", password(token)
		}
		if !strings.EqualFold(scheme, "Bearer") || !wellFormed(token) {
			return "", refuse(BadCredentials, "")
		}
		if bearer != "" && bearer != token {
			return "", refuse(AmbiguousCredentials, "")
		}
		bearer = token
	}
	key, has := h["X-Api-Key"]
	switch {
	case !has:
		return bearer, nil
	case !wellFormed(key[0]):
		return "", refuse(BadCredentials, "")
	case bearer != "" && subtle.ConstantTimeCompare([]byte(bearer), []byte(key[0])) == 0:
		return "", refuse(AmbiguousCredentials, "")
	}
	return key[0], nil
}

// password is that of Basic credentials, RFC 7617; empty when there is none.
func password(encoded string) string {
	b, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return ""
	}
	_, secret, _ := strings.Cut(string(b), ":")
	return secret
}

// wellFormed tells what can be a token at all.
func wellFormed(s string) bool {
	if s == "" || len(s) > maxToken {
		return false
	}
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// authenticate is stage 2: it finds who asks. peer is asked only where no token came and the gate takes peer credentials, or the connection
// came by the door of an instance.
func (g *gate) authenticate(ids *identities, h http.Header, now time.Time, door string, peer func() *PeerProcess) (*caller, *refusal) {
	text, bad := credentials(h)
	if bad != nil {
		return nil, bad
	}
	if text != "" {
		return g.byToken(ids, text, now)
	}
	if g.PeerCredentials || door != "" {
		if p := peer(); p != nil {
			if w := ids.workload(p); w != nil {
				return ids.caller(w.Principal, nil, w.Instance)
			}
		}
	}
	if g.Anonymous {
		return ids.caller(AnonymousName, nil, "")
	}
	return nil, refuse(NoCredentials, "")
}

// byToken finds the principal of a token. What an attacker can measure depends on the hash of what he sent, which he cannot choose.
func (g *gate) byToken(ids *identities, text string, now time.Time) (*caller, *refusal) {
	hash := sha256.Sum256([]byte(text))
	t := ids.tokens[hash]
	switch {
	case !g.Tokens || t == nil || subtle.ConstantTimeCompare(t.hash[:], hash[:]) == 0:
		return nil, refuse(UnknownToken, "")
	case !now.Before(t.Expires):
		return nil, refuse(TokenExpired, "")
	}
	return ids.caller(t.Principal, t, t.Instance)
}

func (x *identities) caller(principal string, t *token, instance string) (*caller, *refusal) {
	p := x.principals[principal]
	switch {
	case p == nil:
		return nil, refuse(UnknownPrincipal, "")
	case p.Suspended:
		return nil, refuse(PrincipalSuspended, "")
	}
	return &caller{principal: p, token: t, instance: instance}, nil
}

// good tells whether a caller's token is good for a route.
func (c *caller) good(route string) bool {
	return c.token == nil || c.token.scope == nil || c.token.scope[route]
}
