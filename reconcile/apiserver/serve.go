package apiserver

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"time"
)

// stopTime is how long requests under way may take when the server stops.
const stopTime = 5 * time.Second

// Serve serves a listener of ListenUnix or ListenTLS until ctx ends, and closes it. Then watches end, and other requests are waited for, a
// few seconds at most. It is nil when ctx ended.
//
// Through a socket the kernel says who it is: root and the operator's own user are taken, but not from a process for which
// Options.IsWorkload answers true. Through TLS a request must bring the listener's token. Any other listener is served /healthz alone.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	var token *[sha256.Size]byte
	if t, ok := l.(*TLSListener); ok {
		token = &t.digest
	}
	base, cut := context.WithCancel(context.Background())
	defer cut()
	streams, end := context.WithCancel(base)
	h := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       s.o.RequestTime,
		WriteTimeout:      2 * s.o.RequestTime, // from the end of the head on: reading, doing and answering
		IdleTimeout:       5 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		BaseContext:       func(net.Listener) context.Context { return base },
		ConnContext:       func(ctx context.Context, c net.Conn) context.Context { return s.accept(ctx, c, token, streams) },
		ErrorLog:          log.New(logSink{s}, "", 0),
	}
	served := make(chan error, 1)
	go func() { served <- h.Serve(l) }()
	select {
	case err := <-served:
		end()
		return fmt.Errorf("cannot serve %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	stopping, stop := context.WithTimeout(context.Background(), stopTime)
	defer stop()
	stopped := make(chan error, 1)
	go func() { stopped <- h.Shutdown(stopping) }()
	if err := <-served; !errors.Is(err, http.ErrServerClosed) { // the listener is closed: no new request comes
		s.o.Log.Error(err, "cannot serve", "address", l.Addr().String())
	}
	end()
	if err := <-stopped; err != nil {
		_ = h.Close() // whoever has not finished is cut off
	}
	return nil
}

// logSink takes what net/http has to say.
type logSink struct{ s *Server }

// Write logs one line.
func (l logSink) Write(b []byte) (int, error) {
	l.s.o.Log.V(1).Info("http server", "message", string(b))
	return len(b), nil
}
