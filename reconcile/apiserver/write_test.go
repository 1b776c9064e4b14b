package apiserver_test

import (
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/apiserver"
	"mirroros.dev/mirroros/specs"
)

var _ = Describe("Writing", func() {
	var a *api
	BeforeEach(func() {
		a = serve(GinkgoTB(), apiserver.Options{Admit: func(o, old specs.Object) field.ErrorList {
			if p, ok := o.(*specs.Process); ok && p.Spec.Why == "no" {
				return field.ErrorList{field.Invalid(field.NewPath("spec", "why"), "no", fmt.Sprintf("refused, old %v", old != nil))}
			}
			return nil
		}})
	})

	version := func(r response) string {
		GinkgoHelper()
		return r.at("metadata/resourceVersion").(string)
	}

	It("creates an object, with defaults, its metadata and its managers", func() {
		r := a.send("POST", processes+"?fieldManager=me", yamlType, manifest("web", sleeps)+"\nstatus: {replicas: 7}\n")
		Expect(r.code).To(Equal(201), r.body)
		Expect(r.at("spec/replicas")).To(BeEquivalentTo(1))
		Expect(r.at("metadata/generation")).To(BeEquivalentTo(1))
		Expect(r.at("metadata/uid")).NotTo(BeEmpty())
		Expect(r.at("metadata/managedFields/0/manager")).To(Equal("me"))
		Expect(r.at("metadata/managedFields/0/operation")).To(Equal("Update"))
		Expect(r.at("status")).To(BeNil(), "a status is the operator's")
		Expect(a.get(processes+"/web").body + "\n").To(MatchJSON(r.body))
	})

	It("makes up a name from generateName", func() {
		r := a.send("POST", processes, jsonType, `{"apiVersion":"mirroros.dev/v1alpha1","kind":"Process","metadata":{"generateName":"web-"},"spec":{"command":["x"]}}`)
		Expect(r.code).To(Equal(201), r.body)
		Expect(r.at("metadata/name")).To(MatchRegexp("^web-[a-z0-9]{5}$"))
	})

	DescribeTable("refuses to create", func(contentType, body string, code int, texts ...string) {
		a.make("there", sleeps)
		r := a.send("POST", processes, contentType, body)
		Expect(r.code).To(Equal(code), r.body)
		for _, t := range texts {
			Expect(r.status().Message).To(ContainSubstring(t))
		}
	},
		Entry("what is there", yamlType, manifest("there", sleeps), 409, "already exists"),
		Entry("an unknown field, and says what was meant", yamlType, manifest("web", "{comand: [x]}"), 400, `spec.comand: unknown field, did you mean "command"?`),
		Entry("a wrong type", yamlType, manifest("web", "{command: [x], replicas: two}"), 400, "spec.replicas"),
		Entry("a field twice", jsonType, `{"apiVersion":"mirroros.dev/v1alpha1","kind":"Process","kind":"Process","metadata":{"name":"web"},"spec":{"command":["x"]}}`, 400, "kind"),
		Entry("what is not valid", yamlType, manifest("Not_OK", "{command: [x], replicas: -1}"), 422, "metadata.name", "spec.replicas"),
		Entry("what is not admitted", yamlType, manifest("web", "{command: [x], why: 'no'}"), 422, "spec.why", "old false"),
		Entry("no name", yamlType, manifest("", sleeps), 422, "metadata.name"),
		Entry("another kind", yamlType, "apiVersion: mirroros.dev/v1alpha1\nkind: Stack\nmetadata: {name: x}", 400, "this is the place of kind"),
		Entry("another version", yamlType, "apiVersion: v1\nkind: Process\nmetadata: {name: x}", 400, "this is the place of kind"),
		Entry("a resourceVersion", jsonType, `{"apiVersion":"mirroros.dev/v1alpha1","kind":"Process","metadata":{"name":"x","resourceVersion":"1"},"spec":{"command":["x"]}}`, 400, "resourceVersion"),
		Entry("broken JSON", jsonType, `{"apiVersion":`, 400, "cannot read the body"),
		Entry("no object", jsonType, `[]`, 400, ""),
		Entry("nothing", jsonType, ``, 400, ""),
		Entry("broken YAML", yamlType, "a: [", 400, "cannot read the body"),
		Entry("YAML with aliases", yamlType, "a: &a [x]\nb: *a", 400, "alias"),
		Entry("another format", "text/plain", "x", 415, "application/json, application/yaml"),
		Entry("protobuf", "application/vnd.kubernetes.protobuf", "k8s\x00", 415, "application/json"),
		Entry("a place in a Stack", jsonType, `{"apiVersion":"mirroros.dev/v1alpha1","kind":"Process","metadata":{"name":"x","labels":{"mirroros.dev/stack":"home"}},"spec":{"command":["x"]}}`, 422, "mirroros.dev/stack"),
		Entry("a bad finalizer", jsonType, `{"apiVersion":"mirroros.dev/v1alpha1","kind":"Process","metadata":{"name":"x","finalizers":["no good"]},"spec":{"command":["x"]}}`, 422, "finalizers"),
	)

	It("tells each fault as a cause", func() {
		s := a.make("web", "{replicas: -1}").status()
		Expect(s.Reason).To(BeEquivalentTo("Invalid"))
		Expect(len(s.Details.Causes)).To(BeNumerically(">=", 2))
		Expect(s.Details.Causes[0].Field).NotTo(BeEmpty())
	})

	DescribeTable("leaves alone what only the operator writes", func(method, path, contentType string, text string) {
		a.make("web", sleeps)
		a.instance("web-0123456789-0", "web")
		r := a.send(method, path, contentType, `{}`)
		Expect(r.code).To(Equal(405), r.body)
		Expect(r.status().Message).To(ContainSubstring(text))
	},
		Entry("create", "POST", instances, jsonType, "declare a Process"),
		Entry("update", "PUT", instances+"/web-0123456789-0", jsonType, "declare a Process"),
		Entry("patch", "PATCH", instances+"/web-0123456789-0", merge, "declare a Process"),
		Entry("delete", "DELETE", instances+"/web-0123456789-0", jsonType, "declare a Process"),
		Entry("delete all", "DELETE", instances, jsonType, "declare a Process"),
		Entry("an Event", "POST", events, jsonType, "told by the operator"),
		Entry("a namespace", "POST", "/api/v1/namespaces", jsonType, "no namespaces"),
		Entry("a status", "PUT", processes+"/web/status", jsonType, "written by the operator only"),
		Entry("a patch of a status", "PATCH", processes+"/web/status", merge, "written by the operator only"),
	)

	It("updates, and counts changes of the spec", func() {
		v := version(a.make("web", sleeps))
		r := a.send("PUT", processes+"/web", yamlType, manifest("web", "{command: [sleep, '2']}"))
		Expect(r.code).To(Equal(200), r.body)
		Expect(r.at("metadata/generation")).To(BeEquivalentTo(2))
		Expect(version(r)).NotTo(Equal(v))
		r = a.send("PATCH", processes+"/web", merge, `{"metadata":{"labels":{"a":"b"}}}`)
		Expect(r.at("metadata/generation")).To(BeEquivalentTo(2), "a label is no change of the spec")
	})

	DescribeTable("changes nothing where nothing changes", func(method, path, contentType, body string) {
		first := a.send("PATCH", processes+"/web?fieldManager=me", applyYAML, manifest("web", sleeps))
		Expect(first.code).To(Equal(201))
		r := a.send(method, path, contentType, body)
		Expect(r.code).To(Equal(200), r.body)
		Expect(r.body).To(MatchJSON(first.body))
		Expect(a.client.Store().Rev()).To(BeEquivalentTo(at(first.object(), "metadata/resourceVersion").(string)[0] - '0'))
	},
		Entry("a merge patch", "PATCH", processes+"/web", merge, `{"spec":{"replicas":1}}`),
		Entry("an empty merge patch", "PATCH", processes+"/web", merge, `{}`),
		Entry("a JSON patch", "PATCH", processes+"/web", jsonPatch, `[{"op":"test","path":"/spec/replicas","value":1}]`),
		Entry("an apply", "PATCH", processes+"/web?fieldManager=me", applyYAML, manifest("web", sleeps)),
		Entry("an apply in a dry run", "PATCH", processes+"/web?fieldManager=me&dryRun=All", applyYAML, manifest("web", sleeps)),
		Entry("an update", "PUT", processes+"/web", yamlType, manifest("web", sleeps)),
		Entry("a status", "PATCH", processes+"/web", merge, `{"status":{"replicas":5}}`),
		Entry("metadata that is not a client's", "PATCH", processes+"/web", merge, `{"metadata":{"generation":9,"creationTimestamp":null,"generateName":"x"}}`),
	)

	It("does not touch the object where scale changes nothing", func() {
		v := version(a.make("web", sleeps))
		r := a.send("PATCH", processes+"/web/scale", merge, `{"spec":{"replicas":1}}`)
		Expect(r.code).To(Equal(200), r.body)
		Expect(version(r)).To(Equal(v))
	})

	DescribeTable("does nothing in a dry run but says what would be", func(method, path, contentType, body string, where string, want any) {
		a.make("web", sleeps)
		rev := a.client.Store().Rev()
		r := a.send(method, path, contentType, body)
		Expect(r.code).To(BeElementOf(200, 201), r.body)
		Expect(r.at(where)).To(Equal(want))
		Expect(a.client.Store().Rev()).To(Equal(rev))
	},
		Entry("create", "POST", processes+"?dryRun=All", yamlType, manifest("db", sleeps), "metadata/name", "db"),
		Entry("update", "PUT", processes+"/web?dryRun=All", yamlType, manifest("web", "{command: [z]}"), "spec/command/0", "z"),
		Entry("patch", "PATCH", processes+"/web?dryRun=All", merge, `{"spec":{"why":"x"}}`, "spec/why", "x"),
		Entry("apply", "PATCH", processes+"/web?dryRun=All&fieldManager=m&force=true", applyYAML, manifest("web", "{command: [z]}"), "spec/command/0", "z"),
		Entry("apply of a new one", "PATCH", processes+"/db?dryRun=All&fieldManager=m", applyYAML, manifest("db", "{command: [z]}"), "spec/command/0", "z"),
		Entry("scale", "PATCH", processes+"/web/scale?dryRun=All", merge, `{"spec":{"replicas":3}}`, "spec/replicas", 3.0),
		Entry("delete", "DELETE", processes+"/web?dryRun=All", jsonType, "", "status", "Success"),
		Entry("delete, in the body", "DELETE", processes+"/web", jsonType, `{"dryRun":["All"]}`, "status", "Success"),
		Entry("delete all", "DELETE", processes+"?dryRun=All", jsonType, "", "status", "Success"),
	)

	DescribeTable("refuses a change", func(method, sub, contentType, body string, code int, text string) {
		a.make("web", sleeps)
		r := a.send(method, processes+"/web"+sub, contentType, body)
		Expect(r.code).To(Equal(code), r.body)
		Expect(r.status().Message).To(ContainSubstring(text))
	},
		Entry("of an old version", "PATCH", "", merge, `{"metadata":{"resourceVersion":"1"}}`, 409, "the object has been modified"),
		Entry("of an old version, by scale", "PATCH", "/scale", merge, `{"metadata":{"resourceVersion":"1"},"spec":{"replicas":2}}`, 409, "the object has been modified"),
		Entry("of another object of that name", "PATCH", "", merge, `{"metadata":{"uid":"x"}}`, 409, "UID in precondition"),
		Entry("of the name", "PATCH", "", merge, `{"metadata":{"name":"db"}}`, 400, "the name in the object"),
		Entry("of the kind", "PATCH", "", merge, `{"kind":"Stack"}`, 400, "this is the place"),
		Entry("to what is not valid", "PATCH", "", merge, `{"spec":{"replicas":-1}}`, 422, "spec.replicas"),
		Entry("to what is not valid, by scale", "PATCH", "/scale", merge, `{"spec":{"replicas":-1}}`, 422, "spec.replicas"),
		Entry("to what is not admitted", "PATCH", "", merge, `{"spec":{"why":"no"}}`, 422, "old true"),
		Entry("of an unknown field", "PATCH", "", merge, `{"spec":{"replica":1}}`, 400, `did you mean "replicas"?`),
		Entry("that is no patch", "PATCH", "", merge, `[`, 400, "merge patch"),
		Entry("that is no object", "PATCH", "", merge, `[1]`, 400, ""),
		Entry("that is null", "PATCH", "", merge, `null`, 400, ""),
		Entry("that is no JSON patch", "PATCH", "", jsonPatch, `{}`, 400, "JSON patch"),
		Entry("whose test fails", "PATCH", "", jsonPatch, `[{"op":"test","path":"/spec/replicas","value":2}]`, 422, "JSON patch"),
		Entry("at a place that is not", "PATCH", "", jsonPatch, `[{"op":"remove","path":"/spec/nothing"}]`, 422, "JSON patch"),
		Entry("in Kubernetes' own format", "PATCH", "", "application/strategic-merge-patch+json", `{}`, 415, "merge-patch+json"),
		Entry("by apply without a manager", "PATCH", "", applyYAML, manifest("web", sleeps), 400, "fieldManager"),
		Entry("by apply of another name", "PATCH", "?fieldManager=x", applyYAML, manifest("db", sleeps), 400, "the name in the object"),
		Entry("by apply with managers", "PATCH", "?fieldManager=x", applyYAML, `{"apiVersion":"mirroros.dev/v1alpha1","kind":"Process","metadata":{"name":"web","managedFields":[{"manager":"x"}]}}`, 400, "managedFields"),
		Entry("of scale to another kind", "PUT", "/scale", jsonType, `{"kind":"Process","apiVersion":"mirroros.dev/v1alpha1","metadata":{"name":"web"}}`, 400, `kind "Scale"`),
		Entry("of another name's scale", "PUT", "/scale", jsonType, `{"kind":"Scale","apiVersion":"autoscaling/v1","metadata":{"name":"db"},"spec":{"replicas":1}}`, 400, "the name in the object"),
		Entry("by apply of a scale", "PATCH", "/scale?fieldManager=x", applyYAML, `{}`, 415, "merge-patch"),
	)

	It("answers 404 for changes of what is not there", func() {
		for _, r := range []response{
			a.send("PUT", processes+"/web", yamlType, manifest("web", sleeps)),
			a.send("PATCH", processes+"/web", merge, `{}`),
			a.send("PATCH", processes+"/web/scale", merge, `{}`),
			a.send("DELETE", processes+"/web", jsonType, ``),
			a.send("PATCH", processes+"/web?fieldManager=x", applyYAML, `{"apiVersion":"mirroros.dev/v1alpha1","kind":"Process","metadata":{"name":"web","resourceVersion":"3"}}`),
		} {
			Expect(r.code).To(Equal(404), r.body)
		}
	})

	It("scales", func() {
		a.make("web", sleeps)
		r := a.send("PUT", processes+"/web/scale?fieldManager=scaler", jsonType, `{"kind":"Scale","apiVersion":"autoscaling/v1","metadata":{"name":"web"},"spec":{"replicas":3}}`)
		Expect(r.code).To(Equal(200), r.body)
		Expect(r.at("kind")).To(Equal("Scale"))
		Expect(r.at("status/selector")).To(Equal("mirroros.dev/process=web"))
		Expect(a.get(processes + "/web/scale").body).To(MatchJSON(r.body))
		p := a.get(processes + "/web")
		Expect(p.at("spec/replicas")).To(BeEquivalentTo(3))
		Expect(p.at("metadata/managedFields")).To(ContainElement(And(HaveKeyWithValue("subresource", "scale"), HaveKeyWithValue("manager", "scaler"))))
	})

	Context("by server-side apply", func() {
		apply := func(manager, spec, more string) response {
			return a.send("PATCH", processes+"/web?fieldManager="+manager+more, applyYAML, manifest("web", spec))
		}

		It("merges what several managers want, and names conflicts", func() {
			Expect(apply("one", "{command: [sleep, '1']}", "").code).To(Equal(201))
			r := apply("two", "{why: tests, replicas: 2}", "")
			Expect(r.code).To(Equal(200), r.body)
			Expect(r.at("spec/command/1")).To(Equal("1"))
			Expect(r.at("spec/replicas")).To(BeEquivalentTo(2))

			s := apply("two", "{command: [sleep, '2'], why: tests, replicas: 2}", "").status()
			Expect(s.Code).To(BeEquivalentTo(409))
			Expect(s.Details.Causes[0].Message).To(ContainSubstring(`"one"`))
			Expect(s.Details.Causes[0].Field).To(Equal(".spec.command"))

			r = apply("two", "{command: [sleep, '2'], why: tests}", "&force=true")
			Expect(r.at("spec/command/1")).To(Equal("2"))
			Expect(r.at("spec/replicas")).To(BeEquivalentTo(1), "left out by its only manager, it is the default again")
		})

		It("takes what clients print of an object", func() {
			apply("one", sleeps, "")
			o := a.get(processes + "/web").object()
			delete(o["metadata"].(map[string]any), "managedFields")
			delete(o["metadata"].(map[string]any), "generation")
			r := a.send("PATCH", processes+"/web?fieldManager=one", applyYAML, toJSON(o))
			Expect(r.code).To(Equal(200), r.body)
		})
	})

	Context("deletes", func() {
		It("and says what was there", func() {
			uid := a.make("web", sleeps).at("metadata/uid")
			r := a.send("DELETE", processes+"/web", jsonType, `{"kind":"DeleteOptions","apiVersion":"v1","propagationPolicy":"Background","gracePeriodSeconds":0}`)
			Expect(r.code).To(Equal(200), r.body)
			Expect(r.at("details/uid")).To(Equal(uid))
			Expect(r.at("details/kind")).To(Equal("processes"))
			Expect(a.get(processes + "/web").code).To(Equal(404))
		})

		It("when finalizers are gone", func() {
			a.make("web", sleeps)
			a.send("PATCH", processes+"/web", merge, `{"metadata":{"finalizers":["example.com/wait"]}}`)
			r := a.do("DELETE", processes+"/web", "")
			Expect(r.at("metadata/deletionTimestamp")).NotTo(BeNil(), r.body)
			Expect(a.get(processes + "/web").code).To(Equal(200))
			a.send("PATCH", processes+"/web", merge, `{"metadata":{"finalizers":null}}`)
			Expect(a.get(processes + "/web").code).To(Equal(404))
		})

		It("what selectors pick", func() {
			a.make("web", sleeps)
			a.make("db", sleeps)
			Expect(a.do("DELETE", processes+"?fieldSelector=metadata.name%3Ddb", "").code).To(Equal(200))
			Expect(a.get(processes + "/db").code).To(Equal(404))
			Expect(a.get(processes + "/web").code).To(Equal(200))
		})

		DescribeTable("not", func(body string, code int, text string) {
			a.make("web", sleeps)
			r := a.send("DELETE", processes+"/web", jsonType, body)
			Expect(r.code).To(Equal(code), r.body)
			Expect(r.status().Message).To(ContainSubstring(text))
			Expect(a.get(processes + "/web").code).To(Equal(200))
		},
			Entry("another object of that name", `{"preconditions":{"uid":"x"}}`, 409, "preconditions"),
			Entry("a newer version", `{"preconditions":{"resourceVersion":"1"}}`, 409, "preconditions"),
			Entry("with unknown options", `{"precondition":{}}`, 400, "delete options"),
			Entry("with an unknown dry run", `{"dryRun":["Some"]}`, 400, "dryRun"),
			Entry("with an unknown propagation", `{"propagationPolicy":"Fast"}`, 400, "propagationPolicy"),
			Entry("with broken options", `{`, 400, "delete options"),
		)
	})

	It("gives a change another try when others write meanwhile", func() {
		a.make("web", sleeps)
		results := make(chan response, 8)
		for i := range cap(results) {
			go func() {
				results <- a.send("PATCH", processes+"/web", merge, fmt.Sprintf(`{"metadata":{"labels":{"l%d":"x"}}}`, i))
			}()
		}
		for range cap(results) {
			r := <-results
			Expect(r.code).To(Equal(200), r.body)
		}
		p, _ := reconcile.Get[*specs.Process](a.client, "web")
		Expect(p.Labels).To(HaveLen(cap(results)))
	})
})
