package gate

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/controllers/gate/proxy"
	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// How system/check is authorised. It is there while a Check has a prompt. What lets it pass is a rule of the gate's own, which bears its name, is
// tried before all others, and allows the routes that prompts name; so no rule is written for it and none is in its way, and the audit log says by
// what it passed. Filters and budgets hold for it as for everybody. The rule never allows what leaves the host where a rule must say so. Its tokens
// are good for one route each, and their text is in the memory of this operator alone: those that an earlier one made are dropped. Nobody else can
// be it: no Principal may have a name with system/, no process is given a token of it, and tokens are made through the API for Principals only.

// checkTTL is how long a token of system/check is good, and checkLeft how long one must be so that it is used.
const (
	checkTTL  = time.Hour
	checkLeft = 15 * time.Minute
)

// checkTokens are the tokens of system/check by route.
type checkTokens struct {
	mu   sync.Mutex // guards the field below
	text map[string]checkToken
}

type checkToken struct {
	id, text string
	expires  time.Time
}

// isCheck tells whether a token is of system/check.
func isCheck(t *token) bool { return t.Principal == specs.PrincipalCheck }

// CheckToken answers a token with which a prompt may ask a route, in force when it returns. It is for nobody but the operator itself.
func (r *Reconciler) CheckToken(ctx context.Context, route string) (string, error) {
	now := r.o.Now()
	r.checks.mu.Lock()
	defer r.checks.mu.Unlock()
	if t, ok := r.checks.text[route]; ok && t.expires.Sub(now) > checkLeft {
		return t.text, nil
	}
	k, text := r.tokens.make(proxy.TokenEntry{Principal: specs.PrincipalCheck, Expires: now.Add(checkTTL), Scope: []string{route}}, now, false, "prompts of checks")
	if err := r.Settle(ctx); err != nil {
		r.tokens.drop(func(t *token) bool { return t.ID == k.ID })
		return "", fmt.Errorf("cannot bring a token of %s in force: %w", specs.PrincipalCheck, err)
	}
	for name, t := range r.checks.text { // of routes that nobody asks any more
		if !now.Before(t.expires) {
			delete(r.checks.text, name)
		}
	}
	r.checks.text[route] = checkToken{k.ID, text, k.Expires}
	return text, nil
}

// asked are the routes that prompts name, sorted, each once.
func (o *observed) asked() []string {
	var out []string
	for _, c := range o.Checks {
		if c.Spec.Prompt != nil {
			out = append(out, c.Spec.Target.Route)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// checkRule is what lets system/check pass.
func checkRule(routes []string) proxy.RuleConfig {
	return proxy.RuleConfig{Name: specs.PrincipalCheck, Priority: math.MinInt32, Names: []string{specs.PrincipalCheck}, Routes: routes,
		Action: string(specs.RuleAllow), Reason: "the operator asks what its checks say"}
}

// declaredRules is how many rules of a gate are GateRules.
func declaredRules(list []proxy.RuleConfig) int {
	return len(slices.DeleteFunc(slices.Clone(list), func(r proxy.RuleConfig) bool { return r.Name == specs.PrincipalCheck }))
}

// checked writes what Checks say of a route into its conditions.
func (o *observed) checked(r *specs.Route, conds *[]metav1.Condition) {
	said := specs.CheckedConditions(o.Checks, "Route", r.Name)
	for _, typ := range []string{specs.ConditionHealthy, specs.ConditionAligned} {
		if !slices.ContainsFunc(said, func(c metav1.Condition) bool { return c.Type == typ }) {
			meta.RemoveStatusCondition(conds, typ)
		}
	}
	for _, c := range said {
		c.LastTransitionTime = metav1.NewTime(o.Now)
		reconcile.SetCondition(conds, c)
	}
}

// ofRoutes maps a change of a Check to the one request, when it is of a route.
func ofRoutes(e store.Event) []reconcile.Request {
	for _, o := range []store.Object{e.Object, e.Old} {
		if c, ok := o.(*specs.Check); ok && c.Spec.Target.Route != "" {
			return []reconcile.Request{request}
		}
	}
	return nil
}
