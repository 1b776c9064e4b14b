package gate

import (
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/specs"
)

// drainSeconds is how long a gate that is to end may go on with what it has begun: streams of models and tunnels are long. It does not hold
// up a shutdown of everything: what talks through it depends on it and has ended by then.
const drainSeconds = 600

// systemProcess is the process mirrorgate as it ought to be. A new one is beside the old until it serves, so nothing is cut when the program
// changes.
func systemProcess(stateDir, runDir string) *specs.Process {
	grace, period := int64(drainSeconds), int32(1)
	first := metav1.Duration{Duration: 50 * time.Millisecond} // clients wait meanwhile: one that was killed young is back as soon as one that was old
	p := &specs.Process{ObjectMeta: metav1.ObjectMeta{Name: specs.SystemProcess, Labels: map[string]string{specs.LabelSystem: "true"}}}
	p.Spec = specs.ProcessSpec{
		Why:                           "serves the gates and service ports of this host; the operator made it",
		Command:                       []string{specs.SystemProcess, "serve", "--state", stateDir, "--run", runDir},
		StartupProbe:                  &specs.Probe{Handler: specs.Handler{Exec: &specs.ExecAction{Command: []string{specs.SystemProcess, "ready", "--run", runDir}}}, PeriodSeconds: period, FailureThreshold: 60, TimeoutSeconds: 5},
		Strategy:                      &specs.Strategy{Type: specs.StrategyRollingUpdate},
		OnExecutableChange:            specs.ExecutableChangeRestart,
		RestartBackoff:                &specs.Backoff{Initial: &first},
		TerminationGracePeriodSeconds: &grace,
		Log:                           &specs.Log{MaxBytes: resource.NewQuantity(specs.DefaultLogMaxBytes, resource.BinarySI)},
	}
	specs.Default(p)
	return p
}
