package proxy

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"

	"mirroros.dev/mirroros/controllers/gate/proxy/forward"
)

// serveConnect takes a CONNECT from stage 3 to its end: a tunnel to a host that a route names. What leaves the host is allowed as a remote
// backend is.
func serveConnect(x *exchange) *refusal {
	x.dialect = plainError
	host, port, ok := authority(x.r.Host)
	if !ok {
		return refuse(BadTarget, "it must be host:port")
	}
	for _, r := range x.gate.tunnels {
		if reaches(r.Hosts, host, port) {
			if bad := x.found(r); bad != nil {
				return bad
			}
			break
		}
	}
	if x.route == nil {
		return refuse(NoRoute, "")
	}
	local := isLoopback(host)
	in := x.input()
	in.Route.Remote, in.Request.Path, in.Request.Host = !local, "", net.JoinHostPort(host, port)
	x.ended(3)
	if bad := x.decide(); bad != nil {
		return bad
	}
	if bad := x.mayLeave(local); bad != nil {
		return bad
	}
	x.backend = &backend{BackendConfig: &BackendConfig{Name: net.JoinHostPort(host, port), Remote: !local}}
	x.ended(6)
	if bad := x.reserve(nil); bad != nil {
		return bad
	}
	if bad := x.record(); bad != nil {
		return bad
	}
	return x.tunnel(net.JoinHostPort(host, port), local)
}

// mayLeave is stage 6 of a tunnel.
func (x *exchange) mayLeave(local bool) *refusal {
	switch {
	case local:
		return nil
	case x.route.Locality == Sealed || !x.route.RouteConfig.Remote:
		return refuse(SealedRoute, "")
	case x.route.Locality == LocalFirst && !x.rule.AllowRemote:
		return refuse(RemoteNotAllowed, "")
	}
	return nil
}

// tunnel is stage 8.
func (x *exchange) tunnel(address string, local bool) *refusal {
	d := net.Dialer{Timeout: x.route.Connect}
	if !local {
		d.Control = notThisHost
	}
	ctx, cancel := context.WithCancel(&x.ctx)
	defer cancel()
	defer context.AfterFunc(x.r.Context(), cancel)()
	to, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		bad := refuse(ConnectError, "")
		if errors.Is(err, errThisHost) {
			bad = refuse(BadTarget, "its name leads to this host")
		}
		bad.err = err
		return bad
	}
	x.mark(x.outcome())
	x.begun, x.status = true, 200
	x.meter.answer(x.status)
	x.server.metrics.streams.add(x.name, 1)
	defer x.server.metrics.streams.add(x.name, -1)
	moved, err := forward.Connect(&x.ctx, x.w, to, x.route.Idle)
	x.sent = moved.BToA
	x.tunnelled(err)
	return nil
}

// authority reads host:port as CONNECT has it: a name in lower case or an IP address, and a number.
func authority(s string) (host, port string, ok bool) {
	host, port, err := net.SplitHostPort(s)
	n, bad := strconv.ParseUint(port, 10, 16)
	if err != nil || bad != nil || n == 0 || host == "" || strings.Contains(host, "%") {
		return "", "", false
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if _, err := netip.ParseAddr(host); err != nil && strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789.-_") != "" {
		return "", "", false
	}
	return host, strconv.FormatUint(n, 10), host != ""
}

// reaches tells whether one of the patterns names a host and port.
func reaches(patterns []string, host, port string) bool {
	for _, p := range patterns {
		name, number, err := net.SplitHostPort(p)
		if err != nil || number != port && number != "*" {
			continue
		}
		name = strings.ToLower(name)
		below, wild := strings.CutPrefix(name, "*")
		if name == host || wild && strings.HasPrefix(below, ".") && strings.HasSuffix(host, below) && len(host) > len(below) {
			return true
		}
	}
	return false
}

// isLoopback tells whether a host is this one by what it is, not by what a name server says.
func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

var errThisHost = errors.New("the name leads to this host or its neighbourhood")

// notThisHost refuses addresses that a name of elsewhere has no reason to have: a name server must not open what listens on loopback.
func notThisHost(_, address string, _ syscall.RawConn) error {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if ip := a.Addr().Unmap(); ip.IsLoopback() || ip.IsUnspecified() || ip.IsLinkLocalUnicast() || ip.IsMulticast() {
		return errThisHost
	}
	return nil
}
