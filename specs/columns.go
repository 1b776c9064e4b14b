package specs

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// column makes a column of a kind; its value is a function of the typed object.
func column[T Object](name, typ, description string, value func(T) any) Column {
	return Column{Name: name, Type: typ, Description: description, Value: func(o Object) any {
		if t, ok := o.(T); ok {
			return value(t)
		}
		return nil
	}}
}

// wide columns show with -o wide only.
func wide(c Column) Column { c.Wide = true; return c }

// nameColumn and ageColumn are the same for every kind.
var (
	nameColumn = Column{Name: "Name", Type: "string", Description: "Name of the object.", Value: func(o Object) any { return o.GetName() }}
	ageColumn  = Column{Name: "Age", Type: "date", Description: "Time since the object was created.",
		Value: func(o Object) any { return dateOf(o.GetCreationTimestamp()) }}
)

// dateOf is a time as tables carry it.
func dateOf(t metav1.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}

var stackColumns = []Column{nameColumn,
	column("Live", "string", "Revision in force: a commit or a digest. A + says that the files differed from the commit.",
		func(s *Stack) any { return s.Status.Live.Short() }),
	column("Disk", "string", "Revision that the files hold now.", func(s *Stack) any { return s.Status.Disk.Short() }),
	column("Ready", "string", "Objects that are ready out of those declared.", func(s *Stack) any {
		var ready, declared int32
		for _, c := range s.Status.Objects {
			ready, declared = ready+c.Ready, declared+c.Declared
		}
		return fmt.Sprintf("%d/%d", ready, declared)
	}),
	wide(column("Revision", "integer", "Number of the revision in force, as `mirrorctl rollout` takes it.", func(s *Stack) any {
		if s.Status.Live == nil || s.Status.Live.Number == 0 {
			return nil
		}
		return s.Status.Live.Number
	})),
	wide(column("Sync", "string", "Whether edits act by themselves: Auto, Manual or Suspended.", func(s *Stack) any {
		if s.Spec.Suspend {
			return ReasonSuspended
		}
		return string(s.Spec.Sync)
	})),
	wide(column("Status", "string", "Reason of the Ready condition.", func(s *Stack) any { return reasonOf(s.Status.Conditions, ConditionReady) })),
	ageColumn,
}

var processColumns = []Column{nameColumn,
	column("Ready", "string", "Instances that are ready out of those declared.", func(p *Process) any {
		return fmt.Sprintf("%d/%d", p.Status.ReadyReplicas, p.DesiredReplicas())
	}),
	column("Status", "string", "Running, or the reason why not.", func(p *Process) any { return reasonOf(p.Status.Conditions, ConditionReady) }),
	column("Restarts", "integer", "Restarts of the current instances since they were created.", func(p *Process) any { return int64(p.Status.Restarts) }),
	ageColumn,
	wide(column("Version", "string", "Declared version.", func(p *Process) any { return p.Spec.Version })),
	wide(column("Executable", "string", "Says when the program's file changed since the start.", func(p *Process) any {
		if c := meta.FindStatusCondition(p.Status.Conditions, ConditionExecutableChanged); c != nil && c.Status == metav1.ConditionTrue {
			return "changed on disk since start"
		}
		return ""
	})),
	wide(column("Why", "string", "Why the process exists.", func(p *Process) any { return p.Spec.Why })),
	wide(column("Command", "string", "Command and arguments as declared.", func(p *Process) any {
		return cut(strings.Join(append(append([]string{}, p.Spec.Command...), p.Spec.Args...), " "), 80)
	})),
}

var instanceColumns = []Column{nameColumn,
	column("Process", "string", "Process that it is a copy of.", func(i *Instance) any { return i.Spec.Process }),
	column("Ready", "boolean", "Whether it is ready.", func(i *Instance) any { return i.Status.Ready }),
	column("State", "string", "Running, Starting, Stopping, or why it waits or how it ended.", func(i *Instance) any { return i.Status.Word() }),
	column("Restarts", "integer", "Restarts since it was created.", func(i *Instance) any { return int64(i.Status.RestartCount) }),
	column("PID", "integer", "Process id of the main process while it runs.", func(i *Instance) any {
		if i.Status.PID == 0 {
			return nil
		}
		return int64(i.Status.PID)
	}),
	ageColumn,
	wide(column("Endpoints", "string", "Where its ports are reached.", func(i *Instance) any { return strings.Join(i.Status.Endpoints, ",") })),
	wide(column("Version", "string", "Version of the process that it runs.", func(i *Instance) any { return i.Status.Version })),
	wide(column("Last", "string", "How the last run ended.", func(i *Instance) any { return i.Status.LastExit().Short() })),
}

var rolloutColumns = []Column{nameColumn,
	column("Stack", "string", "Stack whose revision it is.", func(r *Rollout) any { return r.Spec.Stack }),
	column("Revision", "integer", "Number of the revision that it leads to.", func(r *Rollout) any { return r.Spec.To.Number }),
	column("Commit", "string", "Commit or digest of that revision.", func(r *Rollout) any { return r.Spec.To.Short() }),
	column("Wave", "string", "Wave that is on its way, out of all.", func(r *Rollout) any {
		return fmt.Sprintf("%d/%d", r.Status.Wave, len(r.Spec.Waves))
	}),
	column("Ready", "string", "Objects that are ready out of those that it changes.", func(r *Rollout) any {
		return fmt.Sprintf("%d/%d", r.Status.ReadyObjects, r.Status.Objects)
	}),
	column("Status", "string", "RolledOut, or how far it is.", func(r *Rollout) any { return reasonOf(r.Status.Conditions, ConditionReady) }),
	ageColumn,
}

var eventColumns = []Column{
	column("Last Seen", "date", "Time since it happened last.", func(e *Event) any { return dateOf(e.LastTimestamp) }),
	column("Type", "string", "Normal or Warning.", func(e *Event) any { return e.Type }),
	column("Reason", "string", "What happened, in a word.", func(e *Event) any { return e.Reason }),
	column("Object", "string", "What it happened to.", func(e *Event) any {
		return strings.ToLower(e.InvolvedObject.Kind) + "/" + e.InvolvedObject.Name
	}),
	column("Message", "string", "What happened, in a sentence.", func(e *Event) any { return strings.TrimSpace(e.Message) }),
	wide(column("Count", "integer", "How often it happened.", func(e *Event) any { return int64(e.Count) })),
	wide(column("Name", "string", "Name of the event.", func(e *Event) any { return e.Name })),
}

var leaseColumns = []Column{nameColumn,
	column("Holder", "string", "Who holds it.", func(l *Lease) any {
		if l.Spec.HolderIdentity == nil {
			return ""
		}
		return *l.Spec.HolderIdentity
	}),
	ageColumn,
}

// reasonOf is a condition's reason; empty when it is not there.
func reasonOf(conditions []metav1.Condition, typ string) string {
	if c := meta.FindStatusCondition(conditions, typ); c != nil {
		return c.Reason
	}
	return ReasonUnknown
}

// cut shortens a text for a table, to one line.
func cut(s string, n int) string {
	s, _, more := strings.Cut(strings.TrimSpace(s), "\n")
	if r := []rune(s); len(r) > n {
		return string(r[:n-3]) + "..."
	} else if more {
		return s + " ..."
	}
	return s
}
