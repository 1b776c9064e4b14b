package proxy

import "cmp"

// index finds the rules that may match a request without looking at all of them: by route and by name of the principal, each of which a
// rule may leave open.
type index map[place][]*rule

type place struct{ route, principal string }

func indexOf(rules []*rule) index {
	x := index{}
	for _, r := range rules {
		routes, names := r.Routes, r.Names
		if len(routes) == 0 {
			routes = []string{""}
		}
		if len(names) == 0 {
			names = []string{""}
		}
		for _, route := range routes {
			for _, name := range names {
				p := place{route, name}
				if l := x[p]; len(l) == 0 || l[len(l)-1] != r { // named twice
					x[p] = append(l, r)
				}
			}
		}
	}
	return x
}

// each calls yield with the rules that may match, in their order, until it gives false.
func (x index) each(route, principal string, yield func(*rule) bool) {
	lists := [4][]*rule{x[place{route, principal}], x[place{route, ""}], x[place{"", principal}], x[place{"", ""}]}
	for {
		next := -1
		for i, l := range lists {
			if len(l) > 0 && (next < 0 || l[0].order < lists[next][0].order) {
				next = i
			}
		}
		if next < 0 {
			return
		}
		r := lists[next][0]
		lists[next] = lists[next][1:]
		if !yield(r) {
			return
		}
	}
}

// byOrder sorts rules as they are tried: the lowest priority first, Deny before Allow at the same, then by name.
func byOrder(a, b *RuleConfig) int {
	return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(rank(a.Action), rank(b.Action)), cmp.Compare(a.Name, b.Name))
}

func rank(action string) int {
	switch action {
	case "Deny":
		return 0
	case "Allow":
		return 1
	}
	return 2
}
