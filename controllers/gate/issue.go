package gate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"mirroros.dev/mirroros/controllers/gate/proxy"
	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/audit"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// minTTL of a token.
const minTTL = time.Minute

// Token is what anybody may know of a token.
type Token struct {
	ID        string    `json:"id"`
	Principal string    `json:"principal"`
	Instance  string    `json:"instance,omitempty"`
	Created   time.Time `json:"created"`
	Expires   time.Time `json:"expires"`
	Scope     []string  `json:"scope,omitempty"`
	Reason    string    `json:"reason,omitempty"`
}

func (k token) public() Token {
	return Token{ID: k.ID, Principal: k.Principal, Instance: k.Instance, Created: k.Created, Expires: k.Expires, Scope: k.Scope, Reason: k.Reason}
}

// Issue is what somebody asks for. TTL 0 is the principal's maxTTL; Scope names routes, none is all.
type Issue struct {
	TTL    time.Duration
	Scope  []string
	Reason string
	// By is who asks, for the record.
	By string
}

// CreateToken makes a token of a principal and answers it with its text, which nobody can have again. It is in force when the call returns.
// store.ErrNotFound when there is no such Principal.
func (r *Reconciler) CreateToken(ctx context.Context, principal string, i Issue) (Token, string, error) {
	p, ok := reconcile.Get[*specs.Principal](r.o.Client, principal)
	if !ok {
		return Token{}, "", fmt.Errorf("cannot make a token of principal %q: %w", principal, store.ErrNotFound)
	}
	longest := maxTTL(p)
	switch {
	case i.TTL == 0:
		i.TTL = longest
	case i.TTL < minTTL:
		return Token{}, "", fmt.Errorf("cannot make a token of principal %q for %s: the shortest is %s", principal, i.TTL, minTTL)
	case i.TTL > longest:
		return Token{}, "", fmt.Errorf("cannot make a token of principal %q for %s: its tokens.maxTTL is %s", principal, i.TTL, longest)
	}
	for _, name := range i.Scope {
		if _, ok := reconcile.Get[*specs.Route](r.o.Client, name); !ok {
			return Token{}, "", fmt.Errorf("cannot make a token of principal %q for route %q: there is no such route", principal, name)
		}
	}
	now := r.o.Now()
	k, text := r.tokens.make(proxy.TokenEntry{Principal: principal, Expires: now.Add(i.TTL), Scope: slices.Clone(i.Scope)}, now, false, i.Reason)
	undo := func() { r.tokens.drop(func(t *token) bool { return t.ID == k.ID }) }
	record := &audit.Record{Kind: audit.KindChange, Principal: principal, Token: k.ID, Reason: specs.ReasonTokenCreated,
		Text: fmt.Sprintf("token made by %s until %s%s", i.By, k.Expires.UTC().Format(time.RFC3339), because(i.Reason))}
	if err := r.o.Audit.Write(record, true); err != nil {
		undo()
		return Token{}, "", fmt.Errorf("cannot record a token of principal %q: %w", principal, err)
	}
	if err := r.Settle(ctx); err != nil {
		undo()
		return Token{}, "", fmt.Errorf("cannot bring a token of principal %q in force: %w", principal, err)
	}
	r.o.Recorder.Event(p, specs.EventNormal, specs.ReasonTokenCreated, fmt.Sprintf("token %s until %s, made by %s", k.ID, k.Expires.UTC().Format(time.RFC3339), i.By))
	return k.public(), text, nil
}

// Tokens answers the tokens of a principal, or of all when it is empty, those of instances apart.
func (r *Reconciler) Tokens(principal string) []Token {
	out := []Token{}
	for _, k := range r.tokens.list() {
		if k.Instance == "" && (principal == "" || k.Principal == principal) && r.o.Now().Before(k.Expires) {
			out = append(out, k.public())
		}
	}
	slices.SortFunc(out, func(a, b Token) int { return a.Created.Compare(b.Created) })
	return out
}

// RevokeTokens takes tokens of a principal away: those of the ids, or all of it when there are none. When it returns no gate that answers
// takes them, and streams that they opened have ended. It answers the ids; store.ErrNotFound when there are none.
func (r *Reconciler) RevokeTokens(ctx context.Context, principal string, ids []string, by string) ([]string, error) {
	gone := r.tokens.drop(func(t *token) bool {
		return t.Instance == "" && t.Principal == principal && (len(ids) == 0 || slices.Contains(ids, t.ID))
	})
	if len(gone) == 0 {
		return nil, fmt.Errorf("cannot revoke tokens of principal %q: it has none%s: %w", principal, named(ids), store.ErrNotFound)
	}
	var out []string
	for _, k := range gone {
		out = append(out, k.ID)
		r.o.Audit.Post(&audit.Record{Kind: audit.KindChange, Principal: principal, Token: k.ID, Reason: specs.ReasonTokenRevoked, Text: "token revoked by " + by})
	}
	slices.Sort(out)
	if p, ok := reconcile.Get[*specs.Principal](r.o.Client, principal); ok {
		r.o.Recorder.Event(p, specs.EventNormal, specs.ReasonTokenRevoked, fmt.Sprintf("revoked %s, by %s", strings.Join(out, ", "), by))
	}
	return out, r.Settle(ctx)
}

func maxTTL(p *specs.Principal) time.Duration {
	if t := p.Spec.Tokens; t != nil && t.MaxTTL != nil {
		return t.MaxTTL.Duration
	}
	return specs.DefaultMaxTokenTTL
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

func named(ids []string) string {
	if len(ids) == 0 {
		return ""
	}
	return " named " + strings.Join(ids, ", ")
}

// Begin gives an instance that is about to start its token file; see instances.
func (r *Reconciler) Begin(instance, principal string, uid, gid int) (file string, err error) {
	return r.instances.Begin(instance, principal, uid, gid)
}

// InstanceToken makes a further token of an instance that is about to start; ttl 0 is as long as its principal may have one.
func (r *Reconciler) InstanceToken(instance, principal string, ttl time.Duration) (string, error) {
	longest := specs.DefaultMaxTokenTTL // of a process that is its own principal too
	if p, ok := reconcile.Get[*specs.Principal](r.o.Client, principal); ok {
		longest = maxTTL(p)
	}
	if ttl == 0 {
		ttl = longest
	}
	if ttl > longest {
		return "", fmt.Errorf("its token is to last %s, and tokens.maxTTL of principal %q is %s", ttl, principal, longest)
	}
	return r.instances.Token(instance, principal, ttl), nil
}

// TokenFile is where the token of an instance is.
func (r *Reconciler) TokenFile(instance string) string { return r.instances.TokenFile(instance) }

// Gates are the addresses of the gates that listen, by name: http://host:port, or the path of a socket.
func (r *Reconciler) Gates() map[string]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[string]string{}
	for name, address := range r.bound {
		gate, ok := strings.CutPrefix(name, gateListener(""))
		if !ok {
			continue
		}
		if path, unix := strings.CutPrefix(address, "unix:"); unix {
			out[gate] = path
		} else {
			out[gate] = "http://" + address
		}
	}
	return out
}

// RouteReady tells whether a route can serve now, as this operator saw it last.
func (r *Reconciler) RouteReady(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.routes[name]
}

// Active tells whether there is a gate, so that instances need tokens: also one that was just declared, together with a process that starts.
func (r *Reconciler) Active() bool {
	return r.active.Load() || len(reconcile.List[*specs.Gate](r.o.Client)) > 0
}
