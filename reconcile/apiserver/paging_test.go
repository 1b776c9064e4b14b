package apiserver_test

import (
	"context"
	"fmt"
	"net/url"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/apiserver"
	"mirroros.dev/mirroros/specs"
)

var _ = Describe("A list in pieces", func() {
	var a *api
	var now time.Time
	BeforeEach(func() {
		now = time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)
		a = serve(GinkgoTB(), apiserver.Options{Now: func() time.Time { return now }})
		for i := range 10 {
			a.make(fmt.Sprintf("p%d", i), sleeps)
		}
	})
	page := func(token, more string) (names []string, next string, r response) {
		GinkgoHelper()
		r = a.get(processes + "?limit=4&continue=" + url.QueryEscape(token) + more)
		if r.code != 200 {
			return nil, "", r
		}
		for _, i := range r.at("items").([]any) {
			names = append(names, at(i, "metadata/name").(string))
		}
		next, _ = r.at("metadata/continue").(string)
		return names, next, r
	}
	remove := func(names ...string) {
		GinkgoHelper()
		for _, n := range names {
			p, _ := reconcile.Get[*specs.Process](a.client, n)
			Expect(a.client.Delete(context.Background(), reconcile.KeyOf(p))).To(Succeed())
		}
	}

	It("is of one revision, whatever changes meanwhile", func() {
		names, next, r := page("", "")
		Expect(names).To(Equal([]string{"p0", "p1", "p2", "p3"}))
		Expect(r.at("metadata/remainingItemCount")).To(BeEquivalentTo(6))
		first := r.at("metadata/resourceVersion")
		remove("p1", "p5")
		a.make("p45", sleeps)
		names, next, r = page(next, "")
		Expect(names).To(Equal([]string{"p4", "p5", "p6", "p7"}))
		Expect(r.at("metadata/resourceVersion")).To(Equal(first))
		Expect(r.at("metadata/remainingItemCount")).To(BeEquivalentTo(2))
		names, next, r = page(next, "")
		Expect(names).To(Equal([]string{"p8", "p9"}))
		Expect(next).To(BeEmpty())
		Expect(r.at("metadata/remainingItemCount")).To(BeNil())
		w := a.get(processes + "?watch=true&timeoutSeconds=1&resourceVersion=" + first.(string))
		Expect(w.body).To(ContainSubstring(`"name":"p45"`), "a watch goes on from where the list was")
	})

	It("is 410 when it is not kept any more, and goes on from there with what is there now", func() {
		_, next, _ := page("", "")
		remove("p4")
		now = now.Add(6 * time.Minute)
		_, _, r := page(next, "")
		Expect(r.code).To(Equal(410), r.body)
		Expect(r.status().Reason).To(BeEquivalentTo("Expired"))
		names, next, r := page(r.status().Continue, "")
		Expect(r.code).To(Equal(200), r.body)
		Expect(names).To(Equal([]string{"p5", "p6", "p7", "p8"}))
		names, _, _ = page(next, "")
		Expect(names).To(Equal([]string{"p9"}))
	})

	It("is kept for so many lists at once only", func() {
		_, next, _ := page("", "")
		for i := range 17 {
			a.make(fmt.Sprintf("q%02d", i), sleeps)
			page("", "")
		}
		_, _, r := page(next, "")
		Expect(r.code).To(Equal(410))
	})

	It("is cut after the selectors, and does not count what it has not looked at", func() {
		names, next, r := page("", "&fieldSelector=metadata.name!%3Dp2")
		Expect(names).To(Equal([]string{"p0", "p1", "p3", "p4"}))
		Expect(next).NotTo(BeEmpty())
		Expect(r.at("metadata/remainingItemCount")).To(BeNil())
	})

	It("goes on as a table too", func() {
		r := a.get(processes+"?limit=3", "Accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
		Expect(r.at("rows")).To(HaveLen(3))
		Expect(r.at("metadata/continue")).NotTo(BeEmpty())
	})

	DescribeTable("refuses", func(query, text string) {
		r := a.get(processes + query)
		Expect(r.code).To(Equal(400), r.body)
		Expect(r.status().Message).To(ContainSubstring(text))
	},
		Entry("a limit that is none", "?limit=many", "limit"),
		Entry("a limit below zero", "?limit=-1", "limit"),
		Entry("a token that is none", "?limit=1&continue=x", "continue token"),
	)

	It("refuses a revision with a token", func() {
		_, next, _ := page("", "")
		_, _, r := page(next, "&resourceVersion=1")
		Expect(r.code).To(Equal(400))
	})
})
