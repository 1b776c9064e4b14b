package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/specs"
)

// client speaks HTTP over the operator's socket.
type client struct {
	path string
	http *http.Client
}

// client of the operator; all calls of one command line share it, and its connections.
func (c *command) client() *client {
	c.once.Do(func() {
		path := c.socketPath()
		c.api = &client{path: path, http: &http.Client{Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				var d net.Dialer
				return d.DialContext(ctx, "unix", path)
			},
			DisableCompression: true,
		}}}
	})
	return c.api
}

// socketPath finds the operator: --socket, then $MIRROROS_RUN, then where mirrorosd puts it by default.
func (c *command) socketPath() string {
	if c.socket != "" {
		return c.socket
	}
	if d := os.Getenv("MIRROROS_RUN"); d != "" {
		return filepath.Join(d, "api.sock")
	}
	if os.Geteuid() != 0 {
		if d := os.Getenv("XDG_RUNTIME_DIR"); d != "" {
			return filepath.Join(d, "mirroros", "api.sock")
		}
		if d := os.Getenv("XDG_STATE_HOME"); d != "" {
			return filepath.Join(d, "mirroros", "run", "api.sock")
		}
		if h, err := os.UserHomeDir(); err == nil {
			return filepath.Join(h, ".local/state/mirroros/run/api.sock")
		}
	}
	return "/run/mirroros/api.sock"
}

// request is one call.
type request struct {
	method, path string
	accept       string
	contentType  string
	body         []byte
}

// do makes a call and returns the answer with its body open when the status is 2xx, else an error as the operator words it.
func (c *client) do(ctx context.Context, r request) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, "http://operator"+r.path, bytes.NewReader(r.body))
	if err != nil {
		return nil, fmt.Errorf("cannot make request %q: %v", r.path, err)
	}
	req.Header.Set("User-Agent", "mirrorctl")
	if r.accept != "" {
		req.Header.Set("Accept", r.accept)
	}
	if r.contentType != "" {
		req.Header.Set("Content-Type", r.contentType)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, c.explain(ctx, err)
	}
	if res.StatusCode/100 == 2 {
		return res, nil
	}
	defer res.Body.Close()
	return nil, statusError(res)
}

// explain says in words why nobody answered.
func (c *client) explain(ctx context.Context, err error) error {
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return timeoutError("timed out")
	case ctx.Err() != nil:
		return &exitError{exitFalse, "interrupted"}
	case errors.Is(err, os.ErrNotExist):
		return &exitError{exitNoOperator, fmt.Sprintf("no operator: there is no socket %s; start mirrorosd, or say where with --socket or MIRROROS_RUN", c.path)}
	case errors.Is(err, syscall.ECONNREFUSED):
		return &exitError{exitNoOperator, fmt.Sprintf("no operator: nobody listens on %s; start mirrorosd (the workloads run on without it)", c.path)}
	case errors.Is(err, os.ErrPermission):
		return &exitError{exitNoOperator, fmt.Sprintf("cannot use socket %s: it belongs to another user; run mirrorctl as the operator's user or root", c.path)}
	}
	return &exitError{exitNoOperator, fmt.Sprintf("cannot talk to the operator on %s: %v", c.path, errors.Unwrap(err))}
}

// apiError is a refusal by the operator.
type apiError struct{ metav1.Status }

func (e *apiError) Error() string {
	if len(e.Details.Causes) == 0 || strings.Contains(e.Message, e.Details.Causes[0].Message) {
		return e.Message
	}
	var b strings.Builder
	b.WriteString(e.Message)
	for _, c := range e.Details.Causes {
		fmt.Fprintf(&b, "\n  %s: %s", c.Field, c.Message)
	}
	return b.String()
}

func statusError(res *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(res.Body, 4<<20))
	e := &apiError{}
	if err := json.Unmarshal(body, &e.Status); err != nil || e.Message == "" {
		return fmt.Errorf("the operator answered %s: %s", res.Status, bytes.TrimSpace(body))
	}
	if e.Details == nil {
		e.Details = &metav1.StatusDetails{}
	}
	return e
}

// isReason tells whether err is a refusal with this Kubernetes reason.
func isReason(err error, reason metav1.StatusReason) bool {
	var e *apiError
	return errors.As(err, &e) && e.Reason == reason
}

func (c *client) getJSON(ctx context.Context, path string, into any) error {
	return c.callJSON(ctx, request{method: http.MethodGet, path: path}, into)
}

// callJSON makes a call and decodes its answer; into may be nil.
func (c *client) callJSON(ctx context.Context, r request, into any) error {
	res, err := c.do(ctx, r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if into == nil {
		_, err = io.Copy(io.Discard, res.Body)
		return err
	}
	if err := json.NewDecoder(res.Body).Decode(into); err != nil {
		return fmt.Errorf("cannot read the operator's answer to %q: %v", r.path, err)
	}
	return nil
}

// kindPath is the API path of a kind's objects, or of one when name is set.
func kindPath(k *specs.Kind, name string) string {
	p := "/apis/" + k.Group + "/" + k.Version
	if k.Group == "" {
		p = "/api/" + k.Version
	}
	if k.Namespaced {
		p += "/namespaces/default"
	}
	p += "/" + k.Plural
	if name != "" {
		p += "/" + name
	}
	return p
}
