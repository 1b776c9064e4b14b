package apiserver_test

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/reconcile/apiserver"
	"mirroros.dev/mirroros/specs"
)

var _ = Describe("Discovery", func() {
	var a *api
	BeforeEach(func() { a = serve(GinkgoTB(), apiserver.Options{Version: "1.2.3 (x)"}) })

	DescribeTable("documents", func(path, accept, contentType string, values map[string]any) {
		r := a.get(path, "Accept", accept)
		Expect(r.code).To(Equal(200), r.body)
		Expect(r.header.Get("Content-Type")).To(Equal(contentType))
		for p, v := range values {
			Expect(r.at(p)).To(Equal(v), p+" in "+r.body)
		}
	},
		Entry("the version", "/version", "", jsonType, map[string]any{"gitVersion": "v1.37.0+mirroros.1.2.3--x-"}),
		Entry("core versions", "/api", "", jsonType, map[string]any{"kind": "APIVersions", "versions/0": "v1"}),
		Entry("groups", "/apis", "application/json", jsonType, map[string]any{"kind": "APIGroupList", "groups/0/name": "mirroros.dev"}),
		Entry("our group", "/apis/mirroros.dev", "", jsonType, map[string]any{"kind": "APIGroup", "preferredVersion/version": "v1alpha1"}),
		Entry("core resources", "/api/v1", "", jsonType, map[string]any{"resources/0/name": "namespaces", "resources/1/name": "events"}),
		Entry("our resources", "/apis/mirroros.dev/v1alpha1", "", jsonType,
			map[string]any{"kind": "APIResourceList", "resources/0/name": "stacks", "resources/1/name": "stacks/status"}),
		Entry("aggregated core", "/api", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json",
			"application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
			map[string]any{"apiVersion": "apidiscovery.k8s.io/v2", "items/0/versions/0/resources/1/resource": "events"}),
		Entry("aggregated groups, older", "/apis", "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
			"application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
			map[string]any{"apiVersion": "apidiscovery.k8s.io/v2beta1", "items/0/metadata/name": "mirroros.dev",
				"items/0/versions/0/resources/1/subresources/1/responseKind/kind": "Scale"}),
		Entry("OpenAPI v3", "/openapi/v3", "", jsonType, map[string]any{}),
		Entry("OpenAPI v2 in JSON", "/openapi/v2", "", jsonType, map[string]any{"swagger": "2.0"}),
	)

	It("names every kind with its columns' verbs", func() {
		for _, k := range specs.Kinds {
			path := "/apis/" + k.Group + "/" + k.Version
			if k.Group == "" {
				path = "/api/" + k.Version
			}
			Expect(a.get(path).body).To(ContainSubstring(`"name":"` + k.Plural + `"`))
		}
	})

	It("gives clients what they look for before they validate and dry run", func() {
		index := a.get("/openapi/v3")
		url, _ := at(index.object(), "paths").(map[string]any)["apis/mirroros.dev/v1alpha1"].(map[string]any)["serverRelativeURL"].(string)
		doc := a.get(url)
		Expect(doc.code).To(Equal(200))
		patch := doc.object()["paths"].(map[string]any)["/apis/mirroros.dev/v1alpha1/processes/{name}"].(map[string]any)["patch"]
		Expect(at(patch, "x-kubernetes-group-version-kind/kind")).To(Equal("Process"))
		names := ""
		for _, p := range at(patch, "parameters").([]any) {
			names += at(p, "name").(string) + " "
		}
		Expect(names).To(ContainSubstring("fieldValidation"))
		Expect(names).To(ContainSubstring("dryRun"))
		schema := doc.object()["components"].(map[string]any)["schemas"].(map[string]any)["dev.mirroros.v1alpha1.Process"]
		Expect(at(schema, "properties/spec/properties/replicas/type")).To(Equal("integer"))
		Expect(a.get("/openapi/v3/apis/events.k8s.io/v1").body).To(ContainSubstring(`"regarding"`))
	})

	It("answers nothing again to who has it", func() {
		r := a.get("/openapi/v3/apis/mirroros.dev/v1alpha1")
		again := a.get("/openapi/v3/apis/mirroros.dev/v1alpha1", "If-None-Match", r.header.Get("ETag"))
		Expect(again.code).To(Equal(304))
		Expect(again.body).To(BeEmpty())
	})

	DescribeTable("what is not there", func(method, path string, code int, text string) {
		r := a.do(method, path, "")
		Expect(r.code).To(Equal(code))
		Expect(r.status().Message).To(ContainSubstring(text))
	},
		Entry("a path", "GET", "/nothing", 404, "could not find the requested resource"),
		Entry("a subresource", "GET", processes+"/web/exec", 404, ""),
		Entry("a scale of what has none", "GET", stacks+"/home/scale", 404, ""),
		Entry("a group", "GET", "/apis/apps", 404, `group "apps"`),
		Entry("a version", "GET", "/apis/mirroros.dev/v2", 404, "mirroros.dev/v2"),
		Entry("a core version", "GET", "/api/v2", 404, "v2"),
		Entry("a document", "GET", "/openapi/v3/apis/apps/v1", 404, "apps/v1"),
		Entry("an object", "GET", processes+"/web", 404, `processes.mirroros.dev "web" not found`),
		Entry("a namespace", "GET", "/api/v1/namespaces/other", 404, `namespaces "other" not found`),
		Entry("a method", "PUT", processes, 405, "DELETE, GET, POST"),
		Entry("an empty segment", "GET", "/apis//v1", 404, ""),
	)

	It("says which methods a path has", func() {
		Expect(a.do("POST", "/version", "").header.Get("Allow")).To(Equal("GET"))
	})

	DescribeTable("questions of clients about themselves", func(path, contentType, body, where string, want any) {
		r := a.send("POST", path, contentType, body)
		Expect(r.code).To(Equal(201), r.body)
		Expect(r.at(where)).To(Equal(want))
	},
		Entry("may I", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", jsonType, `{"spec":{"resourceAttributes":{"verb":"get"}}}`, "status/allowed", true),
		Entry("may I, in protobuf", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "application/vnd.kubernetes.protobuf", "k8s\x00\n", "status/allowed", true),
		Entry("what may I", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", jsonType, `{}`, "status/resourceRules/0/verbs/0", "*"),
		Entry("who am I", "/apis/authentication.k8s.io/v1/selfsubjectreviews", jsonType, `{}`, "status/userInfo/groups/0", "admins"),
	)

	It("refuses OpenAPI v2 in protobuf, so that clients take v3", func() {
		Expect(a.get("/openapi/v2", "Accept", "application/com.github.proto-openapi.spec.v2@v1.0+protobuf").code).To(Equal(404))
	})

	It("is healthy", func() {
		for _, p := range []string{"/healthz", "/livez", "/readyz"} {
			Expect(strings.TrimSpace(a.get(p).body)).To(Equal("ok"))
		}
	})
})
