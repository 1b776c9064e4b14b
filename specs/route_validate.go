package specs

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

var protocols = []string{string(ProtocolOpenAI), string(ProtocolAnthropic), string(ProtocolMCP), string(ProtocolHTTP), string(ProtocolTCP),
	string(ProtocolCONNECT)}

// Validate tells everything that is wrong in the route by itself.
func (o *Route) Validate() field.ErrorList {
	o = Copy(o)
	o.Default()
	v := &routeValidator{s: &o.Spec, spec: field.NewPath("spec")}
	v.name(v.spec.Child("gate"), v.s.Gate, "the name of the Gate that serves it")
	v.required(v.spec.Child("protocol"), string(v.s.Protocol), protocols...)
	if !slices.Contains(protocols, string(v.s.Protocol)) {
		return v.faults // what else there may be depends on it
	}
	v.match()
	v.reach()
	v.backends()
	v.fallbacks()
	v.timeouts()
	v.limits()
	v.pricing(v.spec.Child("pricing"), v.s.Pricing)
	return v.faults
}

// routeValidator gathers the faults of one route.
type routeValidator struct {
	checks
	s    *RouteSpec
	spec *field.Path
}

// match checks that there is what the protocol matches by, and nothing else.
func (v *routeValidator) match() {
	at, m, p := v.spec.Child("match"), v.s.Match, v.s.Protocol
	wants := map[RouteProtocol]string{ProtocolOpenAI: "models", ProtocolAnthropic: "models", ProtocolMCP: "path", ProtocolHTTP: "path",
		ProtocolCONNECT: "hosts"}[p]
	for _, f := range []struct {
		name  string
		there bool
		why   string
	}{
		{"models", len(m.Models) > 0, "the names that clients use, or \"*\" for any"},
		{"path", m.Path != "", "the path that requests are at or below, or / for any"},
		{"hosts", len(m.Hosts) > 0, "the host:port that may be reached"},
	} {
		switch {
		case f.there && p == ProtocolTCP:
			v.add(field.Forbidden(at.Child(f.name), "a TCP route takes all of its gate; remove match"))
		case f.there && f.name != wants:
			v.add(field.Forbidden(at.Child(f.name), "a route of protocol "+string(p)+" matches by "+wants))
		case !f.there && f.name == wants:
			v.add(field.Required(at.Child(f.name), f.why))
		}
	}
	switch wants {
	case "models":
		v.names(at.Child("models"), m.Models, v.pattern)
	case "path":
		if m.Path != "" {
			v.urlPath(at.Child("path"), m.Path)
		}
	case "hosts":
		v.names(at.Child("hosts"), m.Hosts, v.host)
	}
}

// host checks host:port of a CONNECT route.
func (v *routeValidator) host(at *field.Path, s string) {
	host, port, ok := cutPort(s)
	if n, err := strconv.ParseUint(port, 10, 16); !ok || err != nil || n == 0 {
		v.invalid(at, s, "must be host:port, as api.example.org:443")
		return
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return
	}
	if name := strings.TrimPrefix(host, "*."); len(validation.IsDNS1123Subdomain(name)) > 0 {
		v.invalid(at, s, "must name a host in small letters, or *. and the name that it is below, and a port")
	}
}

// cutPort parts host:port; the host of [::1]:80 is ::1.
func cutPort(s string) (host, port string, ok bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return s, "", false
	}
	host, port = s[:i], s[i+1:]
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		return host[1 : len(host)-1], port, true
	}
	return host, port, !strings.Contains(host, ":")
}

// isLoopback tells whether a host is this one for certain.
func isLoopback(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Unmap().IsLoopback()
	}
	return strings.EqualFold(host, "localhost")
}

// reach checks remote of the route, which is for CONNECT alone.
func (v *routeValidator) reach() {
	at := v.spec.Child("remote")
	if v.s.Protocol != ProtocolCONNECT {
		if v.s.Remote {
			v.add(field.Forbidden(at, "is for routes of protocol CONNECT: write remote: true beside the url that is remote"))
		}
		return
	}
	local := !slices.ContainsFunc(v.s.Match.Hosts, func(h string) bool {
		host, _, _ := cutPort(h)
		return !isLoopback(host)
	})
	switch {
	case !local && !v.s.Remote:
		v.add(field.Required(at, "its hosts are not loopback: write remote: true"))
	case local && v.s.Remote && len(v.s.Match.Hosts) > 0:
		v.invalid(at, true, "all its hosts are loopback: remove it")
	}
}

func (v *routeValidator) backends() {
	at := v.spec.Child("backends")
	if v.s.Protocol == ProtocolCONNECT {
		if len(v.s.Backends) > 0 {
			v.add(field.Forbidden(at, "a CONNECT route goes to the hosts of match.hosts; remove them"))
		}
		return
	}
	if len(v.s.Backends) == 0 {
		v.add(field.Required(at, "a list of {process: NAME} or {url: URL}"))
		return
	}
	sum := int32(0)
	for i := range v.s.Backends {
		b := &v.s.Backends[i]
		v.backend(at.Index(i), b)
		if w := *b.Weight; w < 0 || w > 1000 {
			v.invalid(at.Index(i).Child("weight"), w, "must be from 0 to 1000")
		} else {
			sum += w
			continue
		}
		sum++ // told already
	}
	if sum == 0 {
		v.invalid(at.Index(0).Child("weight"), 0, "no backend has a weight, so none would serve")
	}
}

func (v *routeValidator) fallbacks() {
	at := v.spec.Child("fallbacks")
	if len(v.s.Fallbacks) > 0 && v.s.Protocol == ProtocolCONNECT {
		v.add(field.Forbidden(at, "a CONNECT route has none; remove them"))
		return
	}
	remote := slices.ContainsFunc(v.s.Backends, func(b RouteBackend) bool { return b.Remote })
	for i := range v.s.Fallbacks {
		b, at := &v.s.Fallbacks[i], at.Index(i)
		v.backend(at, b)
		if b.Weight != nil {
			v.add(field.Forbidden(at.Child("weight"), "fallbacks are tried in their order; remove it"))
		}
		if b.Remote && !remote {
			v.invalid(at.Child("remote"), true, "no backend is remote, and a fallback goes to no more remote place: make it a backend of a route of its own")
		}
	}
	on := v.spec.Child("fallbackOn")
	if len(v.s.Fallbacks) == 0 && len(v.s.FallbackOn) > 0 {
		v.add(field.Forbidden(on, "there are no fallbacks"))
		return
	}
	known := make([]string, 0, 4)
	for _, r := range fallbackReasons(v.s.Protocol) {
		known = append(known, string(r))
	}
	reasons := make([]string, 0, 4)
	for _, r := range v.s.FallbackOn {
		reasons = append(reasons, string(r))
	}
	v.names(on, reasons, func(at *field.Path, r string) { v.oneOf(at, r, known...) })
}

func (v *routeValidator) backend(at *field.Path, b *RouteBackend) {
	switch {
	case b.Process == "" && b.URL == "":
		v.add(field.Required(at, "exactly one of process and url"))
	case b.Process != "" && b.URL != "":
		v.add(field.Forbidden(at.Child("url"), "there is a process already: write one of both"))
	case b.Process != "":
		v.process(at, b)
	default:
		v.url(at, b)
	}
	if b.Path != "" {
		if p := v.s.Protocol; p != ProtocolMCP && p != ProtocolHTTP {
			v.add(field.Forbidden(at.Child("path"), "is for protocols MCP and HTTP; of a url it may be a part"))
		} else {
			v.urlPath(at.Child("path"), b.Path)
		}
	}
	switch {
	case b.Model == "":
	case !v.s.Protocol.IsModel():
		v.add(field.Forbidden(at.Child("model"), "is for protocols OpenAI and Anthropic"))
	case strings.Contains(b.Model, "*"):
		v.invalid(at.Child("model"), b.Model, "must be one name, without *")
	default:
		v.pattern(at.Child("model"), b.Model)
	}
	v.auth(at.Child("auth"), b.Auth)
	v.pricing(at.Child("pricing"), b.Pricing)
}

func (v *routeValidator) process(at *field.Path, b *RouteBackend) {
	v.name(at.Child("process"), b.Process, "")
	if b.Port != "" {
		for _, m := range validation.IsValidPortName(b.Port) {
			v.invalid(at.Child("port"), b.Port, "must be the name of a port of the process: %s", m)
		}
	}
	if b.Remote {
		v.invalid(at.Child("remote"), true, "a process of this operator is local: remove it")
	}
}

// url checks a server that is no process of this operator.
func (v *routeValidator) url(at *field.Path, b *RouteBackend) {
	if b.Port != "" {
		v.add(field.Forbidden(at.Child("port"), "is the name of a port of a process; write the number into the url"))
	}
	here, tcp := at.Child("url"), v.s.Protocol == ProtocolTCP
	u, err := url.Parse(b.URL)
	if err != nil {
		v.invalid(here, "", "is no URL: write scheme, host and port, as http://127.0.0.1:8080") // what it says may hold a password
		return
	}
	if u.User != nil {
		v.invalid(here, u.Redacted(), "must not have a user or password: the gate takes them from a file, with auth")
		return
	}
	port, portErr := strconv.ParseUint(u.Port(), 10, 16)
	badPort := u.Port() != "" && (portErr != nil || port == 0) || strings.HasSuffix(u.Host, ":")
	switch {
	case tcp && u.Scheme != "tcp":
		v.invalid(here, b.URL, "must begin with tcp:// for a TCP route")
	case !tcp && u.Scheme != "http" && u.Scheme != "https":
		v.invalid(here, b.URL, "must begin with http:// or https://")
	case u.Hostname() == "" || u.Opaque != "":
		v.invalid(here, b.URL, "must name a host")
	case badPort:
		v.invalid(here, b.URL, "the port must be from 1 to 65535")
	case tcp && (u.Port() == "" || u.Path != ""):
		v.invalid(here, b.URL, "must be tcp://host:port")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(b.URL, "#"):
		v.invalid(here, b.URL, "must have no query and no fragment")
	case u.Path != "" && u.Path != "/":
		v.urlPath(here, u.EscapedPath())
	}
	switch local := isLoopback(u.Hostname()); {
	case u.Hostname() == "":
	case !local && !b.Remote:
		v.add(field.Required(at.Child("remote"), u.Hostname()+" is not loopback: write remote: true"))
	case local && b.Remote:
		v.invalid(at.Child("remote"), true, "%s is loopback: remove it", u.Hostname())
	}
}

// keptHeaders are those that HTTP and the gate set themselves.
var keptHeaders = []string{"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
	"transfer-encoding", "upgrade", "host", "content-length", "content-type", "content-encoding", "accept-encoding", "expect"}

func (v *routeValidator) auth(at *field.Path, a *BackendAuth) {
	if a == nil {
		return
	}
	if v.s.Protocol == ProtocolTCP {
		v.add(field.Forbidden(at, "is a header, and a TCP route has none"))
		return
	}
	header := at.Child("header")
	if faults := validation.IsHTTPHeaderName(a.Header); len(faults) > 0 {
		v.invalid(header, a.Header, "%s", faults[0])
	} else if l := strings.ToLower(a.Header); slices.Contains(keptHeaders, l) || strings.HasPrefix(l, "x-mirrorgate-") {
		v.invalid(header, a.Header, "is set by the gate itself; name the header that the backend takes its key from, as Authorization or x-api-key")
	}
	v.fileSource(at.Child("valueFrom"), a.ValueFrom.File)
	if f := a.ValueFrom.File; f != nil && f.Optional {
		v.add(field.Forbidden(at.Child("valueFrom", "file", "optional"), "a key that is not there opens nothing; remove it"))
	}
}

func (v *routeValidator) timeouts() {
	at, t, none := v.spec.Child("timeouts"), v.s.Timeouts, metav1.Duration{}
	v.duration(at.Child("connect"), t.Connect, none, none)
	v.duration(at.Child("firstByte"), t.FirstByte, none, none)
	v.duration(at.Child("idle"), t.Idle, none, none)
	v.duration(at.Child("request"), t.Request, none, none)
	if v.s.Protocol.isTunnel() {
		for name, d := range map[string]*metav1.Duration{"firstByte": t.FirstByte, "request": t.Request} {
			if d.Duration > 0 {
				v.invalid(at.Child(name), d.Duration.String(), "a tunnel has no requests; remove it")
			}
		}
	}
}

// maxImageTokens is the most that an image may be said to count.
const maxImageTokens = 1_000_000

func (v *routeValidator) limits() {
	l, at := v.s.Limits, v.spec.Child("limits")
	if l == nil {
		return
	}
	if !v.s.Protocol.IsModel() {
		v.add(field.Forbidden(at, "is for protocols OpenAI and Anthropic"))
		return
	}
	for _, f := range []struct {
		name  string
		value *int64
	}{{"defaultOutputTokens", l.DefaultOutputTokens}, {"maxOutputTokens", l.MaxOutputTokens}} {
		if f.value != nil && *f.value < 1 {
			v.invalid(at.Child(f.name), *f.value, "must be at least 1")
			return
		}
	}
	if t := l.InputTokens; t != nil {
		v.oneOf(at.Child("inputTokens", "bound"), string(t.Bound), string(InputBoundBytes), string(InputBoundLearned))
	}
	if n := l.ImageTokens; n != nil && (*n < 1 || *n > maxImageTokens) {
		v.invalid(at.Child("imageTokens"), *n, "must be from 1 to %d", maxImageTokens)
	}
	if d, m := l.DefaultOutputTokens, l.MaxOutputTokens; d != nil && m != nil && *d > *m {
		v.invalid(at.Child("defaultOutputTokens"), *d, "must not be more than maxOutputTokens, which is %d", *m)
	}
}
