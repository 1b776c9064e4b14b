package e2e

import (
	"fmt"
	"maps"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/specs"
)

var _ = Describe("an edit", func() {
	It("replaces exactly the process that it is about, and says which field did it", func() {
		h := newHost()
		for i := range 20 {
			h.write(fmt.Sprintf("p%02d.yaml", i), process(fmt.Sprintf("p%02d", i), []string{"run"}, "env: [{name: MODE, value: \"1\"}]"))
		}
		h.start()
		h.ready()
		before := h.pids()
		Expect(before).To(HaveLen(20))

		h.write("p07.yaml", process("p07", []string{"run"}, "env: [{name: MODE, value: \"2\"}]"))
		Eventually(func() []string { return []string{fmt.Sprint(len(h.pids())), fmt.Sprint(same(before, h.pids()))} }).Should(Equal([]string{"20", "19"}))
		h.ready()
		Expect(same(before, h.pids())).To(Equal(19))
		Eventually(func() string { return h.events("p07") }).Should(MatchRegexp(`Replaced +.*env\.MODE`))
		Expect(h.events("p08")).NotTo(ContainSubstring("Replaced"))
	})

	It("outside of the template touches no pid", func() {
		h := newHost()
		h.write("web.yaml", process("web", []string{"run"}))
		h.write("other.yaml", process("other", []string{"run"}))
		h.start()
		h.ready()
		before := h.pids()
		h.write("web.yaml", process("web", []string{"run"}, "why: it is asked for", "replicas: 2", "terminationGracePeriodSeconds: 3",
			"readinessProbe: {exec: {command: [\""+bin+"/workload\", exit, \"0\"]}, periodSeconds: 1}"))
		Eventually(func() int { return len(h.pids()) }).Should(Equal(3))
		h.ready()
		Expect(same(before, h.pids())).To(Equal(2))
	})

	It("of a process that only waits leaves nothing of the copy that was not started", func() {
		h := newHost()
		unready := h.dir + "/unready"
		touch(unready)
		h.write("model.yaml", process("model", []string{"http", "127.0.0.1:$(PORT_HTTP)", unready},
			"ports: [{name: http}]", "readinessProbe: {httpGet: {path: /health, port: http}, periodSeconds: 1}"))
		h.write("app.yaml", process("app", []string{"run"}, "dependsOn: [{process: model}]"))
		h.start()
		Eventually(func() string { return h.waits("app") }).Should(HavePrefix("WaitingForDependency"))
		first := h.one("app").Name
		h.write("app.yaml", process("app", []string{"run", "differently"}, "dependsOn: [{process: model}]"))
		Eventually(func() []string {
			var names []string
			for _, i := range h.of("app") {
				names = append(names, i.Name)
			}
			return names
		}).Should(And(HaveLen(1), Not(ContainElement(first))))
		h.write("app.yaml", process("app", []string{"run"}, "dependsOn: [{process: model}]", "replicas: 0"))
		Eventually(func() int { return len(h.of("app")) }).Should(BeZero())
	})

	It("of a process' name hands its port over at once, though the files are never quiet, and a plain removal waits", func() {
		h := newHost()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		Expect(err).NotTo(HaveOccurred())
		address := l.Addr().String()
		_, port, _ := strings.Cut(address, ":")
		Expect(l.Close()).To(Succeed())
		web := func(name string) string {
			return process(name, []string{"http", address}, "ports: [{name: http, port: "+port+"}]", "readinessProbe: {httpGet: {path: /health, port: http}, periodSeconds: 1}")
		}
		h.write("web.yaml", web("before"))
		h.write("other.yaml", process("other", []string{"run"}))
		h.write("third.yaml", process("third", []string{"run"}))
		h.start()
		h.ready()
		pid, other := h.pidOf("before"), h.pidOf("other")
		quiet := h.unquiet()
		h.write("web.yaml", web("after"))
		h.pidOf("after")
		Expect(alive(pid)).To(BeFalse())
		Eventually(func() []specs.Instance { return h.of("before") }).Should(BeEmpty())
		h.remove("other.yaml")
		Eventually(h.status).Should(ContainSubstring("1 removal wait until the files are quiet"))
		Expect(alive(other)).To(BeTrue())
		quiet()
		Eventually(func() bool { return alive(other) }).Should(BeFalse())
		h.ready()
	})

	It("that changes nothing writes nothing", func() {
		h := newHost()
		for _, n := range []string{"a", "b", "c"} {
			h.write(n+".yaml", process(n, []string{"run"}))
		}
		h.start()
		h.ready()
		pids := h.pids()
		h.write("a.yaml", "# a comment moves the document\n"+process("a", []string{"run"}))
		h.write("b.yaml", process("b", []string{"run"}))
		h.write("z.yaml", process("z", []string{"run"}))
		h.pidOf("z") // what comes after has been seen
		h.ready()
		before := h.versions()
		h.write("b.yaml", process("b", []string{"run"}), "# and another\n")
		h.write("x.yaml", process("x", []string{"run"}))
		h.pidOf("x")
		h.ready()
		after := h.versions()
		maps.DeleteFunc(before, func(n, v string) bool { return n == "stacks/default" || after[n] == v })
		Expect(before).To(BeEmpty(), "written without need")
		Expect(same(pids, h.pids())).To(Equal(3))
	})
})

// unquiet saves a file without documents again and again, until quiet is called or the spec ends.
func (h *host) unquiet() (quiet func()) {
	end, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for n := 0; ; n++ {
			_ = os.WriteFile(h.manifests+"/noise.yaml", fmt.Appendf(nil, "# %d\n", n), 0o644)
			select {
			case <-end:
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	}()
	quiet = sync.OnceFunc(func() { close(end); <-done })
	DeferCleanup(quiet)
	return quiet
}
