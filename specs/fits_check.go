package specs

import (
	"fmt"
	"slices"
	"strings"
)

// checkFits looks for the port of its target that a check names, and whether a prompt can be asked there.
func checkFits(c *Check, get Finder) []misfit {
	if c.Spec.Prompt != nil {
		return promptFits(c, get)
	}
	p, ok := found[*Process](get, "Process", c.Spec.Target.Process)
	if !ok || c.Spec.Target.Process == "" {
		return nil
	}
	port, at := "", ""
	switch s := &c.Spec; {
	case s.HTTPGet != nil:
		port, at = s.HTTPGet.Port.StrVal, "spec.httpGet.port"
	case s.TCPSocket != nil:
		port, at = s.TCPSocket.Port.StrVal, "spec.tcpSocket.port"
	}
	names := portNames(p)
	if port == "" || slices.Contains(names, port) {
		return nil
	}
	return []misfit{{at, fmt.Sprintf("process/%s has no port %q%s", p.Name, port, DidYouMean(port, names))}}
}

// promptFits looks whether a route takes prompts, for which model, and whether its gate takes the operator's token.
func promptFits(c *Check, get Finder) []misfit {
	r, ok := found[*Route](get, "Route", c.Spec.Target.Route)
	if !ok || c.Spec.Target.Route == "" {
		return nil
	}
	if r.Spec.Protocol != ProtocolOpenAI && r.Spec.Protocol != ProtocolAnthropic {
		return []misfit{{"spec.target.route", fmt.Sprintf("route/%s is of protocol %s, which takes no prompts: OpenAI and Anthropic do", r.Name, r.Spec.Protocol)}}
	}
	var out []misfit
	model, models := c.Spec.Prompt.Model, r.Spec.Match.Models
	switch serves := func(pattern string) bool { return namedBy(pattern, model) }; {
	case model == "" && len(models) > 0 && strings.HasSuffix(models[0], "*"):
		out = append(out, misfit{"spec.prompt", fmt.Sprintf("write model: NAME, for route/%s serves all that are like %s", r.Name, models[0])})
	case model != "" && !slices.ContainsFunc(models, serves):
		out = append(out, misfit{"spec.prompt.model", fmt.Sprintf("route/%s does not serve the model %q%s", r.Name, model, DidYouMean(model, models))})
	}
	if g, ok := found[*Gate](get, "Gate", r.Spec.Gate); ok && g.Spec.Authentication != nil && g.Spec.Authentication.Tokens != nil && !*g.Spec.Authentication.Tokens {
		out = append(out, misfit{"spec.target.route", fmt.Sprintf("route/%s is of gate/%s, which takes no tokens, and %s has nothing else", r.Name, g.Name, PrincipalCheck)})
	}
	return out
}

// namedBy tells whether a name is one of those that a pattern, which may end in *, means.
func namedBy(pattern, name string) bool {
	before, open := strings.CutSuffix(pattern, "*")
	return name == pattern || open && strings.HasPrefix(name, before)
}

func portNames(p *Process) []string {
	var names []string
	for _, port := range p.Spec.Ports {
		names = append(names, port.Name)
	}
	return names
}
