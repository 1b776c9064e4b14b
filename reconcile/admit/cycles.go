package admit

import (
	"slices"
	"strings"

	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// graph is what refers to what.
type graph struct {
	get func(store.Key) []specs.Ref
}

func (g *graph) next(k store.Key) []store.Key {
	refs := g.get(k)
	out := make([]store.Key, len(refs))
	for i, r := range refs {
		out[i] = store.Key{Kind: r.Kind, Name: r.Name}
	}
	return out
}

// cycles answers one circle for every group of objects that depend on each other and can be reached from the keys. Each begins with the
// first of its objects by name.
func (g *graph) cycles(from []store.Key) [][]store.Key {
	t := &tarjan{g: g, index: map[store.Key]int{}, low: map[store.Key]int{}, on: map[store.Key]bool{}}
	for _, k := range from {
		if _, seen := t.index[k]; !seen {
			t.visit(k)
		}
	}
	slices.SortFunc(t.out, func(a, b []store.Key) int { return compareKeys(a[0], b[0]) })
	return t.out
}

// field is the field of the first object of a circle that refers to the second.
func (g *graph) field(cycle []store.Key) string {
	to := cycle[1%len(cycle)]
	for _, r := range g.get(cycle[0]) {
		if r.Kind == to.Kind && r.Name == to.Name {
			return r.FromField
		}
	}
	return ""
}

// cycleText names the objects of a circle, with their kinds where there is more than one.
func cycleText(cycle []store.Key) string {
	mixed := slices.ContainsFunc(cycle, func(k store.Key) bool { return k.Kind != cycle[0].Kind })
	var names []string
	for _, k := range append(slices.Clone(cycle), cycle[0]) {
		if mixed {
			names = append(names, words(k))
		} else {
			names = append(names, k.Name)
		}
	}
	return "depends on itself: " + strings.Join(names, " -> ")
}

// tarjan finds strongly connected components.
type tarjan struct {
	g          *graph
	index, low map[store.Key]int
	stack      []store.Key
	on         map[store.Key]bool
	out        [][]store.Key
}

func (t *tarjan) visit(k store.Key) {
	n := len(t.index)
	t.index[k], t.low[k] = n, n
	t.stack, t.on[k] = append(t.stack, k), true
	for _, to := range t.g.next(k) {
		if _, seen := t.index[to]; !seen {
			t.visit(to)
			t.low[k] = min(t.low[k], t.low[to])
		} else if t.on[to] {
			t.low[k] = min(t.low[k], t.index[to])
		}
	}
	if t.low[k] != t.index[k] {
		return
	}
	i := slices.Index(t.stack, k)
	group := slices.Clone(t.stack[i:])
	t.stack = t.stack[:i]
	for _, m := range group {
		t.on[m] = false
	}
	if len(group) > 1 || slices.Contains(t.g.next(k), k) {
		t.out = append(t.out, t.circle(group))
	}
}

// circle finds the shortest way from the first object of a group back to itself.
func (t *tarjan) circle(group []store.Key) []store.Key {
	first := slices.MinFunc(group, compareKeys)
	in := map[store.Key]bool{}
	for _, k := range group {
		in[k] = true
	}
	via, queue := map[store.Key]store.Key{}, []store.Key{first}
	for len(queue) > 0 {
		k := queue[0]
		queue = queue[1:]
		for _, to := range t.g.next(k) {
			if to == first {
				way := []store.Key{k}
				for k != first {
					k = via[k]
					way = append(way, k)
				}
				slices.Reverse(way)
				return way
			}
			if _, seen := via[to]; in[to] && !seen {
				via[to] = k
				queue = append(queue, to)
			}
		}
	}
	return []store.Key{first}
}
