package cli

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/specs"
)

// statusAnswer is all that `status` says. Its JSON is kept compatible: fields are added, not renamed.
type statusAnswer struct {
	Stacks    []stackStatus   `json:"stacks"`
	Processes []processStatus `json:"processes"`
	// Ready out of Declared counts processes, those made through the API among them.
	Ready    int `json:"ready"`
	Declared int `json:"declared"`
	// Gates, routes that cannot serve, budgets that no gate holds calls to, and rules that somebody made for a while.
	Gates   []gateStatus  `json:"gates,omitempty"`
	Routes  []notReady    `json:"routesNotReady,omitempty"`
	Budgets []notReady    `json:"budgetsNotReady,omitempty"`
	Grants  []grantStatus `json:"grants,omitempty"`
	// Checks that do not pass.
	Checks []checkStatus `json:"checksNotPassing,omitempty"`
	// Conditions of the operator that hold and should not, such as DiskPressure.
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// Host is there with -o wide.
	Host object `json:"host,omitempty"`
}

// stackStatus is one stack.
type stackStatus struct {
	Name string          `json:"name"`
	Live *specs.Revision `json:"live,omitempty"`
	Disk *specs.Revision `json:"disk,omitempty"`
	Sync specs.SyncMode  `json:"sync,omitempty"`
	// Ready out of Declared counts the objects that its files declare.
	Ready         int32  `json:"ready"`
	Declared      int32  `json:"declared"`
	Suspended     bool   `json:"suspended,omitempty"`
	SuspendReason string `json:"suspendReason,omitempty"`
	ResumeAt      string `json:"resumeAt,omitempty"`
	Held          string `json:"held,omitempty"`
	Stalled       string `json:"stalled,omitempty"`
	Reconciling   string `json:"reconciling,omitempty"`
	// Unreadable: Disk is what was last seen; what is there now is not known.
	Unreadable bool               `json:"unreadable,omitempty"`
	Faults     []specs.Fault      `json:"faults,omitempty"`
	RefusedAt  *metav1.Time       `json:"refusedAt,omitempty"`
	Pending    *specs.PendingPlan `json:"pending,omitempty"`
	// Locality of its routes, the Remote ones among them, and how many of its processes could leave the host without a gate.
	Locality specs.Locality `json:"locality,omitempty"`
	Remote   []string       `json:"remote,omitempty"`
	Free     int            `json:"notIsolated,omitempty"`
}

// processStatus is one process, with the copy of it that is worst off.
type processStatus struct {
	Name          string                 `json:"name"`
	Stack         string                 `json:"stack,omitempty"`
	Ready         bool                   `json:"ready"`
	ReadyReplicas int32                  `json:"readyReplicas"`
	Replicas      int32                  `json:"replicas"`
	Reason        string                 `json:"reason"`
	Message       string                 `json:"message,omitempty"`
	Restarts      int32                  `json:"restarts"`
	Since         *metav1.Time           `json:"since,omitempty"`
	LastExit      *specs.StateTerminated `json:"lastExit,omitempty"`
	NextTry       *metav1.Time           `json:"nextTry,omitempty"`
	// instance is the copy that is worst off.
	instance *specs.Instance
}

func newStatus(c *command) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say what is in force, what is on disk, and what is not ready and why",
		Long: `status prints a line for each stack (what is in force, what its files hold), what is wrong with the files, what waits for your word,
how many processes are ready, and a line for each that is not, and for each check that does not pass. Exit code 0: all is ready, checks pass and
the files are in force; 1: something is not ready, a check does not pass, the files are refused or wait, or the operator is short of disk; 3: no operator.`,
		Example: `  mirrorctl status
  mirrorctl status -o json | jq -r '.stacks[0].live.commit'
  mirrorctl status > /dev/null || mail -s 'not all is ready' me < /dev/null`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkFormat(output, "wide", "json", "yaml"); err != nil {
				return err
			}
			return c.status(cmd.Context(), output)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "wide, json or yaml")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"wide", "json", "yaml"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (c *command) status(ctx context.Context, output string) error {
	a, err := c.askStatus(ctx)
	if err != nil {
		return err
	}
	if output == "wide" {
		if err := c.client().getJSON(ctx, "/mirroros/host", &a.Host); err != nil {
			return err
		}
		delete(a.Host, "conditions") // they are said before
	}
	switch output {
	case "json", "yaml":
		if err := printObject(c.Out, output, a); err != nil {
			return err
		}
	default:
		c.printStatus(a)
	}
	if a.good() {
		return nil
	}
	return errFalse
}

func (c *command) askStatus(ctx context.Context) (*statusAnswer, error) {
	stacks, err := listOf[specs.Stack](ctx, c, "")
	if err != nil {
		return nil, err
	}
	processes, err := listOf[specs.Process](ctx, c, "")
	if err != nil {
		return nil, err
	}
	instances, err := listOf[specs.Instance](ctx, c, "")
	if err != nil {
		return nil, err
	}
	a := &statusAnswer{Stacks: []stackStatus{}, Processes: []processStatus{}}
	var host struct{ Conditions []metav1.Condition }
	if err := c.client().getJSON(ctx, "/mirroros/host", &host); err != nil {
		return nil, err
	}
	a.Conditions = host.Conditions
	for i := range stacks {
		a.Stacks = append(a.Stacks, statusOfStack(&stacks[i]))
	}
	if err := c.askGates(ctx, a, stacks, processes); err != nil {
		return nil, err
	}
	if err := c.askChecks(ctx, a); err != nil {
		return nil, err
	}
	worst := worstInstances(instances)
	for i := range processes {
		p := statusOfProcess(&processes[i], worst[processes[i].Name])
		if processes[i].Labels[specs.LabelSystem] == "true" && p.Ready {
			continue // the gates say how it is
		}
		a.Declared++
		if p.Ready {
			a.Ready++
		}
		a.Processes = append(a.Processes, p)
	}
	return a, nil
}

// good tells whether all is ready, and what is on disk is in force. What is not known yet is not good.
func (a *statusAnswer) good() bool {
	return a.Ready == a.Declared && len(a.Stacks) > 0 && len(a.Conditions) == 0 && len(a.Routes)+len(a.Budgets)+len(a.Checks) == 0 && a.gatesGood() && !slices.ContainsFunc(a.Stacks, func(s stackStatus) bool {
		return len(s.Faults) > 0 || s.Pending != nil || s.Stalled != "" || s.Held != "" || !s.inForce()
	})
}

// inForce tells whether what the files hold is in force: all of it, and nothing is on its way. A suspended stack does not follow them.
func (s *stackStatus) inForce() bool {
	switch {
	case s.Suspended:
		return true
	case s.Disk == nil:
		return false
	case s.Live == nil:
		return s.Declared == 0
	}
	return s.Live.Digest == s.Disk.Digest
}

func statusOfStack(s *specs.Stack) stackStatus {
	out := stackStatus{Name: s.Name, Live: s.Status.Live, Disk: s.Status.Disk, Sync: s.Spec.Sync, Suspended: s.Spec.Suspend,
		Faults: s.Status.Faults, Pending: s.Status.Pending}
	for _, k := range s.Status.Objects {
		out.Ready, out.Declared = out.Ready+k.Ready, out.Declared+k.Declared
	}
	if s.Spec.Suspend {
		out.SuspendReason, out.ResumeAt = s.Annotations[specs.AnnotationSuspendReason], s.Annotations[specs.AnnotationResumeAt]
	}
	if len(s.Status.Faults) > 0 && s.Status.LastFailed != nil && !s.Status.LastFailed.Time.IsZero() {
		out.RefusedAt = &s.Status.LastFailed.Time
	}
	if cond := meta.FindStatusCondition(s.Status.Conditions, specs.ConditionSynced); cond != nil && cond.Reason == specs.ReasonHeld {
		out.Held = cond.Message
	}
	for _, typ := range []string{specs.ConditionReconciling, specs.ConditionStalled} { // what stalls says more of the same thing
		cond := meta.FindStatusCondition(s.Status.Conditions, typ)
		switch {
		case cond == nil || cond.Status != metav1.ConditionTrue:
		case cond.Reason == specs.ReasonWaitingForGit:
			out.Held = cond.Message
		case cond.Reason == specs.ReasonManifestsRefused || cond.Reason == specs.ReasonPruneBlocked:
			// The faults and the plan say it better.
		case typ == specs.ConditionReconciling && cond.Reason == specs.ReasonWaitingForObjects:
		case typ == specs.ConditionReconciling:
			out.Reconciling = cmp.Or(cond.Message, cond.Reason)
		default:
			out.Stalled, out.Unreadable = cmp.Or(cond.Message, cond.Reason), cond.Reason == specs.ReasonSourceUnavailable
		}
	}
	return out
}

func statusOfProcess(p *specs.Process, worst *specs.Instance) processStatus {
	out := processStatus{Name: p.Name, Stack: p.Labels[specs.LabelStack], ReadyReplicas: p.Status.ReadyReplicas, Replicas: p.DesiredReplicas(),
		Restarts: p.Status.Restarts, Reason: specs.ReasonUnknown, Message: "not looked at yet", instance: worst}
	cond := meta.FindStatusCondition(p.Status.Conditions, specs.ConditionReady)
	if cond != nil && cond.ObservedGeneration < p.Generation && cond.ObservedGeneration != 0 {
		out.Reason, out.Message = specs.ReasonProgressing, "its change has not been looked at yet"
	} else if cond != nil {
		out.Ready, out.Reason, out.Message = cond.Status == metav1.ConditionTrue, cond.Reason, cond.Message
		if !cond.LastTransitionTime.IsZero() {
			out.Since = &cond.LastTransitionTime
		}
	}
	if worst != nil {
		out.LastExit = worst.Status.LastExit()
		if w := worst.Status.State.Waiting; w != nil {
			out.NextTry = w.Until
		}
	}
	if p.Spec.Suspend {
		out.Message = suspendText(p.Annotations, time.Local)
	}
	return out
}

// suspendText says why something is suspended and until when.
func suspendText(annotations map[string]string, zone *time.Location) string {
	text := cmp.Or(annotations[specs.AnnotationSuspendReason], "suspended")
	if at, err := time.Parse(time.RFC3339, annotations[specs.AnnotationResumeAt]); err == nil {
		text += "; resumes " + at.In(zone).Format("2006-01-02 15:04")
	}
	return text
}

// worstInstances finds, for each process, its copy that is worst off: waiting before ended before running but not ready.
func worstInstances(instances []specs.Instance) map[string]*specs.Instance {
	rank := func(s *specs.InstanceStatus) int {
		switch {
		case s.State.Waiting != nil && s.State.Waiting.Until != nil:
			return 5
		case s.State.Waiting != nil:
			return 4
		case s.State.Terminated != nil && s.State.Terminated.Reason != specs.ReasonCompleted:
			return 3
		case s.State.Running != nil && !s.Ready:
			return 2
		case s.Ready:
			return 0
		}
		return 1
	}
	worst := map[string]*specs.Instance{}
	for i := range instances {
		in := &instances[i]
		if have := worst[in.Spec.Process]; have == nil || rank(&in.Status) > rank(&have.Status) {
			worst[in.Spec.Process] = in
		}
	}
	return worst
}

// age is how long ago t is, as short as kubectl says it.
func (c *command) age(t metav1.Time) string {
	return shortDuration(c.now().Sub(t.Time))
}
