package specs

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
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

func dependencyField(i int) string { return "spec.dependsOn[" + strconv.Itoa(i) + "].process" }

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
	v.dependencies()
	v.probes()
	v.restarts()
	v.stopping()
	v.files()
	v.log()
	return v.faults
}

// processValidator gathers the faults of one process.
type processValidator struct {
	p      *Process
	s      *ProcessSpec
	spec   *field.Path
	faults field.ErrorList
}

func (v *processValidator) add(e ...*field.Error) { v.faults = append(v.faults, e...) }

func (v *processValidator) invalid(at *field.Path, value any, format string, args ...any) {
	v.add(field.Invalid(at, value, fmt.Sprintf(format, args...)))
}

// text refuses what no argument, variable or path can hold.
func (v *processValidator) text(at *field.Path, s string) {
	if strings.IndexByte(s, 0) >= 0 {
		v.invalid(at, s, "must not have a NUL byte")
	}
}

func (v *processValidator) program() {
	v.commandLine(v.spec.Child("command"), v.s.Command)
	for i, a := range v.s.Args {
		v.text(v.spec.Child("args").Index(i), a)
	}
	v.text(v.spec.Child("workingDir"), v.s.WorkingDir)
	v.text(v.spec.Child("version"), v.s.Version)
}

// commandLine checks a command and its arguments.
func (v *processValidator) commandLine(at *field.Path, command []string) {
	if len(command) == 0 {
		v.add(field.Required(at, "write the program and its arguments as a list"))
		return
	}
	if strings.TrimSpace(command[0]) == "" {
		v.invalid(at.Index(0), command[0], "must name a program")
	}
	for i, a := range command {
		v.text(at.Index(i), a)
	}
}

var accountName = regexp.MustCompile(`^([0-9]+|[A-Za-z_][A-Za-z0-9_.@\\-]*\$?)$`)

func (v *processValidator) identity() {
	for _, f := range []struct{ name, value string }{{"user", v.s.User}, {"group", v.s.Group}} {
		if f.value != "" && !accountName.MatchString(f.value) {
			v.invalid(v.spec.Child(f.name), f.value, "must be the name or the number of a %s", f.name)
		}
	}
}

func (v *processValidator) ports() {
	names, numbers := map[string]bool{}, map[int32]bool{}
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
		if p.Port == 0 {
			continue
		}
		if p.Port < 1 || p.Port > 65535 {
			v.invalid(at.Child("port"), p.Port, "must be from 1 to 65535")
		} else if numbers[p.Port] {
			v.add(field.Duplicate(at.Child("port"), p.Port))
		}
		numbers[p.Port] = true
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
	if v.s.MinReadySeconds < 0 {
		v.invalid(v.spec.Child("minReadySeconds"), v.s.MinReadySeconds, "must not be negative")
	}
	if at, t := v.spec.Child("strategy", "type"), v.s.Strategy.Type; slices.Contains([]StrategyType{"RollingUpdate", "BlueGreen", "Canary"}, t) {
		v.add(field.Forbidden(at, string(t)+" "+notYet))
	} else {
		v.oneOf(at, string(t), string(StrategyRecreate))
	}
}

// oneOf refuses a value that is none of those known.
func (v *processValidator) oneOf(at *field.Path, value string, known ...string) {
	if !slices.Contains(known, value) {
		v.add(notSupported(at, value, known))
	}
}

// notSupported says which values there are, and which one may be meant.
func notSupported(at *field.Path, value string, known []string) *field.Error {
	return field.Invalid(at, value, "must be "+orList(known)+DidYouMean(value, known))
}

// orList is A, B or C.
func orList(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

func (v *processValidator) dependencies() {
	seen := map[string]bool{}
	for i, d := range v.s.DependsOn {
		at := v.spec.Child("dependsOn").Index(i)
		switch {
		case d.Process == "":
			v.add(field.Required(at.Child("process"), "the name of the Process to wait for"))
		case d.Process == v.p.Name:
			v.invalid(at.Child("process"), d.Process, "a process cannot wait for itself")
		case seen[d.Process]:
			v.add(field.Duplicate(at.Child("process"), d.Process))
		default:
			for _, m := range validation.IsDNS1123Label(d.Process) {
				v.invalid(at.Child("process"), d.Process, "%s", m)
			}
		}
		seen[d.Process] = true
		v.oneOf(at.Child("condition"), string(d.Condition), string(DependencyStarted), string(DependencyReady), string(DependencyCompleted))
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
