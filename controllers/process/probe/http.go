package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// HTTP sends a GET request and succeeds on a status from 200 to 399. Redirects to the same host and port are followed, ten at
// most; one that leads elsewhere counts as the answer. Certificates are not verified. A failure's output has the beginning of the
// body, but not when Headers are sent, since a server may repeat them.
type HTTP struct {
	// TLS asks over HTTPS.
	TLS bool
	// Host to connect to. Default 127.0.0.1.
	Host string
	// Port to connect to.
	Port int
	// Path to ask for, with its query. Default /.
	Path string
	// Headers to send, each a name and a value. Host sets the request's host; User-Agent replaces ours.
	Headers [][2]string
}

func (h *HTTP) run(ctx context.Context) Result {
	req, err := h.request(ctx)
	if err != nil {
		return Result{Unknown, "cannot make the request: " + reason(err)}
	}
	conns := &connections{}
	defer conns.close()
	transport := &http.Transport{
		DialContext:            conns.dial,
		TLSClientConfig:        &tls.Config{InsecureSkipVerify: true}, // a probe asks whether it answers, not who it is
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHeader,
	}
	defer transport.CloseIdleConnections()
	what := "GET " + req.URL.Path
	resp, err := (&http.Client{Transport: transport, CheckRedirect: sameHost}).Do(req)
	if err != nil {
		return failed(what, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if resp.StatusCode >= 200 && resp.StatusCode < 400 {
		if err != nil && ctx.Err() != nil {
			return failed(what, err)
		}
		return Result{Success, ""}
	}
	if len(h.Headers) > 0 { // the answer may repeat their values in any form
		body = nil
	}
	text := fmt.Sprintf("%s: %d %s: %s", what, resp.StatusCode, http.StatusText(resp.StatusCode), body)
	return Result{Failure, strings.TrimRight(text, ": \n")}
}

func (h *HTTP) request(ctx context.Context) (*http.Request, error) {
	scheme, path := "http", h.Path
	if h.TLS {
		scheme = "https"
	}
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+address(h.Host, h.Port)+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", userAgent)
	req.Header.Set("Accept", "*/*")
	given := http.Header{}
	for _, kv := range h.Headers {
		if strings.EqualFold(kv[0], "Host") {
			req.Host = kv[1]
			continue
		}
		given.Add(kv[0], kv[1])
	}
	for name, values := range given {
		req.Header[name] = values
	}
	return req, nil
}

// sameHost follows redirects that stay on the host, port and scheme that was asked.
func sameHost(req *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return errors.New("ten redirects")
	}
	if req.URL.Host != via[0].URL.Host || req.URL.Scheme != via[0].URL.Scheme {
		return http.ErrUseLastResponse
	}
	return nil
}
