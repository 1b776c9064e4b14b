package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// gatesFixture are gates that know what the files of the script say: tokens.json, and explain.json for whatever is asked.
type gatesFixture struct{ *fixture }

func (g *gatesFixture) file() string { return filepath.Join(g.dir, "tokens.json") }

func (g *gatesFixture) CreateToken(_ context.Context, principal string, a specs.TokenRequest) (*specs.IssuedToken, error) {
	if _, ok := g.client.Store().Get(store.Key{Kind: "Principal", Name: principal}); !ok {
		return nil, fmt.Errorf("cannot make a token of principal %q: %w", principal, store.ErrNotFound)
	}
	if a.TTL.Duration == 0 {
		a.TTL.Duration = 720 * time.Hour
	}
	t := specs.Token{ID: "3f2a91c0d1e2", Principal: principal, Created: testNow, Expires: testNow.Add(a.TTL.Duration), Scope: a.Scope, Reason: a.Reason}
	return &specs.IssuedToken{Token: t, Text: "mgt_secret"}, g.save(append(g.Tokens(""), t))
}

func (g *gatesFixture) save(list []specs.Token) error {
	b, err := json.Marshal(list)
	if err != nil {
		return err
	}
	return os.WriteFile(g.file(), b, 0o600)
}

func (g *gatesFixture) Tokens(principal string) []specs.Token {
	var list []specs.Token
	if b, err := os.ReadFile(g.file()); err != nil || json.Unmarshal(b, &list) != nil {
		return nil
	}
	return slices.DeleteFunc(list, func(t specs.Token) bool { return principal != "" && t.Principal != principal })
}

func (g *gatesFixture) RevokeTokens(_ context.Context, principal string, ids []string, _ string) (revoked []string, err error) {
	left := slices.DeleteFunc(g.Tokens(""), func(t specs.Token) bool {
		hit := t.Principal == principal && (len(ids) == 0 || slices.Contains(ids, t.ID))
		if hit {
			revoked = append(revoked, t.ID)
		}
		return hit
	})
	if len(revoked) == 0 {
		return nil, fmt.Errorf("cannot revoke tokens of principal %q: it has none: %w", principal, store.ErrNotFound)
	}
	return revoked, g.save(left)
}

func (g *gatesFixture) explain() (*specs.Explanation, error) {
	b, err := os.ReadFile(filepath.Join(g.dir, "explain.json"))
	if err != nil {
		return nil, err
	}
	e := &specs.Explanation{}
	return e, json.Unmarshal(b, e)
}

func (g *gatesFixture) Why(context.Context, string) (*specs.Explanation, error) {
	return g.explain()
}

func (g *gatesFixture) CanI(context.Context, specs.Question) (*specs.Explanation, error) {
	return g.explain()
}

func (g *gatesFixture) WhyPort(_ context.Context, port int) (*specs.Belongs, error) {
	if port != 11434 {
		return &specs.Belongs{Text: fmt.Sprintf("nobody listens on port %d", port)}, nil
	}
	return &specs.Belongs{Object: "process/ollama", Place: "models.yaml:14", Text: "port 11434 is the servicePort http of process/ollama, held by the gate", Why: "serves models"}, nil
}

func (g *gatesFixture) WhyPID(context.Context, int) (*specs.Belongs, error) {
	return &specs.Belongs{Text: "process 1 is nothing of this operator"}, nil
}
