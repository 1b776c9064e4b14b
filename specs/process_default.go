package specs

import (
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
	if l.MaxBytes == nil {
		l.MaxBytes = resource.NewQuantity(DefaultLogMaxBytes, resource.BinarySI)
	}
	_ = l.MaxBytes.String() // a quantity writes down its text when first asked, and objects in the store are read by many at once
	or(&made(&s.Strategy).Type, StrategyRecreate)
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

// References to the processes it depends on.
func (o *Process) References() []Ref {
	var refs []Ref
	for i, d := range o.Spec.DependsOn {
		refs = append(refs, Ref{FromField: dependencyField(i), Kind: "Process", Name: d.Process})
	}
	return refs
}
