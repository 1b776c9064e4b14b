package apiserver

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"os/user"
	"strconv"
	"strings"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// caller is who sent a request.
type caller struct {
	// name for logs and for the caller itself.
	name string
}

// connection is what is known of a connection from its beginning.
type connection struct {
	caller caller
	// refusal says why nothing but the open routes is served; empty when all is.
	refusal string
	// token that every request must bring, as its digest; nil when the connection itself says who it is.
	token *[sha256.Size]byte
	// owner finds out who is at the other end of a connection with a token, when the first request comes.
	owner func() (refusal string)
	// stopping ends when the server begins to stop.
	stopping context.Context
}

type connectionKey struct{}

// identify answers who sent a request, or why it is refused.
func identify(r *http.Request) (caller, error) {
	c, _ := r.Context().Value(connectionKey{}).(*connection)
	switch {
	case c == nil:
		return caller{}, statusError(http.StatusUnauthorized, metav1.StatusReasonUnauthorized, "nobody knows who asks: this came through no listener of the operator")
	case c.refusal != "":
		return c.caller, forbidden("%s", c.refusal)
	case c.token == nil:
		return c.caller, nil
	}
	if !loopbackName(r.Host) {
		return c.caller, forbidden("the operator is not called %q: use 127.0.0.1 or localhost", r.Host)
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	given := sha256.Sum256([]byte(strings.TrimSpace(token)))
	if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare(given[:], c.token[:]) != 1 {
		return c.caller, statusError(http.StatusUnauthorized, metav1.StatusReasonUnauthorized, "the token is missing or wrong: use the kubeconfig in the operator's run directory")
	}
	if refusal := c.owner(); refusal != "" {
		return c.caller, forbidden("%s", refusal)
	}
	return c.caller, nil
}

// stopping is the context that ends when the server begins to stop; one that never ends outside of Serve.
func stopping(ctx context.Context) context.Context {
	if c, _ := ctx.Value(connectionKey{}).(*connection); c != nil {
		return c.stopping
	}
	return context.Background()
}

// loopbackName tells whether a Host header names this host's loopback: a page of another site cannot make a browser send that.
func loopbackName(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if ip := net.ParseIP(host); ip != nil {
		return ip.IsLoopback()
	}
	return strings.EqualFold(host, "localhost")
}

// accept is asked of every new connection: who is it.
func (s *Server) accept(ctx context.Context, conn net.Conn, token *[sha256.Size]byte, stopping context.Context) context.Context {
	c := &connection{stopping: stopping}
	if u, ok := conn.(*net.UnixConn); ok {
		c.caller, c.refusal = s.peer(u)
	} else if c.token = token; token == nil {
		c.refusal = "the operator takes nobody here: use its socket"
	} else {
		c.caller.name = "token"
		c.owner = sync.OnceValue(func() string { return s.judgeOwners(conn.RemoteAddr(), conn.LocalAddr()) })
	}
	return context.WithValue(ctx, connectionKey{}, c)
}

// peer decides by the credentials of a socket's other end.
func (s *Server) peer(u *net.UnixConn) (caller, string) {
	p, err := credentials(u)
	if err != nil {
		s.o.Log.Error(err, "cannot tell who connected")
		return caller{name: "unknown"}, "the operator cannot tell who you are: " + err.Error()
	}
	defer p.close()
	return s.judge(p.uid, p.pid, p.alive)
}

// judge decides who may use the API. alive tells whether the process of that pid is still the one that connected.
func (s *Server) judge(uid, pid int, alive func() bool) (who caller, refusal string) {
	who = caller{name: userName(uid)}
	if uid != 0 && uid != s.uid {
		return who, "user " + userName(uid) + " may not use the operator's API: it takes root and " + userName(s.uid)
	}
	if s.o.IsWorkload == nil || pid == 0 { // a process that this namespace does not see is not below the operator
		return who, ""
	}
	instance, is := s.o.IsWorkload(pid)
	switch {
	case is:
		who.name = "instance/" + instance
		return who, workloadRefusal(pid, instance)
	case !alive():
		return who, "the process that connected has ended, so nobody can tell what it was"
	}
	return who, ""
}

// judgeOwners refuses the operator's workloads on loopback: those of its own user can read the token. It fails closed: when a process of
// the operator's user cannot be found, it may be a workload that hides.
func (s *Server) judgeOwners(client, server net.Addr) (refusal string) {
	if s.o.IsWorkload == nil {
		return ""
	}
	uid, pids, err := socketOwners(client, server)
	if err != nil {
		s.o.Log.Error(err, "cannot tell who connected")
		return "the operator cannot tell which process you are: " + err.Error()
	}
	for _, pid := range pids {
		if instance, is := s.o.IsWorkload(pid); is {
			return workloadRefusal(pid, instance)
		}
	}
	if len(pids) == 0 && uid == s.uid {
		return "the operator cannot find your process, so it may be a workload"
	}
	return ""
}

func workloadRefusal(pid int, instance string) string {
	return "process " + strconv.Itoa(pid) + " belongs to instance/" + instance + ": workloads may not use the operator's API"
}

func userName(uid int) string {
	id := strconv.Itoa(uid)
	if u, err := user.LookupId(id); err == nil {
		return u.Username + " (uid " + id + ")"
	}
	return "uid " + id
}
