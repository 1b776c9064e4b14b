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

	It("that fails in its last is put back as a whole, also when the operator is killed at each step, and is not tried again by itself", func() {
		h := newHost()
		h.git("init", "-q", "-b", "main")
		wait := map[string]string{"a": h.dir + "/wait-a", "b": h.dir + "/wait-b"}
		three := func(why string, last ...string) {
			for _, n := range []string{"a", "b"} {
				more := []string{"env: [{name: WHY, value: " + why + "}]", "ports: [{name: http}]", "readinessProbe: {httpGet: {path: /health, port: http}, periodSeconds: 1}"}
				if n == "b" {
					more = append(more, "dependsOn: [{process: a, condition: Started}]")
				}
				h.write(n+".yaml", process(n, []string{"http", "127.0.0.1:$(PORT_HTTP)", wait[n]}, more...))
			}
			h.write("c.yaml", process("c", last, "dependsOn: [{process: b, condition: Started}]"))
		}
		three("one", "run", "c")
		h.commit("one")
		h.git("checkout", "-q", "-b", "next")
		three("two", "exit", "3")
		h.commit("two")
		commit := h.git("rev-parse", "--short=7", "HEAD")[:7]
		h.git("checkout", "-q", "main")
		h.start()
		h.ready()
		env := func(name string) string { return h.must("get", "process/"+name, "-o", "jsonpath={.spec.env[0].value}") }

		touch(wait["a"])
		touch(wait["b"])
		h.git("checkout", "-q", "next")
		Eventually(h.status).Should(ContainSubstring("1 of 3 waves in force; the next waits until process/a is ready"))
		h.killOperator()
		Expect(os.Remove(wait["a"])).To(Succeed())
		Eventually(h.status).Should(ContainSubstring("2 of 3 waves in force; the next waits until process/b is ready"))
		h.killOperator()
		c := h.pidOf("c")
		Expect(os.Remove(wait["b"])).To(Succeed())
		Eventually(func() bool { return alive(c) }).Should(BeFalse())
		h.killOperator()
		Eventually(h.status).Should(And(HavePrefix("exit 1"), ContainSubstring("("+commit+" next) failed"), ContainSubstring("process/c"),
			ContainSubstring("mirrorctl rollout retry stack/default")))
		back := func() []string { return []string{env("a"), env("b")} }
		Eventually(back).Should(Equal([]string{"one\n", "one\n"}))
		h.pidOf("a")
		h.pidOf("b")
		h.pidOf("c")
		Eventually(h.rollouts).Should(ContainElement(HaveField("Status.Failure.Objects", ContainElement(And(HaveField("Name", "c"),
			HaveField("Copies", ContainElement(HaveField("LastExit.ExitCode", BeEquivalentTo(3)))))))))
		h.killOperator()
		Eventually(h.status).Should(ContainSubstring("disk is held"))
		h.pidOf("c")
		Expect(back()).To(Equal([]string{"one\n", "one\n"}))

		h.write("d.yaml", process("d", []string{"run", "d"})) // an edit of something else
		h.pidOf("d")
		Eventually(back).Should(Equal([]string{"two\n", "two\n"}))
		Eventually(h.status).Should(ContainSubstring("process/c stays as before"))
		h.pidOf("c")
		h.write("c.yaml", process("c", []string{"run", "mended"}, "dependsOn: [{process: b, condition: Started}]"))
		Eventually(h.copies).Should(HaveKeyWithValue("mended", 1))
		h.ready()
	})

	It("is paused, goes on and is aborted as somebody says, and tells how far it is", func() {
		h := newHost()
		unready := h.dir + "/unready"
		two := func(why string) {
			h.write("a.yaml", process("a", []string{"http", "127.0.0.1:$(PORT_HTTP)", unready}, "env: [{name: WHY, value: "+why+"}]", "ports: [{name: http}]",
				"readinessProbe: {httpGet: {path: /health, port: http}, periodSeconds: 1}"))
			h.write("b.yaml", process("b", []string{"run", why}, "dependsOn: [{process: a, condition: Started}]"))
		}
		two("one")
		h.start()
		h.ready()
		Expect(h.must("rollout", "status")).To(ContainSubstring("nothing is being rolled out"))
		touch(unready)
		two("two")
		Eventually(h.status).Should(ContainSubstring("1 of 2 waves in force"))
		Expect(h.must("rollout", "pause")).To(ContainSubstring("is paused"))
		Expect(os.Remove(unready)).To(Succeed())
		Eventually(func() string { out, _, _ := h.ctl("rollout", "status"); return out }).Should(And(
			MatchRegexp(`ok +1 +process/a +Ready`), ContainSubstring("Paused"), MatchRegexp(`choose: mirrorctl rollout resume stack/default \| abort \(back to 1\)`)))
		Expect(h.copies()).To(HaveKeyWithValue("one", 1))
		Expect(h.must("rollout", "resume")).To(ContainSubstring("goes on"))
		out, errs, code := h.ctl("rollout", "status", "stack/default", "-w")
		Expect(code).To(Equal(0), out+errs)
		Expect(out).To(ContainSubstring("RolledOut"))
		Eventually(h.copies).Should(HaveKeyWithValue("two", 1))
		h.ready()

		touch(unready)
		two("three")
		Eventually(h.status).Should(ContainSubstring("1 of 2 waves in force"))
		Expect(h.must("rollout", "abort")).To(MatchRegexp(`went back to revision \d`))
		Expect(os.Remove(unready)).To(Succeed())
		Eventually(h.status).Should(And(ContainSubstring("disk is held"), ContainSubstring("aborted by"), ContainSubstring("2 of 2 ready")))
		Expect(h.copies()).To(HaveKeyWithValue("two", 1))
		out, _, code = h.ctl("rollout", "status", "stack/default")
		Expect(code).To(Equal(1))
		Expect(out).To(ContainSubstring("RolledBack"))
	})

	It("that is not confirmed in time is gone back from, by whichever operator runs then", func() {
		h := newHost()
		h.write("stack.yaml", stack("home", "sync: Manual"))
		h.write("web.yaml", process("web", []string{"run", "one"}))
		h.start()
		Eventually(func() int { _, _, code := h.ctl("apply", "home"); return code }).Should(Equal(0))
		h.pidOf("web")
		h.write("web.yaml", process("web", []string{"run", "two"}))
		Eventually(h.pending).ShouldNot(BeEmpty())
		Expect(h.must("apply", "home", "--confirm-within", "3s")).To(ContainSubstring("1 updated"))
		h.killOperator()
		Eventually(h.copies).Should(Equal(map[string]int{"one": 1}))
		Eventually(h.pending).ShouldNot(BeEmpty())
		h.must("apply", "home", "--confirm-within", "1h")
		Eventually(h.copies).Should(Equal(map[string]int{"two": 1}))
		Expect(h.status()).To(ContainSubstring("mirrorctl confirm stack/home"))
		Expect(h.must("confirm", "home")).To(ContainSubstring("is confirmed"))
		Expect(h.status()).NotTo(ContainSubstring("mirrorctl confirm"))
	})
})
