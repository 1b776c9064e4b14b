package e2e

import (
	"net/http"
	"os"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("a plan", func() {
	It("says before the save what then happens, waits in a Manual stack for apply, and is empty after it", func() {
		h := newHost()
		h.write("stack.yaml", stack("home", "sync: Manual"))
		h.write("a.yaml", process("a", []string{"run"}))
		h.write("b.yaml", process("b", []string{"run"}))
		h.write("c.yaml", process("c", []string{"run"}))
		h.start()
		Eventually(h.pending).ShouldNot(BeEmpty())
		h.must("apply")
		h.ready()
		before := h.pids()

		next := h.dir + "/next"
		Expect(os.CopyFS(next, os.DirFS(h.manifests))).To(Succeed())
		Expect(os.WriteFile(next+"/a.yaml", []byte(process("a", []string{"run", "differently"})), 0o644)).To(Succeed())
		Expect(os.WriteFile(next+"/b.yaml", []byte(process("b", []string{"run"}, "why: to be seen")), 0o644)).To(Succeed())
		Expect(os.WriteFile(next+"/d.yaml", []byte(process("d", []string{"run"}, "dependsOn: [{process: a}]")), 0o644)).To(Succeed())
		Expect(os.Remove(next + "/c.yaml")).To(Succeed())
		steps, code := h.plan("-f", next)
		Expect(code).To(Equal(1))
		Expect(steps).To(ConsistOf(
			And(HaveField("Name", "a"), HaveField("Change", "~"), HaveField("Verb", "replace"), HaveField("Reason", ContainSubstring("command"))),
			And(HaveField("Name", "b"), HaveField("Change", "~"), HaveField("Verb", "write"), HaveField("Reason", "why")),
			And(HaveField("Name", "c"), HaveField("Change", "-"), HaveField("Verb", "stop")),
			And(HaveField("Name", "d"), HaveField("Change", "+"), HaveField("Verb", "start")),
		))
		Expect(h.pids()).To(Equal(before), "a plan changes nothing")

		for _, n := range []string{"a.yaml", "b.yaml", "d.yaml"} {
			b, err := os.ReadFile(next + "/" + n)
			Expect(err).NotTo(HaveOccurred())
			h.write(n, string(b))
		}
		h.remove("c.yaml")
		Eventually(func() []step { s, _ := h.plan(); return s }).Should(Equal(steps), "the plan of the save")
		Eventually(h.status).Should(And(HavePrefix("exit 1"), ContainSubstring("waits for you (Manual): 1 to create, 2 to change, 1 to remove.")))
		Expect(h.pids()).To(Equal(before), "an edit waits")

		h.must("apply")
		h.ready()
		Eventually(func() []int { p := h.pids(); return []int{len(p), same(before, p)} }).Should(Equal([]int{3, 1}))
		Eventually(func() int { return len(h.of("c")) }).Should(BeZero())
		Expect(h.events("d")).To(ContainSubstring("waits for a to be Ready"))
		again, code := h.plan()
		Expect(again).To(BeEmpty())
		Expect(code).To(BeZero())
	})
})

var _ = Describe("a write through the API", func() {
	It("is refused with file and line where a file sets the field, and free where none does", func() {
		h := newHost()
		h.write("web.yaml", "# the first line\n"+process("web", []string{"run"}, "replicas: 1"))
		h.start()
		h.ready()
		before := h.pids()
		_, errs, code := h.ctlIn(process("web", []string{"run"}, "replicas: 2"), "apply", "-f", "-")
		Expect(code).To(Equal(1))
		Expect(errs).To(And(ContainSubstring("web.yaml:2"), ContainSubstring("stack/default"), ContainSubstring("replicas")))

		const at, merge = "/apis/mirroros.dev/v1alpha1/processes/web", "application/merge-patch+json"
		status, body := h.call(http.MethodPatch, at, merge, `{"spec":{"replicas":2}}`)
		Expect(status).To(Equal(http.StatusConflict))
		Expect(body).To(And(ContainSubstring("web.yaml:2"), ContainSubstring("spec.replicas")))
		status, body = h.call(http.MethodPatch, at, merge, `{"spec":{"why":"somebody asked"}}`)
		Expect(status).To(Equal(http.StatusOK), body)

		h.write("web.yaml", process("web", []string{"run"}, "replicas: 1", "minReadySeconds: 0", "stopSignal: SIGINT"))
		Eventually(func() string { return h.must("get", "process/web", "-o", "yaml") }).Should(ContainSubstring("stopSignal: SIGINT"))
		Expect(h.must("get", "process/web", "-o", "yaml")).To(ContainSubstring("somebody asked"), "what no file sets stays")
		Expect(h.pids()).To(Equal(before))

		status, _ = h.call(http.MethodDelete, at, "application/json", "")
		Expect(status).To(Equal(http.StatusConflict), "what a file declares is removed there")
		Expect(h.pids()).To(Equal(before))
	})

	It("makes, changes, waits for and deletes a process that belongs to no stack", func() {
		h := newHost()
		h.write("a.yaml", process("a", []string{"run"}))
		h.start()
		h.ready()
		_, errs, code := h.ctlIn(process("mine", []string{"run"}), "apply", "-f", "-", "--wait", "--timeout", "10s")
		Expect(code).To(BeZero(), errs)
		pid := h.pidOf("mine")
		_, errs, code = h.ctl("wait", "process/mine", "--timeout", "10s")
		Expect(code).To(BeZero(), errs)
		h.write("b.yaml", process("b", []string{"run"}))
		h.pidOf("b")
		Expect(h.pidOf("mine")).To(Equal(pid), "a sync leaves it alone")

		out, _, code := h.ctlIn(process("mine", []string{"run"}), "apply", "-f", "-")
		Expect(code).To(BeZero())
		Expect(out).To(ContainSubstring("unchanged"))
		h.must("delete", "process/mine")
		Eventually(func() bool { return alive(pid) }).Should(BeFalse())
		Eventually(func() int { return len(h.of("mine")) }).Should(BeZero())
		_, _, code = h.ctl("get", "process/mine")
		Expect(code).To(Equal(1))
	})
})
