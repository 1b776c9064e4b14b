package gate

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"mirroros.dev/mirroros/controllers/gate/proxy"
)

// tokenPrefix lets people and scanners know a token of ours.
const tokenPrefix = "mgt_"

const (
	// rotateEvery is how often the token file of an instance gets another token; the one before is good for as long again.
	rotateEvery = time.Hour
	// startPatience is how long an instance that was given a token may take until it runs.
	startPatience = time.Minute
)

// token is what is known of one.
type token struct {
	proxy.TokenEntry
	Created time.Time `json:"created"`
	// Reason that somebody gave for it.
	Reason string `json:"reason,omitempty"`
	// File says that it is the content of the instance's token file.
	File bool `json:"file,omitempty"`
	// Warned: that it ends soon was told.
	Warned bool `json:"warned,omitempty"`
	// ran: its instance was seen running.
	ran bool
}

// tokens are all tokens. It is safe for use by many at once. What is put in is durable only after save.
type tokens struct {
	mu    sync.Mutex // guards the fields below
	byID  map[string]*token
	dirty bool
}

func newTokens(list []token) *tokens {
	t := &tokens{byID: make(map[string]*token, len(list))}
	for i := range list {
		t.byID[list[i].ID] = &list[i]
	}
	return t
}

// make adds a token and answers it with its text, which is nowhere else.
func (t *tokens) make(e proxy.TokenEntry, now time.Time, file bool, reason string) (token, string) {
	var random [32]byte
	var id [6]byte
	_, _ = rand.Read(random[:]) // never fails, crypto/rand says
	_, _ = rand.Read(id[:])
	text := tokenPrefix + base64.RawURLEncoding.EncodeToString(random[:])
	sum := sha256.Sum256([]byte(text))
	e.ID, e.SHA256 = hex.EncodeToString(id[:]), hex.EncodeToString(sum[:])
	n := &token{TokenEntry: e, Created: now, File: file, Reason: reason}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.byID[n.ID], t.dirty = n, true
	return *n, text
}

// drop takes out the tokens that fit, and answers them.
func (t *tokens) drop(fits func(*token) bool) []token {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []token
	for id, k := range t.byID {
		if fits(k) {
			delete(t.byID, id)
			t.dirty = true
			out = append(out, *k)
		}
	}
	return out
}

// change calls fn for every token; it tells whether it changed something that must be kept.
func (t *tokens) change(fn func(*token) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, k := range t.byID {
		if fn(k) {
			t.dirty = true
		}
	}
}

// list answers copies of all tokens, sorted by id.
func (t *tokens) list() []token {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]token, 0, len(t.byID))
	for _, id := range slices.Sorted(maps.Keys(t.byID)) {
		out = append(out, *t.byID[id])
	}
	return out
}

// takeDirty tells whether something changed since it was asked last.
func (t *tokens) takeDirty() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := t.dirty
	t.dirty = false
	return d
}

// String shows nothing that could be a secret.
func (k token) String() string { return fmt.Sprintf("token %s of %s", k.ID, k.Principal) }
