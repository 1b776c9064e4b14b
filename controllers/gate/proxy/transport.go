package proxy

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// checkTransport is stage 1: nothing that two readers may take for two things, and nothing that a web page of another site sends.
func checkTransport(r *http.Request, g *gate) *refusal {
	if r.Method != http.MethodConnect {
		if why := badTarget(r.RequestURI); why != "" {
			return refuse(BadTarget, "%s", why)
		}
		if !goodHost(r, g) {
			return refuse(BadHost, "")
		}
	}
	if !known(r.Method) {
		return refuse(MethodNotAllowed, "")
	}
	for _, name := range single {
		if len(r.Header[name]) > 1 {
			return refuse(BadHeader, "%s", name)
		}
	}
	if crossSite(r) {
		return refuse(CrossSite, "")
	}
	if e := r.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return refuse(EncodedBody, "")
	}
	return nil
}

// single are the headers that a request may have once: of two the backend may take the other one.
var single = []string{"Authorization", "Content-Encoding", "Content-Type", "Origin", "Proxy-Authorization", "Sec-Fetch-Site", "X-Api-Key"}

func known(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, http.MethodConnect:
		return true
	}
	return false
}

// badTarget says what is wrong with a request target: it is refused, never made right.
func badTarget(target string) string {
	if target == "" || target[0] != '/' {
		return "the target must be a path"
	}
	path, query, _ := strings.Cut(target, "?")
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c <= ' ' || c >= 0x7f || strings.IndexByte(`\;#"<>^{|}`+"`", c) >= 0:
			return "a character is not allowed in a path"
		case c == '/' && badSegment(path[i+1:]):
			return "a segment of the path is empty, . or .."
		case c == '%':
			if why := badEscape(path[i:]); why != "" {
				return why
			}
		}
	}
	for i := 0; i < len(query); i++ {
		if c := query[i]; c <= ' ' || c >= 0x7f || c == '#' {
			return "a character is not allowed in a query"
		}
	}
	return ""
}

// badSegment looks at what follows a slash. Only the last segment may be empty.
func badSegment(rest string) bool {
	segment, _, more := strings.Cut(rest, "/")
	return segment == "." || segment == ".." || segment == "" && more
}

// badEscape looks at an escape. One that means a character of the path's own grammar is refused, and so is one that becomes that when it is
// read twice.
func badEscape(at string) string {
	c, ok := unhex(at)
	if ok && c == '%' {
		if _, again := unhex("%" + at[3:]); again {
			return "an escape is escaped"
		}
	}
	switch {
	case !ok:
		return "an escape is invalid"
	case c < ' ' || c == 0x7f || strings.IndexByte(`./\;`, c) >= 0:
		return "an escape hides a character of the path's own grammar"
	}
	return ""
}

func unhex(at string) (byte, bool) {
	if len(at) < 3 {
		return 0, false
	}
	s, err := url.PathUnescape(at[:3])
	if err != nil || len(s) != 1 {
		return 0, false
	}
	return s[0], true
}

// goodHost tells whether Host names the gate: a loopback name, or the address that the connection came to. A name that an attacker's DNS
// turns into a loopback address is none.
func goodHost(r *http.Request, g *gate) bool {
	host := r.Host
	if host == "" {
		return false
	}
	if h, port, err := net.SplitHostPort(host); err == nil {
		if strings.Trim(port, "0123456789") != "" {
			return false
		}
		host = h
	} else if strings.Contains(host, ":") && host[0] != '[' {
		return false
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if _, unix := local.(*net.UnixAddr); unix {
		return strings.Trim(strings.ToLower(host), "abcdefghijklmnopqrstuvwxyz0123456789.-_:") == ""
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || ip.Zone() != "" {
		return false
	}
	if ip = ip.Unmap(); ip.IsLoopback() {
		return true
	}
	tcp, ok := local.(*net.TCPAddr)
	return ok && g.Exposed && tcp.AddrPort().Addr().Unmap() == ip
}

// crossSite tells whether a browser sent the request for a page that the gate did not serve.
func crossSite(r *http.Request) bool {
	switch site := r.Header.Get("Sec-Fetch-Site"); site {
	case "", "same-origin", "none":
	default:
		return true
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	o, err := url.Parse(origin)
	return err != nil || o.Scheme != "http" || o.Host == "" || !strings.EqualFold(o.Host, r.Host)
}
