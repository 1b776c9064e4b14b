package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"
)

// Status is how a probe came out.
type Status string

// The outcomes. Unknown: the probe could not be made, which says nothing about the program.
const (
	Success Status = "Success"
	Failure Status = "Failure"
	Unknown Status = "Unknown"
)

// Result is the outcome of one probe and what there is to say about it.
type Result struct {
	Status Status
	Output string // at most 1 KiB
}

// OK tells whether the probe succeeded.
func (r Result) OK() bool { return r.Status == Success }

// Probe is one question, exactly one of its first four fields. Names are resolved, variables expanded.
type Probe struct {
	HTTP *HTTP
	TCP  *TCP
	Exec *Exec
	GRPC *GRPC
	// Timeout of one run. Default 1 s.
	Timeout time.Duration
}

const (
	userAgent      = "mirroros-probe"
	maxOutput      = 1 << 10
	maxBody        = 10 << 10
	maxHeader      = 64 << 10
	defaultTimeout = time.Second
	defaultHost    = "127.0.0.1"
)

// Run asks once. It blocks for the timeout at most; a context that ends before makes the outcome Unknown.
func (p Probe) Run(ctx context.Context) Result {
	timeout := p.Timeout
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	within, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var r Result
	switch {
	case p.HTTP != nil:
		r = p.HTTP.run(within)
	case p.TCP != nil:
		r = p.TCP.run(within)
	case p.Exec != nil:
		r = p.Exec.run(within)
	case p.GRPC != nil:
		r = p.GRPC.run(within)
	default:
		return Result{Unknown, "cannot probe: nothing to ask"}
	}
	switch {
	case r.Status == Success:
	case ctx.Err() != nil:
		r = Result{Unknown, "it was broken off"}
	case within.Err() != nil:
		r.Output = strings.TrimRight(fmt.Sprintf("no answer within %s: %s", timeout, r.Output), ": ")
	}
	r.Output = clip(r.Output)
	return r
}

// failed is a failure with a reason that is fit to print.
func failed(what string, err error) Result {
	return Result{Failure, what + ": " + reason(err)}
}

// reason is the inner cause of a network error: the outer ones repeat addresses and URLs.
func reason(err error) string {
	var dns *net.DNSError
	var sys *os.SyscallError
	var no syscall.Errno
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return "timed out"
	case errors.As(err, &dns):
		return "no such host"
	case errors.As(err, &sys):
		return sys.Err.Error()
	case errors.As(err, &no):
		return no.Error()
	}
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}

// clip makes text printable and short enough.
func clip(s string) string {
	s = strings.ToValidUTF8(strings.ReplaceAll(strings.TrimSpace(s), "\x00", ""), "\uFFFD")
	if len(s) <= maxOutput {
		return s
	}
	s = s[:maxOutput-len("…")]
	for len(s) > 0 {
		if r, n := utf8.DecodeLastRuneInString(s); r != utf8.RuneError || n != 1 {
			break
		}
		s = s[:len(s)-1]
	}
	return s + "…"
}

func address(host string, port int) string {
	if host == "" {
		host = defaultHost
	}
	return net.JoinHostPort(host, fmt.Sprint(port))
}
