package forward

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"mirroros.dev/mirroros/controllers/gate/proxy/tunnel"
	"mirroros.dev/mirroros/controllers/gate/proxy/upstream"
)

// Switch passes a 101 on and joins client and backend until both are done; see tunnel.Join for how that ends. Moved counts from the client
// (AToB) and to it.
func Switch(ctx context.Context, w http.ResponseWriter, resp *upstream.Response, idle time.Duration) (tunnel.Moved, error) {
	backend, early := resp.Switched.Detach()
	header := w.Header().Clone()
	for name, values := range resp.Header {
		header[name] = values
	}
	header.Set("Connection", "Upgrade")
	return join(ctx, w, http.StatusSwitchingProtocols, header, tunnel.End{Conn: backend, Early: early}, idle)
}

// Connect answers a CONNECT with 200 and joins the client and the connection that is given.
func Connect(ctx context.Context, w http.ResponseWriter, to net.Conn, idle time.Duration) (tunnel.Moved, error) {
	return join(ctx, w, http.StatusOK, w.Header().Clone(), tunnel.End{Conn: to}, idle)
}

// join takes the client's connection from the server.
func join(ctx context.Context, w http.ResponseWriter, status int, header http.Header, to tunnel.End, idle time.Duration) (tunnel.Moved, error) {
	client, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		to.Conn.Close()
		return tunnel.Moved{}, fmt.Errorf("cannot take the client's connection over: %w", err)
	}
	if p, ok := client.(interface{ Below() net.Conn }); ok {
		client = p.Below() // which can be spliced
	}
	_ = client.SetDeadline(time.Time{})
	if err := writeHead(rw.Writer, status, header); err != nil {
		client.Close()
		to.Conn.Close()
		return tunnel.Moved{}, err
	}
	early := make([]byte, rw.Reader.Buffered())
	if _, err := rw.Read(early); err != nil && len(early) > 0 {
		client.Close()
		to.Conn.Close()
		return tunnel.Moved{}, err
	}
	return tunnel.Join(ctx, tunnel.End{Conn: client, Early: early}, to, idle)
}

func writeHead(w *bufio.Writer, status int, header http.Header) error {
	fmt.Fprintf(w, "HTTP/1.1 %d %s\r\n", status, http.StatusText(status))
	_ = header.Write(w) // the error stays with w
	w.WriteString("\r\n")
	return w.Flush()
}
