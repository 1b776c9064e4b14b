package apiserver_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/apiserver"
	"mirroros.dev/mirroros/reconcile/reconciletest"
	"mirroros.dev/mirroros/specs"
)

func TestAPIServer(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(5 * time.Second)
	cfg, rep := GinkgoConfiguration()
	cfg.RandomizeAllSpecs = true
	RunSpecs(t, "apiserver", cfg, rep)
}

const (
	processes = "/apis/mirroros.dev/v1alpha1/processes"
	instances = "/apis/mirroros.dev/v1alpha1/instances"
	stacks    = "/apis/mirroros.dev/v1alpha1/stacks"
	events    = "/api/v1/namespaces/default/events"

	asTable    = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
	asMetadata = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json"

	jsonType  = "application/json"
	yamlType  = "application/yaml"
	jsonPatch = "application/json-patch+json"
	merge     = "application/merge-patch+json"
	applyYAML = "application/apply-patch+yaml"
)

// api is a server on a socket over a real store, and a client of it.
type api struct {
	t      testing.TB
	client *reconcile.Client
	socket string
	http   *http.Client
}

// serve runs a server until the test ends. o.Client is made when it is nil.
func serve(t testing.TB, o apiserver.Options) *api {
	t.Helper()
	if o.Client == nil {
		o.Client = reconciletest.TempClient(t)
	}
	a := &api{t: t, client: o.Client, socket: filepath.Join(t.TempDir(), "api.sock")}
	l, err := apiserver.ListenUnix(a.socket)
	if err != nil {
		t.Fatal(err)
	}
	run(t, o, l)
	transport := &http.Transport{MaxIdleConnsPerHost: 10, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", a.socket)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	a.http = &http.Client{Transport: transport}
	return a
}

// run serves a listener until the test ends.
func run(t testing.TB, o apiserver.Options, l net.Listener) {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- apiserver.New(o).Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// response is what was answered.
type response struct {
	code   int
	header http.Header
	body   string
}

// object of the body.
func (r response) object() map[string]any {
	GinkgoHelper()
	var m map[string]any
	Expect(json.Unmarshal([]byte(r.body), &m)).To(Succeed(), r.body)
	return m
}

// status of a refusal.
func (r response) status() metav1.Status {
	GinkgoHelper()
	var s metav1.Status
	Expect(json.Unmarshal([]byte(r.body), &s)).To(Succeed(), r.body)
	Expect(s.Kind).To(Equal("Status"), r.body)
	Expect(int(s.Code)).To(Equal(r.code))
	return s
}

// at is the value at a dotted path; numbers are positions in lists.
func (r response) at(path string) any {
	GinkgoHelper()
	return at(r.object(), path)
}

func at(v any, path string) any {
	for key := range strings.SplitSeq(path, "/") {
		switch x := v.(type) {
		case map[string]any:
			v = x[key]
		case []any:
			var i int
			if json.Unmarshal([]byte(key), &i) != nil || i >= len(x) {
				return nil
			}
			v = x[i]
		default:
			return nil
		}
	}
	return v
}

// do sends a request. headers are names and values in turn.
func (a *api) do(method, path, body string, headers ...string) response {
	a.t.Helper()
	res := a.open(context.Background(), method, path, body, headers...)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	return response{res.StatusCode, res.Header, string(b)}
}

// open sends a request and leaves the answer to be read.
func (a *api) open(ctx context.Context, method, path, body string, headers ...string) *http.Response {
	a.t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, "http://operator"+path, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	req.Header.Set("User-Agent", "test/1")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := a.http.Do(req)
	if err != nil {
		a.t.Fatal(err)
	}
	return res
}

func (a *api) get(path string, headers ...string) response {
	a.t.Helper()
	return a.do("GET", path, "", headers...)
}

// send is do with a content type.
func (a *api) send(method, path, contentType, body string) response {
	a.t.Helper()
	return a.do(method, path, body, "Content-Type", contentType)
}

// make creates a Process from a few fields of its spec as YAML.
func (a *api) make(name, spec string) response {
	a.t.Helper()
	return a.send("POST", processes, yamlType, manifest(name, spec))
}

func manifest(name, spec string) string {
	return "apiVersion: mirroros.dev/v1alpha1\nkind: Process\nmetadata: {name: " + name + "}\nspec: " + spec
}

const sleeps = "{command: [sleep, '1']}"

// instance puts an Instance into the store.
func (a *api) instance(name, process string) {
	a.t.Helper()
	i := &specs.Instance{Spec: specs.InstanceSpec{Process: process}}
	i.Name, i.Labels = name, map[string]string{specs.LabelProcess: process}
	if _, err := a.client.Create(context.Background(), i); err != nil {
		a.t.Fatal(err)
	}
}

// event tells something of a Process.
func (a *api) event(of, reason string) {
	a.t.Helper()
	p, _ := reconcile.Get[*specs.Process](a.client, of)
	r := reconcile.NewRecorder(reconcile.RecorderOptions{Client: a.client, Component: "process-controller"})
	r.Event(p, "Normal", reason, "it "+reason)
	r.Flush()
}
