package apiserver_test

import (
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/reconcile/apiserver"
)

const leases = "/apis/coordination.k8s.io/v1/namespaces/default/leases"

// leaseBody is what client-go's leader election sends.
func leaseBody(holder, version string, transitions int) string {
	meta := `"name":"election","namespace":"default"`
	if version != "" {
		meta += fmt.Sprintf(`,"resourceVersion":%q`, version)
	}
	return fmt.Sprintf(`{"kind":"Lease","apiVersion":"coordination.k8s.io/v1","metadata":{%s,"creationTimestamp":null},"spec":{"holderIdentity":%q,`+
		`"leaseDurationSeconds":15,"acquireTime":"2026-11-23T14:00:00.000000Z","renewTime":"2026-11-23T14:00:02.123456Z","leaseTransitions":%d}}`, meta, holder, transitions)
}

var _ = Describe("Leases", func() {
	var a *api
	BeforeEach(func() { a = serve(GinkgoTB(), apiserver.Options{}) })
	version := func(r response) string { return r.at("metadata/resourceVersion").(string) }

	It("elect one leader", func() {
		Expect(a.get(leases + "/election").code).To(Equal(404))
		first := a.send("POST", leases, jsonType, leaseBody("a", "", 0))
		Expect(first.code).To(Equal(201), first.body)
		Expect(a.send("POST", leases, jsonType, leaseBody("b", "", 0)).code).To(Equal(409), "somebody was first")

		seen := a.get(leases + "/election")
		Expect(seen.at("spec/holderIdentity")).To(Equal("a"))
		Expect(seen.at("spec/renewTime")).To(Equal("2026-11-23T14:00:02.123456Z"), "not a microsecond is lost")
		renewed := a.send("PUT", leases+"/election", jsonType, leaseBody("a", version(seen), 0))
		Expect(renewed.code).To(Equal(200), renewed.body)
		taken := a.send("PUT", leases+"/election", jsonType, leaseBody("b", version(seen), 1))
		Expect(taken.code).To(Equal(200), "the renewal said nothing new, so nothing was written: %s", taken.body)
		late := a.send("PUT", leases+"/election", jsonType, leaseBody("a", version(seen), 0))
		Expect(late.code).To(Equal(409), "it has been taken meanwhile")
		Expect(late.status().Reason).To(BeEquivalentTo("Conflict"))
		Expect(a.get(leases + "/election").at("spec/holderIdentity")).To(Equal("b"))

		released := a.send("PUT", leases+"/election", jsonType, leaseBody("", version(taken), 1))
		Expect(released.code).To(Equal(200), released.body)
		Expect(a.send("DELETE", leases+"/election", jsonType, "").code).To(Equal(200))
		Expect(a.get(leases).at("items")).To(BeEmpty())
	})

	It("have one winner when many take one at once", func() {
		v := version(a.send("POST", leases, jsonType, leaseBody("", "", 0)))
		codes := make(chan int, 20)
		for i := range cap(codes) {
			go func() {
				codes <- a.send("PUT", leases+"/election", jsonType, leaseBody(fmt.Sprint("node-", i), v, 1)).code
			}()
		}
		count := map[int]int{}
		for range cap(codes) {
			count[<-codes]++
		}
		Expect(count).To(Equal(map[int]int{200: 1, 409: cap(codes) - 1}))
	})

	It("are listed, watched, patched and shown", func() {
		v := version(a.send("POST", leases, jsonType, leaseBody("a", "", 0)))
		p := a.send("PATCH", leases+"/election", "application/merge-patch+json", `{"spec":{"holderIdentity":"c"}}`)
		Expect(p.code).To(Equal(200), p.body)
		Expect(a.get("/apis/coordination.k8s.io/v1/leases").at("items/0/spec/holderIdentity")).To(Equal("c"))
		w := a.get(leases + "?watch=true&timeoutSeconds=1&resourceVersion=" + v)
		Expect(w.body).To(And(ContainSubstring(`"MODIFIED"`), ContainSubstring(`"holderIdentity":"c"`)))
		Expect(a.get("/apis/coordination.k8s.io/v1").body).To(ContainSubstring(`"name":"leases"`))
		t := a.get(leases, "Accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
		Expect(t.at("rows/0/cells/1")).To(Equal("c"))
	})

	DescribeTable("are refused", func(path, body string, code int, text string) {
		r := a.send("POST", path, jsonType, body)
		Expect(r.code).To(Equal(code), r.body)
		Expect(r.status().Message).To(ContainSubstring(text))
	},
		Entry("in a namespace that is not there", "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases",
			`{"kind":"Lease","apiVersion":"coordination.k8s.io/v1","metadata":{"name":"x"}}`, 404, `namespaces "kube-system" not found`),
		Entry("for another namespace than the path's", leases,
			`{"kind":"Lease","apiVersion":"coordination.k8s.io/v1","metadata":{"name":"x","namespace":"other"}}`, 400, "namespace"),
		Entry("with a duration that is none", leases,
			`{"kind":"Lease","apiVersion":"coordination.k8s.io/v1","metadata":{"name":"x"},"spec":{"leaseDurationSeconds":0}}`, 422, "spec.leaseDurationSeconds"),
		Entry("with a field that is none", leases,
			`{"kind":"Lease","apiVersion":"coordination.k8s.io/v1","metadata":{"name":"x"},"spec":{"holder":"a"}}`, 400, "holder"),
	)
})
