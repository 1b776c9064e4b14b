package e2e

import (
	"os"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/specs"
)

var _ = Describe("a directory of manifests", func() {
	It("becomes running processes, each when what it depends on is ready", func() {
		h := newHost()
		unready := h.dir + "/unready"
		touch(unready)
		h.write("app.yaml", process("app", []string{"run"}, "dependsOn: [{process: model}]"))
		h.write("models/model.yaml", process("model", []string{"http", "127.0.0.1:$(PORT_HTTP)", unready},
			"ports: [{name: http}]", "readinessProbe: {httpGet: {path: /health, port: http}, periodSeconds: 1}"))
		h.start()
		Eventually(func() string { return h.waits("app") }).Should(Equal("WaitingForDependency: waits for model to be Ready"))
		Eventually(h.status).Should(And(HavePrefix("exit 1"), ContainSubstring("0 of 2 ready"),
			MatchRegexp(`(?m)^app +WaitingForDependency +waits for model to be Ready`), MatchRegexp(`(?m)^model +ReadinessFailed +.*503`)))

		Expect(os.Remove(unready)).To(Succeed())
		h.ready()
		Expect(h.events("app")).To(And(ContainSubstring("waits for model to be Ready"), ContainSubstring("started, pid")))
		Expect(h.events("model")).To(MatchRegexp(`Ready +.*ready`))
		Expect(h.pids()).To(HaveLen(2))
	})

	It("gives each copy its ports, version and directory, and runs a one-off process once", func() {
		h := newHost()
		h.write("web.yaml", process("web", []string{"env", "PORT", "GREETING", "ORDINAL"}, "replicas: 2", "version: v7",
			"ports: [{name: http}, {name: admin}]", "env: [{name: GREETING, value: \"hello $(VERSION) at $(PORT_ADMIN)\"}]"))
		h.write("once.yaml", process("once", []string{"exit", "0"}, "restartPolicy: Never"),
			process("after", []string{"run"}, "dependsOn: [{process: once, condition: Completed}]"))
		h.start()
		h.ready()
		ports := map[int32]bool{}
		for _, i := range h.of("web") {
			Expect(i.Status.Ports).To(HaveLen(2))
			for _, p := range i.Status.Ports {
				ports[p.Port] = true
			}
			Eventually(func() string { return h.must("logs", "instance/"+i.Name) }).Should(ContainSubstring("GREETING=hello v7 at "))
		}
		Expect(ports).To(HaveLen(4), "no port is given twice")
		Expect(h.lastExit("once")).To(HaveField("Reason", specs.ReasonCompleted))

		h.killOperator()
		h.ready()
		Expect(started(h.must("logs", "once"))).To(HaveLen(1), "a one-off process runs once")
	})
})
