package reconcile

import (
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// conditionOrder is how conditions stand in a status: these first, then the others as they came.
var conditionOrder = []string{"Ready", "Reconciling", "Stalled", "Degraded"}

// SetCondition puts c in place of the condition of its type and tells whether that changed anything. lastTransitionTime is kept as long as
// the status stays the same; else it is c's, or the present time when c has none.
func SetCondition(conds *[]metav1.Condition, c metav1.Condition) bool {
	if !c.LastTransitionTime.IsZero() {
		c.LastTransitionTime = c.LastTransitionTime.Rfc3339Copy() // as it will be read back
	}
	if meta.FindStatusCondition(*conds, c.Type) == nil && c.LastTransitionTime.IsZero() {
		c.LastTransitionTime = metav1.Now().Rfc3339Copy()
	}
	changed := meta.SetStatusCondition(conds, c)
	if changed {
		slices.SortStableFunc(*conds, func(a, b metav1.Condition) int { return conditionRank(a.Type) - conditionRank(b.Type) })
	}
	return changed
}

func conditionRank(typ string) int {
	if i := slices.Index(conditionOrder, typ); i >= 0 {
		return i
	}
	return len(conditionOrder)
}
