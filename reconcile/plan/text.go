package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
)

// Seal fills in the digest of a plan: over where it comes from and goes to, what was read, and what happens.
func (p *Plan) Seal() {
	data, err := json.Marshal(struct {
		Stack, From, To string
		Read            map[string]string
		Steps           []Step
	}{p.Stack, p.From, p.To, p.Read, p.Steps})
	if err != nil {
		panic(err) // strings, numbers and booleans only
	}
	sum := sha256.Sum256(data)
	p.Digest = hex.EncodeToString(sum[:])
}

// Empty tells whether nothing would change; repairs are no changes.
func (p *Plan) Empty() bool {
	for i := range p.Steps {
		if !p.Steps[i].Repair {
			return false
		}
	}
	return true
}

// Text is the plan for people: a line for each step, and a summary.
func (p *Plan) Text() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 4, ' ', 0)
	type group struct {
		kind, name string
		verb       Verb
	}
	total, seen := map[group]int{}, map[group]int{}
	for i := range p.Steps {
		s := &p.Steps[i]
		total[group{s.Kind, s.Name, s.Verb}]++
	}
	for i := range p.Steps {
		s := &p.Steps[i]
		g := group{s.Kind, s.Name, s.Verb}
		seen[g]++
		what := string(s.Verb)
		if s.Instance != "" {
			what += " " + position(seen[g], total[g])
		}
		reason := s.Reason
		if s.Repair {
			reason = strings.TrimSuffix("repair: "+reason, ": ")
		}
		fmt.Fprintf(w, "%s %s/%s\t%s\t%s\n", s.Change, strings.ToLower(s.Kind), s.Name, what, reason)
	}
	_ = w.Flush() // a Builder takes everything
	b.WriteString(p.Summary())
	b.WriteByte('\n')
	return trimLines(b.String())
}

// Summary counts the steps in one line: starts, replacements and stops always, the others when there are any.
func (p *Plan) Summary() string {
	counts, repairs := map[Verb]int{}, 0
	for i := range p.Steps {
		if p.Steps[i].Repair {
			repairs++
			continue
		}
		counts[p.Steps[i].Verb]++
	}
	parts := []string{fmt.Sprintf("%d to start, %d to replace, %d to stop", counts[Start], counts[Replace], counts[Stop])}
	for _, v := range []Verb{Restart, Reload, Limit, Write, Keep} {
		if counts[v] > 0 {
			parts = append(parts, fmt.Sprintf("%d to %s", counts[v], v))
		}
	}
	if repairs > 0 {
		parts = append(parts, fmt.Sprintf("%d to repair", repairs))
	}
	return strings.Join(parts, ", ") + "."
}

// trimLines cuts blanks at the ends of lines.
func trimLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}
