package apiserver

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"time"
)

// TLSOptions of ListenTLS. All must be set.
type TLSOptions struct {
	// Address is a loopback address and port, as 127.0.0.1:7443. Port 0 takes a free one.
	Address string
	// StateDir keeps the certificate and its key; RunDir gets the kubeconfig with the token. Both must be the operator's alone.
	StateDir, RunDir string
}

// TLSListener is a listener on loopback for clients that cannot use a socket. Serve asks for its token.
type TLSListener struct {
	net.Listener
	// Kubeconfig is the file that clients need: address, certificate and token. It is the operator's alone.
	Kubeconfig string

	digest [sha256.Size]byte
}

// ListenTLS listens on loopback with TLS, with a certificate of its own making that is kept, and writes a kubeconfig with a token. As long
// as that file is there its token stays the same; removing it and starting again revokes the token.
func ListenTLS(o TLSOptions) (*TLSListener, error) {
	address, err := netip.ParseAddrPort(o.Address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %q: want an address and a port, such as 127.0.0.1:7443", o.Address)
	}
	if !address.Addr().IsLoopback() {
		return nil, fmt.Errorf("cannot listen on %q: only loopback addresses are served, such as 127.0.0.1:7443", o.Address)
	}
	cert, pem, err := certificate(o.StateDir, time.Now())
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %q: %w", o.Address, err)
	}
	tcp, err := net.Listen("tcp", address.String())
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %q: %w", o.Address, err)
	}
	path := filepath.Join(o.RunDir, "kubeconfig")
	token := keptToken(path)
	if token == "" {
		token = rand.Text() + rand.Text()
	}
	if err := writeKubeconfig(path, "https://"+tcp.Addr().String(), pem, token); err != nil {
		_ = tcp.Close()
		return nil, fmt.Errorf("cannot listen on %q: %w", o.Address, err)
	}
	l := tls.NewListener(tcp, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13, NextProtos: []string{"h2", "http/1.1"}})
	return &TLSListener{Listener: l, Kubeconfig: path, digest: sha256.Sum256([]byte(token))}, nil
}
