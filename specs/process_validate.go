package specs

import (
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Bounds of a Process.
const (
	// MaxReplicas is how many ports there are to give away.
	MaxReplicas = 10000
	// MaxGracePeriodSeconds is a week.
	MaxGracePeriodSeconds = 7 * 24 * 3600
	// MinLogBytes is the least that a log keeps.
	MinLogBytes = 64 << 10
)

// SystemProcess is the name of the process that all gates are; the operator makes it, and nobody else may.
const SystemProcess = "mirrorgate"

// Validate tells everything that is wrong in the process by itself.
func (o *Process) Validate() field.ErrorList {
	if s := &o.Spec; s.Replicas == nil || s.TerminationGracePeriodSeconds == nil || s.RestartBackoff == nil || s.Log == nil || s.Strategy == nil ||
		s.RestartBackoff.Initial == nil || s.RestartBackoff.Max == nil || s.RestartBackoff.ResetAfter == nil || s.Log.MaxBytes == nil {
		o = Copy(o)
		o.Default()
	}
	v := &processValidator{p: o, s: &o.Spec, spec: field.NewPath("spec")}
	v.program()
	v.identity()
	v.ports()
	v.environment()
	v.references()
	v.count()
	v.strategy()
	v.dependencies()
	v.probes()
	v.restarts()
	v.stopping()
	v.files()
	v.log()
	v.resources()
	v.sandbox()
	return v.faults
}

// processValidator gathers the faults of one process.
type processValidator struct {
	checks
	p    *Process
	s    *ProcessSpec
	spec *field.Path
}

func (v *processValidator) program() {
	v.commandLine(v.spec.Child("command"), v.s.Command)
	for i, a := range v.s.Args {
		v.text(v.spec.Child("args").Index(i), a)
	}
	v.text(v.spec.Child("workingDir"), v.s.WorkingDir)
	v.text(v.spec.Child("version"), v.s.Version)
}

var accountName = regexp.MustCompile(`^([0-9]+|[A-Za-z_][A-Za-z0-9_.@\\-]*\$?)$`)

func (v *processValidator) identity() {
	for _, f := range []struct{ name, value string }{{"user", v.s.User}, {"group", v.s.Group}} {
		if f.value != "" && !accountName.MatchString(f.value) {
			v.invalid(v.spec.Child(f.name), f.value, "must be the name or the number of a %s", f.name)
		}
	}
	if at, p := v.spec.Child("principal"), v.s.Principal; strings.Contains(p, "/") {
		v.invalid(at, p, "must be the name of a Principal; without one it is %s%s", PrincipalOfProcess, v.p.Name)
	} else if p != "" {
		v.name(at, p, "")
	}
	if v.p.Name == SystemProcess && v.p.Labels[LabelSystem] != "true" {
		v.invalid(field.NewPath("metadata", "name"), v.p.Name, "is the operator's own process; choose another name")
	}
}

func (v *processValidator) ports() {
	names, numbers := map[string]bool{}, map[int32]bool{}
	number := func(at *field.Path, n int32) {
		switch {
		case n == 0:
			return
		case n < 1 || n > 65535:
			v.invalid(at, n, "must be from 1 to 65535")
		case numbers[n]:
			v.add(field.Duplicate(at, n))
		}
		numbers[n] = true
	}
	for i, p := range v.s.Ports {
		at := v.spec.Child("ports").Index(i)
		switch {
		case p.Name == "":
			v.add(field.Required(at.Child("name"), "it is what probes and $PORT_<NAME> use"))
		case names[p.Name]:
			v.add(field.Duplicate(at.Child("name"), p.Name))
		default:
			for _, m := range validation.IsValidPortName(p.Name) {
				v.invalid(at.Child("name"), p.Name, "%s", m)
			}
		}
		names[p.Name] = true
		number(at.Child("port"), p.Port)
		number(at.Child("servicePort"), p.ServicePort)
		if p.ServicePort != 0 {
			v.oneOf(at.Child("appProtocol"), string(p.AppProtocol), string(AppHTTP), string(AppH2C), string(AppTCP))
		} else if p.AppProtocol != "" {
			v.add(field.Forbidden(at.Child("appProtocol"), "says what clients of a servicePort speak, and there is none"))
		}
	}
}

func (v *processValidator) count() {
	n := *v.s.Replicas
	if n < 0 || n > MaxReplicas {
		v.invalid(v.spec.Child("replicas"), n, "must be from 0 to %d", MaxReplicas)
	}
	for i, p := range v.s.Ports {
		if p.Port != 0 && n > 1 {
			v.invalid(v.spec.Child("ports").Index(i).Child("port"), p.Port,
				"a fixed port is for one copy, and replicas is %d: leave port out, and each copy gets one as $%s", n, PortVariable(p.Name))
		}
	}
	if n := v.s.ProgressDeadlineSeconds; n != nil && (*n < 1 || *n > 86400) {
		v.invalid(v.spec.Child("progressDeadlineSeconds"), *n, "must be from 1 to 86400")
	}
	if v.s.MinReadySeconds < 0 {
		v.invalid(v.spec.Child("minReadySeconds"), v.s.MinReadySeconds, "must not be negative")
	}
}

func (v *processValidator) strategy() {
	at, t := v.spec.Child("strategy", "type"), v.s.Strategy.Type
	if slices.Contains([]StrategyType{"BlueGreen", "Canary"}, t) {
		v.add(field.Forbidden(at, string(t)+" "+notYet))
		return
	}
	v.oneOf(at, string(t), string(StrategyRecreate), string(StrategyRollingUpdate))
	for _, p := range v.s.Ports {
		if p.Port != 0 && t == StrategyRollingUpdate {
			v.invalid(at, string(t), "starts a new copy beside the old one, and port %d is for one alone: leave port out and give clients a servicePort, "+
				"or write Recreate", p.Port)
			return
		}
	}
}

func (v *processValidator) dependencies() {
	seen := map[Dependency]bool{}
	for i, d := range v.s.DependsOn {
		at := v.spec.Child("dependsOn").Index(i)
		name, known := d.Process, []string{string(DependencyStarted), string(DependencyReady), string(DependencyCompleted)}
		here := at.Child("process")
		if d.Route != "" {
			name, known, here = d.Route, []string{string(DependencyReady)}, at.Child("route")
		}
		same := Dependency{Process: d.Process, Route: d.Route}
		switch {
		case d.Process != "" && d.Route != "":
			v.add(field.Forbidden(here, "there is a process already: write one of both"))
		case d.Process == v.p.Name && name != "" && d.Route == "":
			v.invalid(here, name, "a process cannot wait for itself")
		case seen[same]:
			v.add(field.Duplicate(here, name))
		default:
			v.name(here, name, "the name of the Process to wait for, or route: NAME")
		}
		seen[same] = true
		v.oneOf(at.Child("condition"), string(d.Condition), known...)
	}
}

func (v *processValidator) restarts() {
	v.oneOf(v.spec.Child("restartPolicy"), string(v.s.RestartPolicy), string(RestartAlways), string(RestartOnFailure), string(RestartNever))
	v.oneOf(v.spec.Child("onExecutableChange"), string(v.s.OnExecutableChange), string(ExecutableChangeIgnore), string(ExecutableChangeRestart))
	b, at := v.s.RestartBackoff, v.spec.Child("restartBackoff")
	if b.Initial.Duration <= 0 {
		v.invalid(at.Child("initial"), b.Initial.Duration.String(), "must be more than 0s")
	}
	if b.ResetAfter.Duration <= 0 {
		v.invalid(at.Child("resetAfter"), b.ResetAfter.Duration.String(), "must be more than 0s")
	}
	if b.Max.Duration < b.Initial.Duration {
		v.invalid(at.Child("max"), b.Max.Duration.String(), "must not be less than initial, which is %s", b.Initial.Duration)
	}
}

func (v *processValidator) log() {
	if q := v.s.Log.MaxBytes; q.Value() < MinLogBytes {
		v.invalid(v.spec.Child("log", "maxBytes"), q.String(), "must be at least 64Ki")
	}
}
