package apiserver_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/apiserver"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// watched is a watch that is read.
type watched struct {
	body io.Closer
	dec  *json.Decoder
}

func (a *api) watch(path string, headers ...string) *watched {
	GinkgoHelper()
	ctx, stop := context.WithCancel(context.Background())
	res := a.open(ctx, "GET", path, "", headers...)
	DeferCleanup(func() {
		stop()
		_ = res.Body.Close()
	})
	Expect(res.StatusCode).To(Equal(200))
	return &watched{res.Body, json.NewDecoder(bufio.NewReader(res.Body))}
}

// next event as "TYPE name"; and the whole of it.
func (w *watched) next() (string, map[string]any) {
	GinkgoHelper()
	var e map[string]any
	Expect(w.dec.Decode(&e)).To(Succeed())
	o := e["object"]
	name := at(o, "metadata/name")
	if at(o, "kind") == "Table" && e["type"] != "BOOKMARK" {
		name = at(o, "rows/0/object/metadata/name")
	}
	return strings.TrimSuffix(fmt.Sprint(e["type"], " ", name), " <nil>"), o.(map[string]any)
}

func (w *watched) expect(words ...string) {
	GinkgoHelper()
	for _, want := range words {
		got, _ := w.next()
		Expect(got).To(Equal(want))
	}
}

var _ = Describe("Watching", func() {
	var a *api
	BeforeEach(func() { a = serve(GinkgoTB(), apiserver.Options{}) })

	label := func(name, json string) {
		GinkgoHelper()
		r := a.send("PATCH", processes+"/"+name, merge, `{"metadata":{"labels":`+json+`}}`)
		Expect(r.code).To(Equal(200), r.body)
	}

	It("goes on from the revision of a list", func() {
		a.make("web", sleeps)
		rev := a.get(processes).at("metadata/resourceVersion").(string)
		a.make("db", sleeps)
		w := a.watch(processes + "?watch=true&resourceVersion=" + rev)
		w.expect("ADDED db")
		label("web", `{"a":"b"}`)
		a.do("DELETE", processes+"/web", "")
		w.expect("MODIFIED web", "DELETED web")
	})

	It("begins with what is there when no revision is named", func() {
		a.make("web", sleeps)
		w := a.watch(processes + "?watch=1")
		w.expect("ADDED web")
		a.make("db", sleeps)
		w.expect("ADDED db")
	})

	It("marks the end of what was there", func() {
		a.make("web", sleeps)
		w := a.watch(processes + "?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&resourceVersion=0")
		w.expect("ADDED web")
		typ, o := w.next()
		Expect(typ).To(Equal("BOOKMARK"))
		Expect(at(o, "kind")).To(Equal("Process"))
		Expect(o["metadata"].(map[string]any)["annotations"]).To(HaveKeyWithValue("k8s.io/initial-events-end", "true"))
		Expect(at(o, "metadata/resourceVersion")).To(Equal(a.get(processes).at("metadata/resourceVersion")))
		a.make("db", sleeps)
		w.expect("ADDED db")
	})

	It("sees objects come and go as its selector does", func() {
		a.make("web", sleeps)
		a.make("db", sleeps)
		w := a.watch(processes + "?watch=true&labelSelector=tier%3Dx&resourceVersion=" + strconv.FormatInt(a.client.Store().Rev(), 10))
		label("db", `{"tier":"y"}`)
		label("web", `{"tier":"x"}`)
		label("web", `{"other":"x"}`)
		label("web", `{"tier":null}`)
		label("db", `{"tier":"x"}`)
		w.expect("ADDED web", "MODIFIED web", "DELETED web", "ADDED db")
	})

	It("sees one object", func() {
		w := a.watch(processes + "?watch=true&fieldSelector=metadata.name%3Dweb")
		a.make("db", sleeps)
		a.make("web", sleeps)
		w.expect("ADDED web")
	})

	It("sees rows of a table, the columns once", func() {
		w := a.watch(processes+"?watch=true", "Accept", asTable)
		a.make("web", sleeps)
		a.make("db", sleeps)
		_, o := w.next()
		Expect(o["columnDefinitions"]).NotTo(BeEmpty())
		Expect(at(o, "rows/0/cells/0")).To(Equal("web"))
		_, o = w.next()
		Expect(o["columnDefinitions"]).To(BeEmpty())
		Expect(at(o, "rows/0/cells/0")).To(Equal("db"))
	})

	It("sees metadata", func() {
		w := a.watch(processes+"?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true", "Accept", asMetadata)
		_, o := w.next()
		Expect(at(o, "kind")).To(Equal("PartialObjectMetadata"))
		a.make("web", sleeps)
		_, o = w.next()
		Expect(at(o, "kind")).To(Equal("PartialObjectMetadata"))
		Expect(at(o, "spec")).To(BeNil())
	})

	It("sees Events in both groups", func() {
		a.make("web", sleeps)
		core, newer := a.watch(events+"?watch=true"), a.watch("/apis/events.k8s.io/v1/events?watch=true")
		a.event("web", "Started")
		_, o := core.next()
		Expect(at(o, "involvedObject/name")).To(Equal("web"))
		_, o = newer.next()
		Expect(at(o, "regarding/name")).To(Equal("web"))
		Expect(at(o, "apiVersion")).To(Equal("events.k8s.io/v1"))
	})

	It("sees the namespace", func() {
		a.watch("/api/v1/namespaces?watch=true").expect("ADDED default")
	})

	It("ends when its time is over", func() {
		res := a.open(context.Background(), "GET", processes+"?watch=true&timeoutSeconds=1", "")
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		Expect(err).NotTo(HaveOccurred())
		Expect(b).To(BeEmpty())
	}, Label("slow"))

	DescribeTable("is refused", func(query string, code int, text string) {
		r := a.get(processes + "?watch=true&" + query)
		Expect(r.code).To(Equal(code), r.body)
		Expect(r.status().Message).To(ContainSubstring(text))
	},
		Entry("with a revision that is none", "resourceVersion=x", 400, "whole number"),
		Entry("with a time that is none", "timeoutSeconds=x", 400, "whole number"),
		Entry("with initial events of any age", "sendInitialEvents=true", 422, "NotOlderThan"),
		Entry("with a match but no initial events", "resourceVersionMatch=Exact", 422, "sendInitialEvents"),
		Entry("with a selector that is none", "labelSelector=%3D%3D%3D", 400, "labelSelector"),
		Entry("with initial events of the future", "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=999999", 410, "list again"),
	)

	It("tells a client from another life to list again", func() {
		w := a.watch(processes + "?watch=true&resourceVersion=999999")
		typ, o := w.next()
		Expect(typ).To(Equal("ERROR"))
		Expect(o).To(HaveKeyWithValue("code", BeEquivalentTo(410)))
		Expect(o).To(HaveKeyWithValue("reason", "Expired"))
	})

	It("tells a client whose revision is from before a restart to list again", func() {
		path := filepath.Join(GinkgoT().TempDir(), "state.db")
		open := func() *store.Store {
			s, err := store.Open(path, store.Options{Codec: reconcile.Codec()})
			Expect(err).NotTo(HaveOccurred())
			return s
		}
		s := open()
		c := reconcile.NewClient(s, reconcile.ClientOptions{})
		p := &specs.Process{Spec: specs.ProcessSpec{Command: []string{"x"}}}
		p.Name = "web"
		out, err := c.Create(context.Background(), p)
		Expect(err).NotTo(HaveOccurred())
		Expect(s.Close()).To(Succeed())
		s = open()
		DeferCleanup(s.Close)
		b := serve(GinkgoTB(), apiserver.Options{Client: reconcile.NewClient(s, reconcile.ClientOptions{})})
		Expect(b.get(processes + "/web").at("metadata/resourceVersion")).To(Equal(out.GetResourceVersion()))
		b.watch(processes + "?watch=true&resourceVersion=" + out.GetResourceVersion()).expect("ERROR")
	})

	It("never makes a writer wait for a client that does not read", func(ctx SpecContext) {
		a.watch(processes + "?watch=true") // nobody reads it
		p := &specs.Process{Spec: specs.ProcessSpec{Command: []string{"x", strings.Repeat("y", 100<<10)}}}
		p.Name = "web"
		out, err := a.client.Create(ctx, p)
		Expect(err).NotTo(HaveOccurred())
		for i := range 100 { // 10 MB, more than any buffer on the way
			next := specs.Copy(out.(*specs.Process))
			next.Spec.Why = strconv.Itoa(i)
			out, err = a.client.Update(ctx, next)
			Expect(err).NotTo(HaveOccurred())
		}
	})
})
