package specs

import "slices"

// Site is a field of an object.
type Site struct{ Kind, Name, Field string }

// Misfit is what does not fit between objects that are each right by themselves, or, of Warnings, what is perhaps not meant.
type Misfit struct {
	// Sites where it may be mended, the best first. There is at least one.
	Sites   []Site
	Message string
}

// OfType are the objects of one Go type, in their order.
func OfType[T Object](objects []Object) []T {
	var out []T
	for _, o := range objects {
		if t, ok := o.(T); ok {
			out = append(out, t)
		}
	}
	return out
}

// Warnings tell what is right and perhaps not meant, of objects that are to be in force together. Nothing is refused for it.
func Warnings(objects []Object) []Misfit {
	budgets := OfType[*TokenBudget](objects)
	t := newBudgetTree(budgets, OfType[*Route](objects))
	var out []Misfit
	for _, p := range OfType[*Principal](objects) {
		if p.Spec.Type == PrincipalAgent && !slices.ContainsFunc(budgets, func(b *TokenBudget) bool {
			return b.Spec.Principals.Selects(p.Name, p.Spec.Type, p.Labels)
		}) {
			out = append(out, Misfit{[]Site{{"Principal", p.Name, "metadata.name"}}, "no TokenBudget is for this agent: nothing bounds what it spends"})
		}
	}
	for _, b := range budgets {
		out = append(out, t.prepaid(b)...)
		out = append(out, t.leaks(b)...)
	}
	return out
}
