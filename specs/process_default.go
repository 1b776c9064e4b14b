package specs

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What a Process gets where it says nothing.
const (
	DefaultGracePeriodSeconds = 30
	DefaultStopSignal         = "SIGTERM"
	DefaultLogMaxBytes        = 64 << 20
	DefaultHost               = "127.0.0.1"
	DefaultBackoffInitial     = time.Second
	DefaultBackoffMax         = 5 * time.Minute
	DefaultBackoffResetAfter  = 10 * time.Second
)

// Default fills in what the process leaves out.
func (o *Process) Default() {
	s := &o.Spec
	orPointer(&s.Replicas, 1)
	or(&s.RestartPolicy, RestartAlways)
	orPointer(&s.TerminationGracePeriodSeconds, DefaultGracePeriodSeconds)
	or(&s.StopSignal, DefaultStopSignal)
	or(&s.OnExecutableChange, ExecutableChangeIgnore)
	for i := range s.DependsOn {
		or(&s.DependsOn[i].Condition, DependencyReady)
	}
	for i := range s.Ports {
		if s.Ports[i].ServicePort != 0 {
			or(&s.Ports[i].AppProtocol, AppHTTP)
		}
	}
	for i := range s.ConfigFiles {
		or(&s.ConfigFiles[i].OnChange, ConfigChangeRestart)
	}
	for _, p := range []*Probe{s.StartupProbe, s.ReadinessProbe, s.LivenessProbe} {
		p.setDefaults()
	}
	s.PreStop.setDefaults()
	s.defaultStruct()
}

func (s *ProcessSpec) defaultStruct() {
	b := made(&s.RestartBackoff)
	orPointer(&b.Initial, metav1.Duration{Duration: DefaultBackoffInitial})
	orPointer(&b.Max, metav1.Duration{Duration: max(DefaultBackoffMax, b.Initial.Duration)})
	orPointer(&b.ResetAfter, metav1.Duration{Duration: DefaultBackoffResetAfter})
	l := made(&s.Log)
	orQuantity(&l.MaxBytes, DefaultLogMaxBytes)
	or(&made(&s.Strategy).Type, StrategyRecreate)
	if b := s.Sandbox; b != nil && (b.Level == SandboxStrict || b.Level == SandboxIsolated) {
		or(&b.Seccomp, SeccompDefault)
		orPointer(&b.Required, true)
	} else if b != nil && b.Level == SandboxRestricted {
		orPointer(&b.Required, false)
	}
	if s.Resources != nil {
		s.Resources.setDefaults()
	}
}

// setDefaults adds nothing. A quantity writes down its text when first asked: see orQuantity.
func (r *ProcessResources) setDefaults() {
	var all []*resource.Quantity
	if l := r.Limits; l != nil {
		all = append(all, l.Memory, l.CPU, l.Pids)
	}
	if q := r.Requests; q != nil {
		all = append(all, q.Memory, q.CPU)
	}
	for _, q := range all {
		if q != nil {
			_ = q.String()
		}
	}
}

func (p *Probe) setDefaults() {
	if p == nil {
		return
	}
	p.Handler.setDefaults()
	or(&p.PeriodSeconds, 10)
	or(&p.TimeoutSeconds, 1)
	or(&p.SuccessThreshold, 1)
	or(&p.FailureThreshold, 3)
}

func (h *Handler) setDefaults() {
	if h == nil {
		return
	}
	if a := h.HTTPGet; a != nil {
		or(&a.Path, "/")
		or(&a.Host, DefaultHost)
		or(&a.Scheme, "HTTP")
	}
	if a := h.TCPSocket; a != nil {
		or(&a.Host, DefaultHost)
	}
}

// or sets a field that is zero.
func or[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// orPointer sets a field that is nil.
func orPointer[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}

// made makes the struct that a field points to when there is none.
func made[T any](field **T) *T {
	if *field == nil {
		*field = new(T)
	}
	return *field
}

// References to the objects that it depends on, to its principal, and to the gates that it is told the addresses of.
func (o *Process) References() []Ref {
	var refs []Ref
	for i, d := range o.Spec.DependsOn {
		if d.Route != "" {
			refs = append(refs, Ref{FromField: fmt.Sprintf("spec.dependsOn[%d].route", i), Kind: "Route", Name: d.Route})
		} else {
			refs = append(refs, Ref{FromField: fmt.Sprintf("spec.dependsOn[%d].process", i), Kind: "Process", Name: d.Process})
		}
	}
	if p := o.Spec.Principal; p != "" {
		refs = append(refs, Ref{FromField: "spec.principal", Kind: "Principal", Name: p})
	}
	if p := o.Spec.Proxy; p != nil {
		refs = append(refs, Ref{FromField: "spec.proxy.gate", Kind: "Gate", Name: p.Gate})
	}
	eachGateVariable(&o.Spec, func(at, name string) {
		gate, _ := gateOf(name)
		refs = append(refs, Ref{FromField: at, Kind: "Gate", Name: gate})
	})
	return refs
}

// eachGateVariable calls fn for every variable of a gate that a process expands, once, with the field that has it first.
func eachGateVariable(s *ProcessSpec, fn func(at, name string)) {
	seen := map[string]bool{}
	for _, e := range s.Env {
		seen[e.Name] = true // the process' own
	}
	look := func(at, text string) {
		for _, name := range Variables(text) {
			if _, ok := gateOf(name); ok && !seen[name] {
				seen[name] = true
				fn(at, name)
			}
		}
	}
	for i, a := range s.Command {
		look(fmt.Sprintf("spec.command[%d]", i), a)
	}
	for i, a := range s.Args {
		look(fmt.Sprintf("spec.args[%d]", i), a)
	}
	for i, e := range s.Env {
		look(fmt.Sprintf("spec.env[%d].value", i), e.Value)
	}
}
