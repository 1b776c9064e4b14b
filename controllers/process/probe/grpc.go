package probe

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// GRPC asks grpc.health.v1.Health/Check, without TLS, and succeeds on SERVING.
type GRPC struct {
	// Host to connect to. Default 127.0.0.1.
	Host string
	// Port to connect to.
	Port int
	// Service to ask about. Default: the server as a whole.
	Service string
}

const healthCheck = "/grpc.health.v1.Health/Check"

// servingStatus are the names of HealthCheckResponse.ServingStatus.
var servingStatus = []string{"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"}

func (g *GRPC) run(ctx context.Context) Result {
	addr := address(g.Host, g.Port)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+healthCheck, bytes.NewReader(frame(g.request())))
	if err != nil {
		return Result{Unknown, "cannot make the request: " + reason(err)}
	}
	req.Header = http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}, "User-Agent": {userAgent}}
	conns := &connections{}
	defer conns.close()
	transport := &http.Transport{DialContext: conns.dial, Protocols: &http.Protocols{}, MaxResponseHeaderBytes: maxHeader}
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return failed("cannot ask "+addr, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return failed("no answer from "+addr, err)
	}
	return judge(resp, body)
}

// judge reads the answer: the status of the call from the trailers (or the headers of an answer without a body), then the message.
func judge(resp *http.Response, body []byte) Result {
	get := func(name string) string {
		if v := resp.Trailer.Get(name); v != "" {
			return v
		}
		return resp.Header.Get(name)
	}
	if resp.StatusCode != http.StatusOK {
		return Result{Failure, fmt.Sprintf("not a gRPC server: %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))}
	}
	if code := get("Grpc-Status"); code != "0" {
		text, err := url.PathUnescape(get("Grpc-Message"))
		if err != nil || code == "" {
			text = "the answer is not whole"
		}
		if code == "12" {
			text = "the server has no health service"
		}
		return Result{Failure, fmt.Sprintf("the health check failed with gRPC status %q: %s", code, text)}
	}
	status, err := servingField(body)
	switch {
	case err != nil:
		return Result{Failure, "cannot read the health check's answer: " + err.Error()}
	case status == 1:
		return Result{Success, ""}
	case status < uint64(len(servingStatus)):
		return Result{Failure, servingStatus[status]}
	}
	return Result{Failure, fmt.Sprintf("serving status %d", status)}
}

// request is a HealthCheckRequest: field 1, a string.
func (g *GRPC) request() []byte {
	if g.Service == "" {
		return nil
	}
	b := append([]byte{1<<3 | 2}, binary.AppendUvarint(nil, uint64(len(g.Service)))...)
	return append(b, g.Service...)
}

// frame puts gRPC's length before a message.
func frame(msg []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(msg))), msg...)
}

// servingField reads field 1 of a framed HealthCheckResponse; other fields are passed over, the last one counts.
func servingField(b []byte) (status uint64, err error) {
	if len(b) < 5 || b[0] != 0 || uint64(binary.BigEndian.Uint32(b[1:])) > uint64(len(b)-5) {
		return 0, io.ErrUnexpectedEOF
	}
	b = b[5 : 5+binary.BigEndian.Uint32(b[1:])]
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 {
			return 0, io.ErrUnexpectedEOF
		}
		b = b[n:]
		v, n := binary.Uvarint(b)
		switch tag & 7 {
		case 0:
		case 1:
			n = 8
		case 2:
			if n > 0 && v <= uint64(len(b)-n) {
				n += int(v)
			} else {
				n = 0
			}
		case 5:
			n = 4
		default:
			n = 0
		}
		if n <= 0 || n > len(b) {
			return 0, io.ErrUnexpectedEOF
		}
		if tag == 1<<3 {
			status = v
		}
		b = b[n:]
	}
	return status, nil
}
