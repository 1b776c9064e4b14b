package admit_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/reconcile/admit"
	"mirroros.dev/mirroros/specs"
)

// needs is a process whose instances need memory.
func needs(name, memory string, more ...string) string {
	return process(name, append([]string{"resources: {requests: {memory: " + memory + "}}"}, more...)...)
}

var _ = Describe("what is to run at once", func() {
	host := func(stack string, objects ...specs.Object) admit.World {
		w := world(stack, objects...)
		w.Memory = 8 << 30
		return w
	}
	It("fits into the host's memory, with every copy that runs beside another", func() {
		files := map[string]string{"a.yaml": needs("a", "3Gi", "replicas: 2"), "b.yaml": needs("b", "1Gi", "strategy: {type: RollingUpdate}")}
		Expect(admit.Admit(set(files), nil, host("main"))).To(BeEmpty())
		files["b.yaml"] = needs("b", "1100Mi", "strategy: {type: RollingUpdate}")
		faults := admit.Admit(set(files), nil, host("main"))
		Expect(faults).To(HaveLen(2), "nobody was there first")
		Expect(faults[0].String()).To(HavePrefix("a.yaml:7:34  spec.resources.requests.memory: it needs 6Gi, all that is to run at once 8344Mi, and this host has 8Gi"))
		Expect(admit.Admit(set(files), nil, world("main"))).To(BeEmpty(), "where it is not known nothing is held to it")
	})
	It("is told of who asks for more, not of who was there", func() {
		base := set(map[string]string{"a.yaml": needs("a", "6Gi")})
		more := set(map[string]string{"a.yaml": needs("a", "6Gi"), "b.yaml": needs("b", "3Gi")})
		faults := admit.Admit(more, base, host("main"))
		Expect(faults).To(HaveLen(1))
		Expect(faults[0].File).To(Equal("b.yaml"))
		By("and less is always taken")
		large := set(map[string]string{"a.yaml": needs("a", "20Gi")})
		Expect(admit.Admit(set(map[string]string{"a.yaml": needs("a", "10Gi")}), large, host("main"))).To(BeEmpty())
	})
	It("does not count what is suspended, has no copies, or does not say", func() {
		Expect(admit.Admit(set(map[string]string{"a.yaml": needs("a", "20Gi", "suspend: true"), "b.yaml": needs("b", "20Gi", "replicas: 0", "strategy: {type: RollingUpdate}"),
			"c.yaml": process("c", "resources: {limits: {memory: 20Gi}}")}), nil, host("main"))).To(BeEmpty())
	})
	It("is what other stacks declare too, and what was made through the API", func() {
		w := host("main", object(needs("api", "3Gi"), ""), object(needs("of-other", "3Gi"), "other"))
		w.Others = map[string]*admit.Set{"other": set(map[string]string{"o.yaml": needs("of-other", "3Gi")})}
		Expect(admit.Admit(set(map[string]string{"a.yaml": needs("a", "2Gi")}), nil, w)).To(BeEmpty())
		Expect(admit.Admit(set(map[string]string{"a.yaml": needs("a", "3Gi")}), nil, w)).To(HaveLen(1))
		Expect(admit.Object(object(needs("new", "2Gi"), ""), w)).To(BeEmpty())
		Expect(admit.Object(object(needs("new", "3Gi"), ""), w)).To(ContainElement(HaveField("Field", "spec.resources.requests.memory")))
		Expect(admit.Object(object(needs("api", "4Gi"), ""), w)).To(BeEmpty(), "it takes the place of itself")
		Expect(admit.Object(object(needs("api", "6Gi"), ""), w)).NotTo(BeEmpty())
	})
})
