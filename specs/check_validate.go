package specs

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Bounds of a Check.
const (
	minCheckTimeout  = 100 * time.Millisecond
	maxCheckTimeout  = 10 * time.Minute
	maxCheckInterval = 10 * time.Minute
	maxCheckCount    = 100
	minCheckEvery    = time.Second
	maxCheckEvery    = 168 * time.Hour
)

// Validate tells everything that is wrong in the check by itself.
func (o *Check) Validate() field.ErrorList {
	o = Copy(o)
	o.Default()
	v := &checkValidator{s: &o.Spec, spec: field.NewPath("spec")}
	v.target()
	v.action()
	v.numbers()
	v.schedule()
	return v.faults
}

// checkValidator gathers the faults of one check.
type checkValidator struct {
	checks
	s    *CheckSpec
	spec *field.Path
}

func (v *checkValidator) target() {
	at, t := v.spec.Child("target"), v.s.Target
	switch {
	case t == CheckTarget{}:
		v.add(field.Required(at, "what it looks at: {process: NAME}, or {route: NAME} for a prompt"))
	case t.Process != "" && t.Route != "":
		v.add(field.Forbidden(at.Child("route"), "there is a process already: write a check for each"))
	case t.Process != "":
		v.name(at.Child("process"), t.Process, "the name of a Process")
		if v.s.Prompt != nil {
			v.add(field.Forbidden(at.Child("process"), "a prompt is for a route: write route: NAME"))
		}
	default:
		v.name(at.Child("route"), t.Route, "the name of a Route")
		if v.s.Handler() != nil {
			v.add(field.Forbidden(at.Child("route"), v.s.Action()+" is for a process: write process: NAME"))
		}
	}
}

// action checks that there is exactly one.
func (v *checkValidator) action() {
	v.actions(v.spec, "exactly one of httpGet, tcpSocket, exec and prompt", []action{
		{"httpGet", v.s.HTTPGet != nil, func(at *field.Path) {
			v.httpGet(at, v.s.HTTPGet)
			v.port(at.Child("port"), v.s.HTTPGet.Port)
		}},
		{"tcpSocket", v.s.TCPSocket != nil, func(at *field.Path) { v.port(at.Child("port"), v.s.TCPSocket.Port) }},
		{"exec", v.s.Exec != nil, func(at *field.Path) { v.commandLine(at.Child("command"), v.s.Exec.Command) }},
		{"prompt", v.s.Prompt != nil, v.prompt},
	})
}

// port checks a port by itself: that the target has one of the name is seen where the target is.
func (v *checkValidator) port(at *field.Path, p intstr.IntOrString) {
	if !v.portNumber(at, p, "the name of a port of the target, or a number") {
		v.name(at, p.StrVal, "the name of a port of the target, or a number")
	}
}

func (v *checkValidator) numbers() {
	s := v.s
	v.duration(v.spec.Child("timeout"), s.Timeout, metav1.Duration{Duration: minCheckTimeout}, metav1.Duration{Duration: maxCheckTimeout})
	v.duration(v.spec.Child("interval"), s.Interval, metav1.Duration{}, metav1.Duration{Duration: maxCheckInterval})
	if n := *s.Count; n < 1 || n > maxCheckCount {
		v.invalid(v.spec.Child("count"), n, "must be from 1 to %d", maxCheckCount)
	}
	switch n, at := *s.FailureLimit, v.spec.Child("failureLimit"); {
	case n < 0:
		v.invalid(at, n, "must not be negative")
	case n >= *s.Count && *s.Count >= 1:
		v.invalid(at, n, "must be less than count, which is %d: else the check could not fail", *s.Count)
	}
}

func (v *checkValidator) schedule() {
	if v.s.Schedule == nil {
		return
	}
	at, every, before := v.spec.Child("schedule", "every"), v.s.Schedule.Every, len(v.faults)
	if every.Duration == 0 {
		v.add(field.Required(at, "a duration such as 10m"))
		return
	}
	v.duration(at, &every, metav1.Duration{Duration: minCheckEvery}, metav1.Duration{Duration: maxCheckEvery})
	if longest := v.s.Longest(); len(v.faults) == before && every.Duration < longest {
		v.invalid(at, every.Duration.String(), "is shorter than a run can take, which is %s: count times timeout, and the intervals between", longest)
	}
}
