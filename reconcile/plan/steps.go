package plan

import (
	"slices"
	"strings"

	"mirroros.dev/mirroros/specs"
)

// merged shows a stop and the start that takes its place as one step, where the start happens.
func merged(steps []Step) []Step {
	out := slices.Clone(steps)
	for i := range out {
		if out[i].Verb != Start && out[i].Verb != Restart {
			continue
		}
		for j := range i {
			same := out[j].Verb == Stop && out[j].Kind == out[i].Kind && out[j].Name == out[i].Name
			if !same || ordinal(out[j].Instance) != ordinal(out[i].Instance) {
				continue
			}
			verb := Replace
			if out[j].Instance == out[i].Instance {
				verb = Restart
			}
			out[i].Verb, out[i].Reason, out[j].Verb = verb, out[j].Reason, ""
			break
		}
	}
	return slices.DeleteFunc(out, func(s Step) bool { return s.Verb == "" })
}

// ordinal is what stands behind the last dash of an instance's name.
func ordinal(instance string) string { return instance[strings.LastIndexByte(instance, '-')+1:] }

// repairs marks the steps that happen without the changes too.
func repairs(steps, base []Step, changed []Changed) []Step {
	type what struct {
		kind, name, instance string
		verb                 Verb
	}
	left := map[what]int{}
	for _, s := range base {
		left[what{s.Kind, s.Name, s.Instance, s.Verb}]++
	}
	change := map[key]Change{}
	for _, c := range changed {
		change[key{c.Kind, c.Name}] = c.Change
	}
	out := slices.Clone(steps)
	for i := range out {
		s := &out[i]
		s.Change = None
		if w := (what{s.Kind, s.Name, s.Instance, s.Verb}); left[w] > 0 {
			left[w]--
			s.Repair = true
			continue
		}
		if c, ok := change[key{s.Kind, s.Name}]; ok {
			s.Change = c
		}
	}
	return out
}

// withReasons says of each step which fields it follows from, and adds a step for each object whose change does nothing on the host.
func withReasons(steps []Step, changed []Changed, written map[key]int) []Step {
	acted := map[key]bool{}
	for i := range steps {
		if steps[i].Change != None {
			acted[key{steps[i].Kind, steps[i].Name}] = true
		}
	}
	reasons := map[key]string{}
	for _, c := range changed {
		k := key{c.Kind, c.Name}
		reasons[k] = reasonOf(c)
		if !acted[k] && c.Change != None {
			steps = append(steps, Step{Wave: written[k], Change: c.Change, Kind: c.Kind, Name: c.Name, Verb: Write, Reason: reasons[k]})
		}
	}
	for i := range steps {
		if r := reasons[key{steps[i].Kind, steps[i].Name}]; !steps[i].Repair && r != "" {
			steps[i].Reason = r
		}
	}
	return steps
}

func reasonOf(c Changed) string {
	switch c.Change {
	case Create:
		return "new"
	case Delete:
		return "removed"
	case Update:
		if c.Fields == nil && c.Old != nil && c.New != nil {
			c.Fields = Fields(c.Old, c.New)
		}
		return strings.Join(c.Fields, ", ")
	}
	return ""
}

// numbered counts waves from 0 without gaps.
func numbered(steps []Step) []Step {
	last, n := -1, -1
	slices.SortStableFunc(steps, func(a, b Step) int { return a.Wave - b.Wave })
	for i := range steps {
		if steps[i].Wave != last {
			last = steps[i].Wave
			n++
		}
		steps[i].Wave = n
	}
	return steps
}

// Fields names what differs between two objects of a kind, as far as an owner declares it: spec fields without "spec.", list entries by
// their names, and labels and annotations. Values are never shown.
func Fields(old, new specs.Object) []string {
	a, b := plain(old), plain(new)
	out := []string{}
	diff("", a, b, &out)
	slices.Sort(out)
	return out
}
