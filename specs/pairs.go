package specs

import "go.yaml.in/yaml/v3"

// pairs calls fn for every key of a mapping: its own, which must not repeat, and then those that it merges and does not have. A key must
// be text, or one that YAML reads otherwise and that isField knows.
func (w *walker) pairs(n *yaml.Node, isField func(string) bool, fn func(k, v *yaml.Node)) {
	if !w.knownTag(n) {
		return
	}
	var own seenKeys
	w.ownPairs(n, &own, isField, fn)
	w.mergedPairs(n, &own, isField, fn, 0)
}

// seenKeys are the keys of a mapping so far. Few keys are found faster in a list.
type seenKeys struct {
	list []*yaml.Node
	set  map[string]*yaml.Node
}

func (s *seenKeys) find(key string) *yaml.Node {
	if s.set != nil {
		return s.set[key]
	}
	for _, n := range s.list {
		if deref(n).Value == key {
			return n
		}
	}
	return nil
}

func (s *seenKeys) add(n *yaml.Node) {
	if s.list = append(s.list, n); len(s.list) == 16 {
		s.set = map[string]*yaml.Node{}
		for _, n := range s.list {
			s.set[deref(n).Value] = n
		}
	} else if s.set != nil {
		s.set[deref(n).Value] = n
	}
}

func (w *walker) ownPairs(n *yaml.Node, seen *seenKeys, isField func(string) bool, fn func(k, v *yaml.Node)) {
	for i := 0; i+1 < len(n.Content) && !w.done(); i += 2 {
		mark, v := n.Content[i], n.Content[i+1]
		k := deref(mark)
		if isMerge(k) {
			continue
		}
		if k.Kind != yaml.ScalarNode {
			w.fault(mark, "has a key that is %s; keys are names", nodeWord(k))
			continue
		}
		if first := seen.find(k.Value); first != nil {
			w.faultBelow(mark, k.Value, "is set twice, first in line %d", w.doc.Line+first.Line-1)
			continue
		}
		if _, isText := scalar(k).(string); !isText && !isField(k.Value) {
			w.fault(mark, "the key %s is read as no text by YAML; put it in quotes: %s", k.Value, quote(k.Value))
			continue
		}
		seen.add(mark)
		fn(k, v)
	}
}

func (w *walker) mergedPairs(n *yaml.Node, seen *seenKeys, isField func(string) bool, fn func(k, v *yaml.Node), depth int) {
	for i := 0; i+1 < len(n.Content) && !w.done(); i += 2 {
		if !isMerge(n.Content[i]) {
			continue
		}
		from := merged(n.Content[i+1])
		if len(from) == 0 || depth == maxMergeDepth {
			w.fault(n.Content[i], "<< merges mappings: write the alias of one after it, or a list of them")
			continue
		}
		for _, m := range from {
			if w.visits -= 1 + len(m.Content); w.visits < 0 {
				return
			}
			var own seenKeys
			w.ownPairs(m, &own, isField, func(k, v *yaml.Node) {
				if seen.find(k.Value) == nil {
					seen.add(k)
					fn(k, v)
				}
			})
			w.mergedPairs(m, seen, isField, fn, depth+1)
		}
	}
}
