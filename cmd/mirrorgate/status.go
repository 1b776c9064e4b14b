package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// status serves metrics, and tells whether this instance serves, on a socket of its own: while one gate takes over from another there are two.
// RUN/gate-metrics.sock leads to the one that began last.
type status struct {
	server *http.Server
	path   string
}

// statusPath is the socket of an instance.
func statusPath(run string) string {
	instance := os.Getenv("MIRROROS_INSTANCE")
	if instance == "" {
		instance = "mirrorgate-" + strconv.Itoa(os.Getppid()) // of whoever started it by hand
	}
	return filepath.Join(run, instance+".sock")
}

func (g *gate) openStatus() (*status, error) {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(g.server.Registry(), promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, _ *http.Request) {
		select {
		case <-g.ready:
			fmt.Fprintln(w, "ready")
		default:
			http.Error(w, "the operator was not heard yet", http.StatusServiceUnavailable)
		}
	})
	s := &status{server: &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}, path: statusPath(g.Run)}
	_ = os.Remove(s.path) // of an earlier run of this instance
	l, err := net.Listen("unix", s.path)
	if err == nil {
		err = os.Chmod(s.path, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot serve the status of this gate: %w", err)
	}
	go func() { _ = s.server.Serve(l) }() // it ends with close
	link := filepath.Join(g.Run, "gate-metrics.sock")
	own := s.path + ".link"
	_ = os.Remove(own)
	if err := errors.Join(os.Symlink(filepath.Base(s.path), own), os.Rename(own, link)); err != nil {
		g.Log.Error(err, "The metrics of this gate are at its own socket only", "path", s.path)
	}
	if g.Metrics != "" {
		l, err := net.Listen("tcp", g.Metrics)
		if err != nil { // an earlier gate that drains may have it still
			g.Log.Error(err, "Metrics are served on the unix socket only", "address", g.Metrics)
			return s, nil
		}
		go func() { _ = s.server.Serve(l) }()
	}
	return s, nil
}

func (s *status) close() {
	_ = s.server.Close()
	_ = os.Remove(s.path)
}

// askReady asks the instance that this process belongs to.
func askReady(ctx context.Context, o options) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", statusPath(o.Run))
	}}}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://gate/ready", nil)
	if err != nil {
		return err
	}
	resp, err := c.Do(r)
	if err != nil {
		return fmt.Errorf("cannot reach the gate: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
		return fmt.Errorf("the gate is not ready: %s", text)
	}
	return nil
}
