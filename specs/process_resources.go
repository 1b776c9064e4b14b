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
	if r == nil {
		return
	}
	limits, requests := r.Limits, r.Requests
	if limits == nil {
		limits = &ResourceLimits{}
	}
	if requests == nil {
		requests = &ResourceRequests{}
	}
	at := v.spec.Child("resources", "limits")
	v.atLeast(at.Child("memory"), limits.Memory, MinMemoryLimit, "1Mi")
	v.processors(at.Child("cpu"), limits.CPU)
	v.atLeast(at.Child("pids"), limits.Pids, MinPidsLimit, "16: threads count")
	at = v.spec.Child("resources", "requests")
	v.atLeast(at.Child("memory"), requests.Memory, MinMemoryLimit, "1Mi")
	v.processors(at.Child("cpu"), requests.CPU)
	v.within(at.Child("memory"), requests.Memory, limits.Memory)
	v.within(at.Child("cpu"), requests.CPU, limits.CPU)
}

func (v *processValidator) processors(at *field.Path, q *resource.Quantity) {
	if q != nil && q.MilliValue() < MinCPULimit {
		v.invalid(at, q.String(), "must be at least 10m, a hundredth of a processor")
	}
}

// within holds a request to its limit.
func (v *processValidator) within(at *field.Path, request, limit *resource.Quantity) {
	if request != nil && limit != nil && request.Cmp(*limit) > 0 {
		v.invalid(at, request.String(), "is more than the limit, which is %s", limit)
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
