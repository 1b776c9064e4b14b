package gate

import (
	"cmp"
	"slices"

	"mirroros.dev/mirroros/controllers/gate/proxy"
	"mirroros.dev/mirroros/specs"
)

// identities are who may call, but for their number: every Principal, every process that declares none as itself, the nameless,
// and the operator where a prompt of a Check is asked.
func (o *observed) identities() proxy.Identities {
	out := proxy.Identities{Principals: []proxy.PrincipalEntry{{Name: specs.PrincipalAnonymous, Type: "System"}}}
	if len(o.asked()) > 0 {
		out.Principals = append(out.Principals, proxy.PrincipalEntry{Name: specs.PrincipalCheck, Type: "System"})
	}
	for _, p := range o.Principals {
		out.Principals = append(out.Principals, proxy.PrincipalEntry{Name: p.Name, Type: string(p.Spec.Type), Labels: p.Labels, Suspended: p.Spec.Suspend})
	}
	for _, name := range sortedNames(o.Processes) {
		if p := o.Processes[name]; p.Spec.Principal == "" {
			out.Principals = append(out.Principals, proxy.PrincipalEntry{Name: p.PrincipalName(), Type: string(specs.PrincipalProcess), Labels: p.Labels})
		}
	}
	slices.SortFunc(out.Principals, func(a, b proxy.PrincipalEntry) int { return cmp.Compare(a.Name, b.Name) })
	for _, t := range o.Tokens {
		if o.Now.Before(t.Expires) {
			out.Tokens = append(out.Tokens, t.TokenEntry)
		}
	}
	slices.SortFunc(out.Tokens, func(a, b proxy.TokenEntry) int { return cmp.Compare(a.ID, b.ID) })
	if out.Doors = o.doors(); len(out.Doors) > 0 {
		out.Workloads = o.Workloads
	}
	for _, g := range o.Config.Gates {
		if g.PeerCredentials {
			out.Workloads = o.Workloads
		}
	}
	return out
}
