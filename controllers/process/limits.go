package process

import (
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	"mirroros.dev/mirroros/controllers/process/runner/group"
	"mirroros.dev/mirroros/specs"
)

// limitsOf are the limits of each instance, as the runtime has them.
func limitsOf(s *specs.ProcessSpec) (out group.Limits) {
	if s.Resources == nil {
		return out
	}
	if r := s.Resources.Requests; r != nil && r.CPU != nil {
		out.Share = r.CPU.MilliValue()
	}
	l := s.Resources.Limits
	if l == nil {
		return out
	}
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
	}{{"limits.memory", was.Memory == want.Memory}, {"limits.cpu", was.CPU == want.CPU}, {"limits.pids", was.Pids == want.Pids},
		{"requests.cpu", was.Share == want.Share}} {
		if !f.same {
			names = append(names, "resources."+f.name)
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
