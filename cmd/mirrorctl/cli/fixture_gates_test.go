package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"mirroros.dev/mirroros/reconcile/apiserver"
	"mirroros.dev/mirroros/reconcile/store"
)

// gatesFixture are gates that know what the files of the script say: tokens.json, and explain.json for whatever is asked.
type gatesFixture struct{ *fixture }

func (g *gatesFixture) file() string { return filepath.Join(g.dir, "tokens.json") }

func (g *gatesFixture) CreateToken(_ context.Context, principal string, a apiserver.TokenRequest) (apiserver.Token, string, error) {
	if _, ok := g.client.Store().Get(store.Key{Kind: "Principal", Name: principal}); !ok {
		return apiserver.Token{}, "", fmt.Errorf("cannot make a token of principal %q: %w", principal, store.ErrNotFound)
	}
	if a.TTL.Duration == 0 {
		a.TTL.Duration = 720 * time.Hour
	}
	t := apiserver.Token{ID: "3f2a91c0d1e2", Principal: principal, Created: testNow, Expires: testNow.Add(a.TTL.Duration), Scope: a.Scope, Reason: a.Reason}
	return t, "mgt_secret", g.save(append(g.Tokens(""), t))
}

func (g *gatesFixture) save(list []apiserver.Token) error {
	b, err := json.Marshal(list)
	if err != nil {
		return err
	}
	return os.WriteFile(g.file(), b, 0o600)
}

func (g *gatesFixture) Tokens(principal string) []apiserver.Token {
	var list []apiserver.Token
	if b, err := os.ReadFile(g.file()); err != nil || json.Unmarshal(b, &list) != nil {
		return nil
	}
	return slices.DeleteFunc(list, func(t apiserver.Token) bool { return principal != "" && t.Principal != principal })
}

func (g *gatesFixture) RevokeTokens(_ context.Context, principal string, ids []string, _ string) (revoked []string, err error) {
	left := slices.DeleteFunc(g.Tokens(""), func(t apiserver.Token) bool {
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

func (g *gatesFixture) explain() (*apiserver.Explanation, error) {
	b, err := os.ReadFile(filepath.Join(g.dir, "explain.json"))
	if err != nil {
		return nil, err
	}
	e := &apiserver.Explanation{}
	return e, json.Unmarshal(b, e)
}

func (g *gatesFixture) Why(context.Context, string) (*apiserver.Explanation, error) {
	return g.explain()
}

func (g *gatesFixture) CanI(context.Context, apiserver.Question) (*apiserver.Explanation, error) {
	return g.explain()
}

func (g *gatesFixture) WhyPort(_ context.Context, port int) (*apiserver.Belongs, error) {
	if port != 11434 {
		return &apiserver.Belongs{Text: fmt.Sprintf("nobody listens on port %d", port)}, nil
	}
	return &apiserver.Belongs{Object: "process/ollama", Place: "models.yaml:14", Text: "port 11434 is the servicePort http of process/ollama, held by the gate", Why: "serves models"}, nil
}

func (g *gatesFixture) WhyPID(context.Context, int) (*apiserver.Belongs, error) {
	return &apiserver.Belongs{Text: "process 1 is nothing of this operator"}, nil
}
