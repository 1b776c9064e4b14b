package specs

import (
	"cmp"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
)

var checkColumns = []Column{nameColumn,
	column("Target", "string", "What it looks at.", func(c *Check) any {
		if refs := c.References(); len(refs) > 0 {
			return strings.ToLower(refs[0].Kind) + "/" + refs[0].Name
		}
		return nil
	}),
	column("Verdict", "string", "Passing, Failing, Inconclusive or Unknown.", func(c *Check) any {
		return string(cmp.Or(c.Status.Verdict, CheckUnknown))
	}),
	column("Since", "date", "Time since the verdict is so.", func(c *Check) any { return dateOf(c.Status.Since) }),
	column("Last Run", "date", "Time since the last run ended.", func(c *Check) any {
		if c.Status.LastRun == nil {
			return nil
		}
		return dateOf(c.Status.LastRun.Finished)
	}),
	ageColumn,
	wide(column("Looks", "string", "How it looks.", func(c *Check) any { return c.Spec.Action() })),
	wide(column("Every", "string", "How often it runs; empty: when somebody asks.", func(c *Check) any {
		if c.Spec.Schedule == nil {
			return nil
		}
		return ShortDuration(c.Spec.Schedule.Every.Duration)
	})),
	wide(column("Passed", "string", "Measurements of the last run that succeeded, of those made.", func(c *Check) any {
		if c.Status.LastRun == nil {
			return nil
		}
		n := 0
		for _, m := range c.Status.LastRun.Measurements {
			if m.Outcome == OutcomeSuccess {
				n++
			}
		}
		return fmt.Sprintf("%d/%d", n, len(c.Status.LastRun.Measurements))
	})),
	wide(column("Message", "string", "Why it does not pass.", func(c *Check) any {
		if p := meta.FindStatusCondition(c.Status.Conditions, ConditionPassing); p != nil && c.Status.Verdict != CheckPassing {
			return cut(p.Message, 80)
		}
		return nil
	})),
	wide(column("Why", "string", "Why the check exists.", func(c *Check) any { return c.Spec.Why })),
}

// Action is the name of the field that says how a check looks.
func (s *CheckSpec) Action() string {
	switch {
	case s.HTTPGet != nil:
		return "httpGet"
	case s.TCPSocket != nil:
		return "tcpSocket"
	case s.Exec != nil:
		return "exec"
	case s.Prompt != nil:
		return "prompt"
	}
	return ""
}
