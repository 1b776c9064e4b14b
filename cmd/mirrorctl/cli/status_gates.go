package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/specs"
)

// gateStatus is one gate.
type gateStatus struct {
	Name     string `json:"name"`
	Ready    bool   `json:"ready"`
	Address  string `json:"address,omitempty"`
	Snapshot int64  `json:"snapshot"`
	Reason   string `json:"reason"`
	Message  string `json:"message,omitempty"`
	// Durability of its records.
	Durability specs.Durability `json:"durability"`
}

// notReady is an object that cannot do what it is for.
type notReady struct {
	Name    string `json:"name"`
	Reason  string `json:"reason"`
	Message string `json:"message,omitempty"`
}

// grantStatus is a rule that somebody made for a while.
type grantStatus struct {
	Rule    string      `json:"rule"`
	Expires metav1.Time `json:"expires"`
	Reason  string      `json:"reason,omitempty"`
}

// askGates adds what there is to say of gates, routes, budgets and rules.
func (c *command) askGates(ctx context.Context, a *statusAnswer, stacks []specs.Stack, processes []specs.Process) error {
	gates, err := listOf[specs.Gate](ctx, c, "")
	if err != nil {
		return err
	}
	routes, err := listOf[specs.Route](ctx, c, "")
	if err != nil {
		return err
	}
	rules, err := listOf[specs.GateRule](ctx, c, "")
	if err != nil {
		return err
	}
	for i := range gates {
		a.Gates = append(a.Gates, statusOfGate(&gates[i]))
	}
	budgets, err := listOf[specs.TokenBudget](ctx, c, "")
	if err != nil {
		return err
	}
	for i := range routes {
		a.Routes = appendNotReady(a.Routes, routes[i].Name, routes[i].Status.Conditions)
	}
	for i := range budgets {
		if len(gates) > 0 { // else nobody is there who could hold to it
			a.Budgets = appendNotReady(a.Budgets, budgets[i].Name, budgets[i].Status.Conditions)
		}
	}
	for i := range rules {
		if r := &rules[i]; r.Labels[specs.LabelStack] == "" && r.Spec.Expires.After(c.now()) {
			a.Grants = append(a.Grants, grantStatus{r.Name, r.Spec.Expires, r.Spec.Reason})
		}
	}
	if len(gates) == 0 {
		return nil
	}
	for i := range stacks {
		a.Stacks[i].remote(&stacks[i], routes, processes)
	}
	return nil
}

// appendNotReady appends an object that is not.
func appendNotReady(to []notReady, name string, conditions []metav1.Condition) []notReady {
	switch cond := meta.FindStatusCondition(conditions, specs.ConditionReady); {
	case cond == nil:
		return append(to, notReady{name, specs.ReasonUnknown, "not looked at yet"})
	case cond.Status != metav1.ConditionTrue:
		return append(to, notReady{name, cond.Reason, cond.Message})
	}
	return to
}

// gatesGood tells whether every gate serves.
func (a *statusAnswer) gatesGood() bool {
	return !slices.ContainsFunc(a.Gates, func(g gateStatus) bool { return !g.Ready })
}

func statusOfGate(g *specs.Gate) gateStatus {
	out := gateStatus{Name: g.Name, Address: g.Status.Address, Snapshot: g.Status.Snapshot, Reason: specs.ReasonUnknown, Message: "not looked at yet",
		Durability: g.Spec.Durability}
	if cond := meta.FindStatusCondition(g.Status.Conditions, specs.ConditionReady); cond != nil {
		out.Ready, out.Reason, out.Message = cond.Status == metav1.ConditionTrue, cond.Reason, cond.Message
	}
	return out
}

// remote notes which routes of the stack may leave the host, and how many of its processes are held by no sandbox.
func (s *stackStatus) remote(stack *specs.Stack, routes []specs.Route, processes []specs.Process) {
	s.Locality = stack.Spec.Locality
	for i := range routes {
		r := &routes[i]
		if r.Labels[specs.LabelStack] == stack.Name && (r.Spec.Remote || slices.ContainsFunc(slices.Concat(r.Spec.Backends, r.Spec.Fallbacks),
			func(b specs.RouteBackend) bool { return b.Remote })) {
			s.Remote = append(s.Remote, r.Name)
		}
	}
	for i := range processes {
		if processes[i].Labels[specs.LabelStack] == stack.Name {
			s.Free++
		}
	}
}

// localityText says how far the stack's routes go. Sealed is a claim about routes alone.
func localityText(s *stackStatus) string {
	if s.Locality == "" {
		return ""
	}
	text := " " + string(s.Locality)
	if len(s.Remote) > 0 {
		text += fmt.Sprintf(": %s (%s)", count(len(s.Remote), "remote route"), strings.Join(s.Remote, ", "))
	}
	if s.Locality == specs.LocalitySealed && s.Free > 0 {
		text += fmt.Sprintf(" routes; %s not isolated", count(s.Free, "process"))
	}
	return text + "."
}

// printGates prints a line for each gate, each route that cannot serve, each budget that is not held to, and each rule that ends by itself.
func (c *command) printGates(a *statusAnswer) {
	for _, g := range a.Gates {
		line := fmt.Sprintf("gate/%s  %s  snapshot %d", g.Name, g.Address, g.Snapshot)
		if g.Ready {
			line += ", in force"
		} else {
			line += "  " + paint(c.Out, yellow, g.Reason+"  "+oneLine(g.Message))
		}
		if g.Durability == specs.DurabilityProcess {
			line += "; a power cut may lose its last records"
		}
		fmt.Fprintln(c.Out, line)
	}
	var rows [][]string
	for _, r := range a.Routes {
		rows = append(rows, []string{"route/" + r.Name, r.Reason, oneLine(r.Message)})
	}
	for _, b := range a.Budgets {
		rows = append(rows, []string{"tokenbudget/" + b.Name, b.Reason, oneLine(b.Message)})
	}
	columns(c.Out, nil, rows)
	for _, g := range a.Grants {
		fmt.Fprintf(c.Out, "gaterule/%s  allowed by hand for %s more: %s\n", g.Rule, shortDuration(g.Expires.Sub(c.now())), g.Reason)
	}
}
