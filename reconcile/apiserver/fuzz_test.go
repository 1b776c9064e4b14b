package apiserver_test

import (
	"net/http"
	"testing"

	"mirroros.dev/mirroros/reconcile/apiserver"
)

// targets of FuzzAPIBody: every route that takes a body of an object.
var targets = []struct{ method, path string }{
	{"POST", processes}, {"PUT", processes + "/web"}, {"PATCH", processes + "/web"}, {"PATCH", processes + "/new"},
	{"PUT", processes + "/web/scale"}, {"PATCH", processes + "/web/scale"}, {"DELETE", processes + "/web"}, {"DELETE", processes},
	{"POST", stacks}, {"PATCH", stacks + "/home"}, {"POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"},
}

var contentTypes = []string{jsonType, yamlType, merge, jsonPatch, applyYAML, "", "application/vnd.kubernetes.protobuf", "application/strategic-merge-patch+json"}

// FuzzAPIBody sends anything to everything that takes a body: the answer is never the server's fault.
func FuzzAPIBody(f *testing.F) {
	web := `{"apiVersion":"mirroros.dev/v1alpha1","kind":"Process","metadata":{"name":"web"},"spec":{"command":["x"]}}`
	for _, body := range []string{"", "{}", "null", "[]", "[{}]", web, manifest("web", sleeps), `{"spec":null}`, `{"spec":{"replicas":2}}`, `{"metadata":null}`,
		`[{"op":"copy","from":"","path":"/spec/x"}]`, `[{"op":"remove","path":""}]`, `[{"op":"add","path":"/spec/args/-","value":"x"}]`,
		`[{"op":"replace","path":"/metadata","value":null}]`, `[{"op":"test","path":"/spec/command/-1"}]`, `[null]`, `{"metadata":{"managedFields":[{}]}}`,
		`{"metadata":{"managedFields":[{"manager":"x","operation":"Apply","fieldsType":"FieldsV1","fieldsV1":{"f:spec":{"k:{":{}}}}]}}`,
		`{"kind":"Scale","apiVersion":"autoscaling/v1","spec":{"replicas":-2147483648}}`, `{"preconditions":{"uid":""},"dryRun":[""]}`,
		`{"apiVersion":"mirroros.dev/v1alpha1","kind":"Process","metadata":null,"spec":null}`, "a: &a [*a]", "\x00", "k8s\x00", `{"a":1e999}`} {
		for i := range targets {
			f.Add(uint8(i), uint8(i*3), body, i%2 == 0)
		}
		for c := range contentTypes {
			f.Add(uint8(2), uint8(c), body, true)
		}
	}
	a := serve(f, apiserver.Options{})
	a.make("web", sleeps)
	f.Fuzz(func(t *testing.T, target, contentType uint8, body string, manager bool) {
		a := &api{t: t, client: a.client, socket: a.socket, http: a.http}
		to := targets[int(target)%len(targets)]
		path := to.path
		if manager {
			path += "?fieldManager=fuzz&force=true"
		}
		r := a.send(to.method, path, contentTypes[int(contentType)%len(contentTypes)], body)
		if r.code >= http.StatusInternalServerError {
			t.Errorf("%s %s: %d %s", to.method, path, r.code, r.body)
		}
		if a.get(processes+"/web").code == http.StatusNotFound { // it was deleted, as it may be
			a.make("web", sleeps)
		}
	})
}
