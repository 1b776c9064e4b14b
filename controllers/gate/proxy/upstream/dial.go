package upstream

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"

	"mirroros.dev/mirroros/controllers/gate/proxy/patient"
)

// dial opens a connection. Only addresses of TCP are known; no proxy of the environment is asked.
func (cl *Client) dial(ctx context.Context, t Target, limit time.Duration) (*conn, error) {
	if t.Scheme != "http" && t.Scheme != "https" {
		return nil, fmt.Errorf("scheme %q is neither http nor https", t.Scheme)
	}
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", t.Address)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	tcp := raw.(*net.TCPConn)
	c := &conn{tcp: tcp, written: new(int64)}
	c.Conn = patient.New(counting{tcp, c.written})
	if c.raw, err = tcp.SyscallConn(); err == nil && t.Scheme == "https" {
		c.Conn, err = cl.secure(ctx, t, c.Conn)
	}
	if err != nil {
		tcp.Close()
		return nil, err
	}
	c.borrow()
	return c, nil
}

// secure speaks TLS with the host that the target names.
func (cl *Client) secure(ctx context.Context, t Target, c net.Conn) (net.Conn, error) {
	name := t.Host
	if host, _, err := net.SplitHostPort(t.Host); err == nil {
		name = host
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if cl.TLS != nil {
		config = cl.TLS.Clone()
	}
	config.ServerName, config.NextProtos = name, []string{"http/1.1"}
	s := tls.Client(c, config)
	if err := s.HandshakeContext(ctx); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	return s, nil
}

// counting counts what is written.
type counting struct {
	*net.TCPConn
	written *int64
}

func (c counting) Write(b []byte) (int, error) {
	n, err := c.TCPConn.Write(b)
	*c.written += int64(n)
	return n, err
}
