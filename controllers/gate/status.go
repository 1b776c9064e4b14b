package gate

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/specs"
)

// verdict is a condition in words: whether, why, and a sentence.
type verdict struct {
	status          metav1.ConditionStatus
	reason, message string
}

func yes(reason, format string, args ...any) verdict {
	return verdict{metav1.ConditionTrue, reason, fmt.Sprintf(format, args...)}
}

func no(reason, format string, args ...any) verdict {
	return verdict{metav1.ConditionFalse, reason, fmt.Sprintf(format, args...)}
}

func unknown(reason, format string, args ...any) verdict {
	return verdict{metav1.ConditionUnknown, reason, fmt.Sprintf(format, args...)}
}

// set writes the verdict as a condition.
func (o *observed) set(conds *[]metav1.Condition, typ string, generation int64, v verdict) {
	reconcile.SetCondition(conds, metav1.Condition{Type: typ, Status: v.status, Reason: v.reason, Message: v.message,
		ObservedGeneration: generation, LastTransitionTime: metav1.NewTime(o.Now)})
}

// inForce tells whether a gate runs the newest configuration; every kind here depends on that.
func (o *observed) inForce() verdict {
	if o.Unwritten != "" {
		return no(specs.ReasonSnapshotUnwritten, "%s; the gates go on with what they have", o.Unwritten)
	}
	newest, serving := int64(-1), false
	for _, r := range o.Running {
		if r.Draining {
			continue
		}
		serving = true
		newest = max(newest, r.Config)
		if r.Error != "" {
			return no(specs.ReasonSnapshotRefused, "the gate refuses snapshot %d and runs %d: %s", o.Config.Number, r.Config, r.Error)
		}
	}
	switch {
	case !serving && o.System != nil:
		return unknown(specs.ReasonWaitingForGate, "process/%s does not answer: see `mirrorctl describe process %s`", specs.SystemProcess, specs.SystemProcess)
	case !serving:
		return unknown(specs.ReasonWaitingForGate, "process/%s is about to start", specs.SystemProcess)
	case newest < o.Config.Number:
		return no(specs.ReasonSnapshotPending, "the gate runs snapshot %d; %d is on its way", newest, o.Config.Number)
	}
	return yes(specs.ReasonServing, "snapshot %d is in force", o.Config.Number)
}

// gate tells how a Gate is.
func (o *observed) gate(g *specs.Gate, inForce verdict) specs.GateStatus {
	name, c := gateListener(g.Name), o.Counts.gates[g.Name]
	st := specs.GateStatus{ObservedGeneration: g.Generation, Address: strings.TrimPrefix(o.Bound[name], "unix:"), Conditions: cloneConditions(g.Status.Conditions),
		Requests: c.Requests, Refused: c.Refused, OpenStreams: int32(c.Streams)}
	for i := range o.Config.Gates {
		if gc := &o.Config.Gates[i]; gc.Name == g.Name {
			st.Routes, st.Rules = int32(len(gc.Routes)), int32(declaredRules(gc.Rules))
		}
	}
	for _, r := range o.Running {
		st.Snapshot = max(st.Snapshot, r.Config)
	}
	v := inForce
	if f := o.Faults[name]; f != "" {
		v = no(specs.ReasonCannotListen, "%s", f)
	} else if v.status == metav1.ConditionTrue && o.missing(name) {
		v = no(specs.ReasonSnapshotPending, "the gate waits for its socket %s", st.Address)
	}
	o.set(&st.Conditions, specs.ConditionReady, g.Generation, v)
	o.peers(g, &st)
	return st
}

// peers tells when the gate cannot know workloads by their process, as it is told to.
func (o *observed) peers(g *specs.Gate, st *specs.GateStatus) {
	a := g.Spec.Authentication
	unknown := a != nil && value(a.PeerCredentials) && g.Spec.Listen.Address != "" && len(o.Runs) > 0 &&
		!slices.ContainsFunc(o.Runs, func(w Workload) bool { return w.CgroupID != 0 })
	if !unknown {
		meta.RemoveStatusCondition(&st.Conditions, specs.ConditionDegraded)
		return
	}
	o.set(&st.Conditions, specs.ConditionDegraded, g.Generation, yes(specs.ReasonNoCgroups,
		"instances have no cgroup (v2) of their own on this host, so no caller by TCP is known by its process: listen on a unix socket, or use tokens"))
}

// missing tells whether a gate lacks a socket.
func (o *observed) missing(name string) bool {
	for _, r := range o.Running {
		for _, m := range r.Missing {
			if m == name && !r.Draining {
				return true
			}
		}
	}
	return false
}

// route tells how a Route is.
func (o *observed) route(r *specs.Route, inForce verdict) specs.RouteStatus {
	st := specs.RouteStatus{ObservedGeneration: r.Generation, Conditions: cloneConditions(r.Status.Conditions)}
	var absent []string
	if o.findGate(r.Spec.Gate) == nil {
		absent = append(absent, "gate/"+r.Spec.Gate)
	}
	for _, b := range append(append([]specs.RouteBackend{}, r.Spec.Backends...), r.Spec.Fallbacks...) {
		p := o.Processes[b.Process]
		switch {
		case b.URL != "":
			st.Endpoints, st.Declared = st.Endpoints+1, st.Declared+1
		case p == nil:
			absent = append(absent, "process/"+b.Process)
		default:
			st.Declared += p.DesiredReplicas()
			st.Endpoints += int32(len(o.Endpoints.Ready[endpointsName(b.Process, o.portName(b))]))
		}
	}
	refs := yes(specs.ReasonResolved, "what it refers to is there")
	if len(absent) > 0 {
		refs = no(specs.ReasonRefsNotFound, "no %s", strings.Join(absent, ", no "))
	}
	o.set(&st.Conditions, specs.ConditionResolvedRefs, r.Generation, refs)
	v := inForce
	switch {
	case refs.status != metav1.ConditionTrue:
		v = refs
	case v.status == metav1.ConditionTrue && o.stopped(r) != "":
		v = no(specs.ReasonBoundsBroken, "%s; nothing is sent to it until the Route is changed, or `mirrorctl restart mirrorgate`", o.stopped(r))
	case v.status == metav1.ConditionTrue && st.Endpoints == 0 && st.Declared > 0:
		v = no(specs.ReasonNoEndpoints, "none of its %d endpoints is ready%s", st.Declared, o.meanwhile(r))
	case v.status == metav1.ConditionTrue:
		v = yes(specs.ReasonReady, "%d of %d endpoints are ready", st.Endpoints, st.Declared)
	}
	o.set(&st.Conditions, specs.ConditionReady, r.Generation, v)
	o.checked(r, &st.Conditions)
	return st
}

// stopped says why a gate serves a route no more; empty when it does.
func (o *observed) stopped(r *specs.Route) string {
	for _, g := range o.Running {
		for _, s := range g.Stopped {
			if s.Gate == r.Spec.Gate && s.Route == r.Name && !g.Draining {
				return s.Why
			}
		}
	}
	return ""
}

// meanwhile says who serves a route until one of its own backends can.
func (o *observed) meanwhile(r *specs.Route) string {
	c := o.routeConfig(r)
	for _, b := range c.Backends {
		if !slices.ContainsFunc(r.Spec.Backends, func(s specs.RouteBackend) bool { return "process/"+s.Process == b.Name }) {
			return "; until one is, " + b.Name + " goes on, which served it before"
		}
	}
	return ""
}

func (o *observed) findGate(name string) *specs.Gate {
	for _, g := range o.Gates {
		if g.Name == name {
			return g
		}
	}
	return nil
}

// rule tells how a GateRule is.
func (o *observed) rule(r *specs.GateRule, inForce verdict) specs.GateRuleStatus {
	c := o.Counts.rules[r.Name]
	st := specs.GateRuleStatus{ObservedGeneration: r.Generation, Conditions: cloneConditions(r.Status.Conditions),
		Hits: c.Hits, ShadowHits: c.Shadow, LastMatch: r.Status.LastMatch}
	if !c.Last.IsZero() {
		st.LastMatch = metav1.NewTime(c.Last).Rfc3339Copy()
	}
	v := inForce
	switch e := r.Spec.Expires; {
	case !e.IsZero() && !o.Now.Before(e.Time):
		v = yes(specs.ReasonExpired, "it ended at %s and decides nothing any more", e.UTC().Format("2006-01-02T15:04:05Z"))
	case v.status == metav1.ConditionTrue && r.Spec.Mode == specs.RuleShadow:
		v = yes(specs.ReasonShadow, "it is counted and decides nothing: %s", inForce.message)
	}
	o.set(&st.Conditions, specs.ConditionReady, r.Generation, v)
	return st
}

// principal tells how a Principal is.
func (o *observed) principal(p *specs.Principal) specs.PrincipalStatus {
	st := specs.PrincipalStatus{ObservedGeneration: p.Generation, Conditions: cloneConditions(p.Status.Conditions)}
	acting := map[string]bool{}
	for _, t := range o.Tokens {
		switch {
		case t.Principal != p.Name || !o.Now.Before(t.Expires):
		case t.Instance != "":
			acting[t.Instance] = true
		default:
			st.Tokens++
			if st.NextExpiry.IsZero() || t.Expires.Before(st.NextExpiry.Time) {
				st.NextExpiry = metav1.NewTime(t.Expires).Rfc3339Copy()
			}
		}
	}
	st.Instances = int32(len(acting))
	v := yes(specs.ReasonReady, "it may call what rules allow it")
	if p.Spec.Suspend {
		v = no(specs.ReasonSuspended, "every call of it is refused")
	}
	o.set(&st.Conditions, specs.ConditionReady, p.Generation, v)
	return st
}

func cloneConditions(c []metav1.Condition) []metav1.Condition {
	return append([]metav1.Condition(nil), c...)
}
