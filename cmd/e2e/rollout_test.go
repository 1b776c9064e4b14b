package e2e

import (
	"encoding/json"
	"os"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/specs"
)

// rollouts are those of the operator.
func (h *host) rollouts() []specs.Rollout {
	out, _, code := h.ctl("get", "rollouts", "-o", "json")
	var list struct{ Items []specs.Rollout }
	if code != 0 || json.Unmarshal([]byte(out), &list) != nil {
		return nil
	}
	return list.Items
}

var _ = Describe("a change of several waves", func() {
	It("waits for each wave to be ready, also through a kill -9, and touches nothing before its turn", func() {
		h := newHost()
		unready := h.dir + "/unready"
		three := func(why string) {
			h.write("all.yaml",
				process("a", []string{"http", "127.0.0.1:$(PORT_HTTP)", unready}, "env: [{name: WHY, value: "+why+"}]", "ports: [{name: http}]",
					"readinessProbe: {httpGet: {path: /health, port: http}, periodSeconds: 1}"),
				process("b", []string{"run", why + "b"}, "dependsOn: [{process: a, condition: Started}]"),
				process("c", []string{"run", why + "c"}, "dependsOn: [{process: b}]"))
		}
		three("one")
		h.start()
		h.ready()
		Expect(h.rollouts()).To(BeEmpty(), "the first content has nothing to wait for")
		a, b, c := h.pidOf("a"), h.pidOf("b"), h.pidOf("c")

		touch(unready)
		three("two")
		Eventually(func() bool { return alive(a) }).Should(BeFalse())
		Eventually(h.status).Should(And(HavePrefix("exit 1"), ContainSubstring("1 of 3 waves in force; the next waits until process/a is ready")))
		h.killOperator()
		Eventually(h.status).Should(ContainSubstring("1 of 3 waves in force"))
		Expect([]bool{alive(b), alive(c)}).To(Equal([]bool{true, true}))
		Eventually(h.rollouts).Should(ConsistOf(And(HaveField("Status.ReadyObjects", BeEquivalentTo(0)), HaveField("Spec.InForce", BeEquivalentTo(1)))))
		Expect(h.must("get", "rollouts")).To(MatchRegexp(`RollingOut`))

		Expect(os.Remove(unready)).To(Succeed())
		Eventually(h.copies).Should(And(HaveKeyWithValue("twob", 1), HaveKeyWithValue("twoc", 1), Not(HaveKey("oneb")), Not(HaveKey("onec"))))
		h.ready()
		Eventually(h.rollouts).Should(ConsistOf(And(HaveField("Status.CompletedAt", Not(BeNil())), HaveField("Spec.InForce", BeEquivalentTo(3)))))
		Expect(h.must("get", "rollouts")).To(MatchRegexp(`3/3 +3/3 +RolledOut`))
	})
})
