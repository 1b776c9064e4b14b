package specs

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Selects tells whether a principal with this name, type and labels is one of those meant: each that is set must fit. Nil selects nobody.
func (p *PrincipalSelector) Selects(name string, typ PrincipalType, labels map[string]string) bool {
	if p == nil || p.All {
		return p != nil
	}
	for k, v := range p.MatchLabels {
		if have, ok := labels[k]; !ok || have != v {
			return false
		}
	}
	return (len(p.Names) == 0 || slices.Contains(p.Names, name)) && (len(p.Types) == 0 || slices.Contains(p.Types, typ))
}

// Short says in a few words whom a selector means.
func (p *PrincipalSelector) Short() string {
	if p == nil || p.All {
		return "all"
	}
	words := slices.Clone(p.Names)
	for _, t := range p.Types {
		words = append(words, "any "+string(t))
	}
	for _, k := range slices.Sorted(maps.Keys(p.MatchLabels)) {
		words = append(words, k+"="+p.MatchLabels[k])
	}
	return cut(strings.Join(words, ", "), 60)
}

// references to the principals and processes that are named.
func (p *PrincipalSelector) references() []Ref {
	if p == nil {
		return nil
	}
	var refs []Ref
	for i, n := range p.Names {
		at := fmt.Sprintf("spec.principals.names[%d]", i)
		if process, ok := strings.CutPrefix(n, PrincipalOfProcess); ok {
			refs = append(refs, Ref{FromField: at, Kind: "Process", Name: process})
		} else if !strings.HasPrefix(n, PrincipalOfSystem) {
			refs = append(refs, Ref{FromField: at, Kind: "Principal", Name: n})
		}
	}
	return refs
}

// selector checks whom an object is for.
func (v *checks) selector(at *field.Path, p *PrincipalSelector) {
	some := len(p.Names) > 0 || len(p.Types) > 0 || len(p.MatchLabels) > 0
	switch {
	case p.All && some:
		v.add(field.Forbidden(at.Child("all"), "means every principal, so nothing may narrow it: remove it, or the rest"))
	case !p.All && !some:
		v.add(field.Required(at, "names, types, matchLabels, or all: true"))
	}
	v.names(at.Child("names"), p.Names, v.principal)
	types := make([]string, len(p.Types))
	for i, t := range p.Types {
		types[i] = string(t)
	}
	v.names(at.Child("types"), types, func(at *field.Path, t string) { v.oneOf(at, t, principalTypes...) })
	v.add(sorted(metav1validation.ValidateLabels(p.MatchLabels, at.Child("matchLabels")))...)
}

func (v *checks) principal(at *field.Path, name string) {
	if strings.HasPrefix(name, PrincipalOfSystem) && name != PrincipalAnonymous {
		v.invalid(at, name, "of the operator's own there is %s only", PrincipalAnonymous)
		return
	}
	if name == PrincipalAnonymous {
		return
	}
	v.name(at, strings.TrimPrefix(name, PrincipalOfProcess), "the name of a Principal, or process/ and that of a Process")
}
