package apiserver_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/reconcile/apiserver"
)

var _ = Describe("Reading", func() {
	var a *api
	BeforeEach(func() {
		a = serve(GinkgoTB(), apiserver.Options{Now: func() time.Time { return time.Now().Add(90 * time.Second) }})
		a.make("web", "{command: [sleep, '1'], version: v2}")
		a.make("db", sleeps)
		a.send("PATCH", processes+"/db", merge, `{"metadata":{"labels":{"tier":"data"}}}`)
		a.instance("web-0123456789-0", "web")
		a.instance("db-0123456789-0", "db")
		a.event("web", "Started")
	})

	names := func(r response) []any {
		GinkgoHelper()
		Expect(r.code).To(Equal(200), r.body)
		out := []any{}
		for _, i := range r.object()["items"].([]any) {
			out = append(out, at(i, "metadata/name"))
		}
		return out
	}

	DescribeTable("lists by selectors", func(path string, want ...any) {
		Expect(names(a.get(path))).To(ConsistOf(want...))
	},
		Entry("all", processes, "web", "db"),
		Entry("by label", processes+"?labelSelector=tier%3Ddata", "db"),
		Entry("by absence of a label", processes+"?labelSelector=!tier", "web"),
		Entry("by name", processes+"?fieldSelector=metadata.name%3Dweb", "web"),
		Entry("by another name", processes+"?fieldSelector=metadata.name!%3Dweb", "db"),
		Entry("by two names", processes+"?fieldSelector=metadata.name%3Dweb,metadata.name%3Ddb"),
		Entry("by a field of the kind", instances+"?fieldSelector=spec.process%3Dweb", "web-0123456789-0"),
		Entry("namespaces", "/api/v1/namespaces", "default"),
	)

	DescribeTable("Events", func(path string, want int, name string) {
		r := a.get(path)
		Expect(r.code).To(Equal(200), r.body)
		items := r.object()["items"].([]any)
		Expect(items).To(HaveLen(want))
		if want > 0 {
			Expect(at(items[0], name+"/name")).To(Equal("web"))
		}
	},
		Entry("of a namespace", events, 1, "involvedObject"),
		Entry("of all", "/api/v1/events", 1, "involvedObject"),
		Entry("of another namespace", "/api/v1/namespaces/kube-system/events", 0, ""),
		Entry("of an object", events+"?fieldSelector=involvedObject.name%3Dweb,involvedObject.kind%3DProcess", 1, "involvedObject"),
		Entry("of another object", events+"?fieldSelector=involvedObject.name%3Ddb", 0, ""),
		Entry("of a source", events+"?fieldSelector=source%3Dprocess-controller", 1, "involvedObject"),
		Entry("in the newer group", "/apis/events.k8s.io/v1/events", 1, "regarding"),
		Entry("in the newer group, of an object", "/apis/events.k8s.io/v1/namespaces/default/events?fieldSelector=regarding.name%3Ddb", 0, ""),
	)

	DescribeTable("what cannot be read", func(path string, code int, text string) {
		r := a.get(path)
		Expect(r.code).To(Equal(code), r.body)
		Expect(r.status().Message).To(ContainSubstring(text))
	},
		Entry("a label selector", processes+"?labelSelector=%3D%3D%3D", 400, "labelSelector"),
		Entry("a field selector", processes+"?fieldSelector=%3D%3D%3Da,b", 400, "fieldSelector"),
		Entry("a field that is not served", processes+"?fieldSelector=spec.why%3Dx", 400, "use one of metadata.name"),
		Entry("a revision", processes+"?resourceVersion=x", 400, "whole number"),
		Entry("a revision that was never here", processes+"?resourceVersion=999999", 410, "list again"),
		Entry("a query", processes+"?a=%2", 400, "query"),
		Entry("a validation", processes+"?fieldValidation=No", 422, "Strict"),
		Entry("a dry run", processes+"?dryRun=Some", 422, "All"),
	)

	It("prints tables", func() {
		r := a.get(processes, "Accept", asTable)
		Expect(r.at("kind")).To(Equal("Table"))
		Expect(r.at("columnDefinitions/0/format")).To(Equal("name"))
		Expect(r.at("columnDefinitions/5/name")).To(Equal("Version"))
		Expect(r.at("columnDefinitions/5/priority")).To(BeEquivalentTo(1))
		Expect(r.at("rows/1/cells/0")).To(Equal("web"))
		Expect(r.at("rows/1/cells/4")).To(MatchRegexp("^(89|90|91)s$"), "an age, not a date")
		Expect(r.at("rows/1/cells/5")).To(Equal("v2"))
		Expect(r.at("rows/1/object/kind")).To(Equal("PartialObjectMetadata"))
		Expect(r.at("rows/1/object/spec")).To(BeNil())
		Expect(r.at("metadata/resourceVersion")).NotTo(BeEmpty())
	})

	DescribeTable("what a row has as object", func(include string, kind string) {
		r := a.get(processes+"/web?includeObject="+include, "Accept", asTable)
		got, _ := r.at("rows/0/object/kind").(string)
		Expect(got).To(Equal(kind), r.body)
	},
		Entry("the object", "Object", "Process"), Entry("nothing", "None", ""), Entry("its metadata", "Metadata", "PartialObjectMetadata"))

	It("answers metadata alone", func() {
		Expect(a.get(processes, "Accept", asMetadata).at("kind")).To(Equal("PartialObjectMetadataList"))
		r := a.get(processes+"/web", "Accept", asMetadata)
		Expect(r.at("kind")).To(Equal("PartialObjectMetadata"))
		Expect(r.at("metadata/name")).To(Equal("web"))
		Expect(r.at("spec")).To(BeNil())
	})

	DescribeTable("takes", func(accept string, code int) {
		Expect(a.get(processes, "Accept", accept).code).To(Equal(code))
	},
		Entry("anything", "*/*", 200), Entry("JSON behind what it has not", "application/vnd.kubernetes.protobuf,application/json", 200),
		Entry("an older table behind JSON", "application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json", 200),
		Entry("not protobuf alone", "application/vnd.kubernetes.protobuf", 406), Entry("no nonsense", ";;;", 406))

	It("serves a status and the head of an object", func() {
		Expect(a.get(processes + "/web/status").at("metadata/name")).To(Equal("web"))
		r := a.do("HEAD", processes+"/web", "")
		Expect(r.code).To(Equal(200))
		Expect(r.body).To(BeEmpty())
	})
})
