package process

import (
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	"mirroros.dev/mirroros/controllers/process/runner/group"
	"mirroros.dev/mirroros/specs"
)

// limitsOf are the limits of each instance, as the runtime has them.
func limitsOf(s *specs.ProcessSpec) (out group.Limits) {
	if s.Resources == nil || s.Resources.Limits == nil {
		return out
	}
	l := s.Resources.Limits
	value := func(q *resource.Quantity) int64 {
		if q == nil {
			return 0
		}
		return q.Value()
	}
	out.Memory, out.Pids = value(l.Memory), value(l.Pids)
	if l.CPU != nil {
		out.CPU = l.CPU.MilliValue()
	}
	return out
}

// whatOf names the limits that differ.
func whatOf(was, want group.Limits) string {
	var names []string
	for _, f := range []struct {
		name string
		same bool
	}{{group.Memory, was.Memory == want.Memory}, {group.CPU, was.CPU == want.CPU}, {group.Pids, was.Pids == want.Pids}} {
		if !f.same {
			names = append(names, "resources.limits."+f.name)
		}
	}
	return strings.Join(names, ", ")
}

// limit brings other limits in force in a live run.
func (r *Reconciler) limit(o *observed, im *instanceMemory, a action) error {
	if err := r.runtime.Limit(im.id, limitsOf(&o.Process.Spec)); err != nil {
		return ignoreEnded(err)
	}
	r.event(o, specs.EventNormal, specs.ReasonLimited, im.id+": "+a.Message)
	return nil
}
