package process

import (
	"context"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/plan"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// systemGateGrace is for the gate when everything is stopped. It is the last then, and its clients have gone: it need not wait for streams as
// long as when another takes over from it.
const systemGateGrace = 3 * time.Second

// needs are the objects that a process waits for: processes by name, routes and gates with their kind before it.
func needs(p *specs.Process) []string {
	var out []string
	for _, d := range p.Spec.DependsOn {
		if d.Route != "" {
			out = append(out, "route/"+d.Route)
		} else {
			out = append(out, d.Process)
		}
	}
	return append(out, gateNeeds(p)...)
}

// gateNeeds are the gates whose addresses go into the environment of a process, as gate/NAME.
func gateNeeds(p *specs.Process) []string {
	var out []string
	for _, r := range specs.References(p) {
		if name := "gate/" + r.Name; r.Kind == "Gate" && !contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// users maps a change of a route or gate to the processes that wait for it.
func (r *Reconciler) users(e store.Event) []reconcile.Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []reconcile.Request
	for name := range r.needed[strings.ToLower(e.Kind)+"/"+e.Object.GetName()] {
		out = append(out, request(name))
	}
	return out
}

// conditionListening is what a process waits for of a gate that it names.
const conditionListening specs.DependencyCondition = "Listening"

// gateDependencies looks up the gates that the process names. Planning takes one that is declared for one that listens.
func (r *Reconciler) gateDependencies(o *observed, l look) {
	for _, need := range gateNeeds(o.Process) {
		name := strings.TrimPrefix(need, "gate/")
		_, found := l.view.Get("Gate", name)
		listens := l.planning
		if r.o.Gate != nil && !listens {
			_, listens = r.o.Gate.Gates()[name]
		}
		o.Dependencies = append(o.Dependencies, dependency{Name: need, Condition: conditionListening, Found: found, Met: found && listens})
	}
}

// routeDependency looks up a route. Planning takes it to be ready when something behind it is.
func (r *Reconciler) routeDependency(l look, d specs.Dependency) dependency {
	out := dependency{Name: "route/" + d.Route, Condition: d.Condition}
	obj, ok := l.view.Get("Route", d.Route)
	if out.Found = ok; !ok {
		return out
	}
	rt, ok := obj.(*specs.Route)
	switch {
	case !ok:
	case l.planning:
		out.Met = planReady(l.view, rt)
	case r.o.Gate != nil:
		out.Met = r.o.Gate.RouteReady(d.Route)
	}
	return out
}

func planReady(v plan.View, rt *specs.Route) bool {
	if len(rt.Spec.Backends) == 0 {
		return true
	}
	for _, b := range rt.Spec.Backends {
		if p, ok := getProcess(v, b.Process); b.URL != "" || ok && isMet(p, specs.DependencyReady) {
			return true
		}
	}
	return false
}

// insideOnly are the addresses of gates as an isolated instance reaches them: at their ports of its own loopback, by TCP alone.
func insideOnly(gates map[string]string) map[string]string {
	out := map[string]string{}
	for name, address := range gates {
		if u, err := url.Parse(address); err == nil && u.Port() != "" {
			out[name] = "http://" + net.JoinHostPort(specs.DefaultHost, u.Port())
		}
	}
	return out
}

// gateVariables adds what an instance needs at the gates: their addresses, its token file, and where to reach other hosts.
func (v *resolver) gateVariables(env *variables, s subject) *fault {
	if s.gate == nil {
		return nil
	}
	gates := s.gate.Gates()
	if b := s.process.Spec.Sandbox; b != nil && b.Level == specs.SandboxIsolated {
		gates = insideOnly(gates)
	}
	for name, address := range gates {
		env.set(specs.GateVariable(name), address, false)
	}
	if s.gate.Active() && s.process.Name != specs.SystemProcess {
		env.set(specs.VarTokenFile, s.gate.TokenFile(s.id), false)
	}
	if s.process.Spec.Proxy == nil || s.token == nil {
		return nil
	}
	address, ok := gates[s.process.Spec.Proxy.Gate]
	if !ok || !strings.HasPrefix(address, "http://") {
		return cannot("", "proxy: gate %q listens on no address of a network", s.process.Spec.Proxy.Gate)
	}
	text, f := s.token(0)
	if f != nil {
		return f
	}
	proxy := "http://" + v.self.name + ":" + text + "@" + strings.TrimPrefix(address, "http://")
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"} {
		env.set(name, proxy, true)
	}
	for _, name := range []string{"NO_PROXY", "no_proxy"} {
		env.set(name, "localhost,127.0.0.1,::1", false)
	}
	return nil
}

// tokenVariable adds a variable that is a token. While nothing starts its value does not matter.
func (v *variables) tokenVariable(s subject, e specs.EnvVar) *fault {
	if s.token == nil {
		v.set(e.Name, "", true)
		return nil
	}
	ttl := specs.DefaultTokenTTL
	if t := e.ValueFrom.Token.TTL; t != nil {
		ttl = t.Duration
	}
	text, f := s.token(ttl)
	if f == nil {
		v.set(e.Name, text, true)
	}
	return f
}

// servedAt are the addresses that gates may send requests of an instance to.
func (r *Reconciler) servedAt(o *observed, im *instanceMemory) []string {
	if !o.Served || im.run == nil {
		return nil
	}
	var out []string
	for _, p := range im.run.Note.Ports {
		out = append(out, net.JoinHostPort(specs.DefaultHost, strconv.Itoa(int(p.Port))))
	}
	return out
}

// admission lets an instance that starts now have its tokens.
func (r *Reconciler) admission(s subject) subject {
	s.gate = r.o.Gate
	if s.gate == nil || !s.gate.Active() || s.process.Name == specs.SystemProcess {
		return s
	}
	principal := s.process.PrincipalName()
	s.begin = func(who account) *fault {
		uid, gid := -1, -1
		if who.credential != nil {
			uid, gid = int(who.uid), int(who.gid)
		}
		if _, err := s.gate.Begin(s.id, principal, uid, gid); err != nil {
			return &fault{Reason: specs.ReasonCannotStart, Message: err.Error()}
		}
		return nil
	}
	s.token = func(ttl time.Duration) (string, *fault) {
		text, err := s.gate.InstanceToken(s.id, principal, ttl)
		if err != nil {
			return "", cannot("", "%v", err)
		}
		return text, nil
	}
	return s
}

// settlePatience is how long a start waits until the gates know its tokens; a gate that is slower refuses what comes before.
const settlePatience = 500 * time.Millisecond

// awaitGates has the gates know an instance before it runs, when it is declared to call them: its first call must not find its token unknown.
func (r *Reconciler) awaitGates(p *specs.Process) {
	calls := p.Spec.Principal != "" || p.Spec.Proxy != nil || len(gateNeeds(p)) > 0 ||
		slices.ContainsFunc(p.Spec.Env, func(e specs.EnvVar) bool { return e.ValueFrom != nil && e.ValueFrom.Token != nil })
	if r.o.Gate == nil || !calls || !r.o.Gate.Active() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), settlePatience)
	defer cancel()
	if err := r.o.Gate.Settle(ctx); err != nil {
		r.o.Log.Info("An instance starts before the gates know it", "process", p.Name, "cause", err.Error())
	}
}

// kind of what is depended on.
func (d dependency) kind() string {
	kind, _, ok := strings.Cut(d.Name, "/")
	if !ok {
		return "process"
	}
	return kind
}
