package apiserver_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/apiserver"
	"mirroros.dev/mirroros/reconcile/reconciletest"
	"mirroros.dev/mirroros/specs"
)

func toJSON(v any) string {
	GinkgoHelper()
	b, err := json.Marshal(v)
	Expect(err).NotTo(HaveOccurred())
	return string(b)
}

// declaredIn is a file of the stack home.
type declaredIn struct {
	doc       *specs.Document
	suspended atomic.Bool
}

func (d *declaredIn) Declared(kind, name string) (*specs.Document, string, bool, bool) {
	if kind != d.doc.Kind || name != d.doc.Name {
		return nil, "", false, false
	}
	return d.doc, "home", d.suspended.Load(), true
}

func (d *declaredIn) Refusal(string, string) string {
	return fmt.Sprintf("process/web is declared in %s:%d by stack/home; edit the file, or run \"mirrorctl edit process/web\"", d.doc.File, d.doc.Line)
}

var _ = Describe("What a file declares", func() {
	const refusal = `process/web is declared in web.yaml:11 by stack/home; edit the file, or run "mirrorctl edit process/web"`
	var a *api
	var file *declaredIn
	var made string

	BeforeEach(func() {
		text := "\n\n\n\n\n\n\n\n\n\n" + manifest("web", "{command: [sleep, '1'], replicas: 2}")
		docs, faults := specs.Load("web.yaml", []byte(text))
		Expect(faults).To(BeEmpty())
		file = &declaredIn{doc: docs[0]}
		client := reconciletest.TempClient(GinkgoTB())
		o := specs.Copy(docs[0].Object)
		o.SetLabels(map[string]string{specs.LabelStack: "home"})
		out, err := client.Create(context.Background(), o)
		Expect(err).NotTo(HaveOccurred())
		made = out.GetResourceVersion()
		a = serve(GinkgoTB(), apiserver.Options{Client: client, Declared: file, Source: func(kind, name string) (apiserver.Source, bool) {
			return apiserver.Source{File: "web.yaml", Path: "/m/web.yaml", Line: 11, Stack: "home"}, kind == "Process" && name == "web"
		}})
	})

	DescribeTable("refuses other writers", func(method, sub, contentType, body, text string) {
		r := a.send(method, processes+sub, contentType, body)
		Expect(r.code).To(Equal(409), r.body)
		Expect(r.status().Message).To(Equal(refusal + text))
		Expect(a.get(processes + "/web").at("metadata/resourceVersion")).To(Equal(made))
	},
		Entry("patch", "PATCH", "/web", merge, `{"spec":{"command":["x"],"replicas":4}}`, ": spec.command, spec.replicas"),
		Entry("scale", "PATCH", "/web/scale", merge, `{"spec":{"replicas":4}}`, ": spec.replicas"),
		Entry("scale in a dry run", "PATCH", "/web/scale?dryRun=All", merge, `{"spec":{"replicas":4}}`, ": spec.replicas"),
		Entry("update", "PUT", "/web", yamlType, manifest("web", "{command: [sleep, '2'], replicas: 2}"), ": spec.command"),
		Entry("update that leaves it out", "PUT", "/web", yamlType, manifest("web", sleeps), ": spec.replicas"),
		Entry("apply", "PATCH", "/web?fieldManager=x", applyYAML, manifest("web", "{replicas: 3}"), ": spec.replicas"),
		Entry("forced apply", "PATCH", "/web?fieldManager=x&force=true", applyYAML, manifest("web", "{replicas: 3}"), ": spec.replicas"),
		Entry("delete", "DELETE", "/web", jsonType, "", ""),
		Entry("delete of all", "DELETE", "", jsonType, "", ""),
	)

	It("names the fields as causes, and no race that clients would try again", func() {
		s := a.send("PATCH", processes+"/web", merge, `{"spec":{"replicas":4}}`).status()
		Expect(s.Details.Causes[0].Field).To(Equal("spec.replicas"))
		Expect(s.Reason).To(BeEquivalentTo("Forbidden"))
	})

	It("leaves the other fields free, and has no managers", func() {
		r := a.send("PATCH", processes+"/web", merge, `{"spec":{"why":"tests"},"metadata":{"annotations":{"note":"x"}}}`)
		Expect(r.code).To(Equal(200), r.body)
		Expect(r.at("metadata/managedFields")).To(BeNil())
		Expect(r.at("metadata/labels")).To(HaveKeyWithValue(specs.LabelStack, "home"))
		r = a.send("PATCH", processes+"/web?fieldManager=me", applyYAML, manifest("web", "{why: 'more tests'}"))
		Expect(r.code).To(Equal(200), r.body)
		Expect(r.at("metadata/managedFields")).To(HaveLen(1))
		Expect(r.at("metadata/managedFields/0/manager")).To(Equal("me"))
	})

	It("may be written again as it is", func() {
		for _, r := range []response{
			a.send("PUT", processes+"/web", yamlType, manifest("web", "{command: [sleep, '1'], replicas: 2}")),
			a.send("PATCH", processes+"/web?fieldManager=x", applyYAML, manifest("web", "{replicas: 2}")),
		} {
			Expect(r.code).To(Equal(200), r.body)
			Expect(r.at("metadata/labels")).To(HaveKeyWithValue(specs.LabelStack, "home"))
		}
	})

	It("cannot be moved to another Stack", func() {
		r := a.send("PATCH", processes+"/web", merge, `{"metadata":{"labels":{"mirroros.dev/stack":"other"}}}`)
		Expect(r.code).To(Equal(422), r.body)
	})

	It("is free while the Stack is suspended", func() {
		file.suspended.Store(true)
		Expect(a.send("PATCH", processes+"/web/scale", merge, `{"spec":{"replicas":4}}`).code).To(Equal(200))
		Expect(a.do("DELETE", processes+"/web", "").code).To(Equal(200))
	})

	It("deletes all or none", func() {
		a.make("aaa", sleeps)
		Expect(a.do("DELETE", processes, "").code).To(Equal(409))
		_, ok := reconcile.Get[*specs.Process](a.client, "aaa")
		Expect(ok).To(BeTrue())
	})

	It("says where it is", func() {
		Expect(a.get(processes + "/web/source").body).To(MatchJSON(`{"file":"web.yaml","path":"/m/web.yaml","line":11,"stack":"home"}`))
		a.make("db", sleeps)
		Expect(a.get(processes + "/db/source").status().Message).To(ContainSubstring("made through the API"))
		Expect(a.get(processes + "/nothing/source").code).To(Equal(404))
	})
})
