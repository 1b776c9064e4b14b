package specs

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// The least that can be asked for.
const (
	MinMemoryLimit = 1 << 20
	MinCPULimit    = 10 // thousandths of a processor: a tenth of that is all that the kernel's clock can tell
	MinPidsLimit   = 16 // threads count, and many a program begins with a dozen
)

func (v *processValidator) resources() {
	r := v.s.Resources
	if r == nil || r.Limits == nil {
		return
	}
	at := v.spec.Child("resources", "limits")
	v.atLeast(at.Child("memory"), r.Limits.Memory, MinMemoryLimit, "1Mi")
	v.atLeast(at.Child("pids"), r.Limits.Pids, MinPidsLimit, "16: threads count")
	if q := r.Limits.CPU; q != nil && q.MilliValue() < MinCPULimit {
		v.invalid(at.Child("cpu"), q.String(), "must be at least 10m, a hundredth of a processor")
	}
}

// atLeast checks a quantity that is a whole number.
func (v *processValidator) atLeast(at *field.Path, q *resource.Quantity, least int64, text string) {
	switch {
	case q == nil:
	case q.MilliValue()%1000 != 0:
		v.invalid(at, q.String(), "is no whole number: m is a thousandth%s", meant(q))
	case q.Value() < least:
		v.invalid(at, q.String(), "must be at least %s", text)
	}
}

// meant is what somebody may have meant who wrote m for a million.
func meant(q *resource.Quantity) string {
	if least := resource.MustParse("1Mi"); q.Cmp(least) < 0 {
		return fmt.Sprintf(", did you mean %dMi?", q.MilliValue())
	}
	return ""
}
