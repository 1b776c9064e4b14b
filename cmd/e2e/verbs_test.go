package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	"github.com/onsi/gomega/gexec"
)

// editor makes a program that does what a script says to the file that it is given, and answers the variable that names it.
func (h *host) editor(script string) string {
	GinkgoHelper()
	path := h.dir + "/editor"
	Expect(os.WriteFile(path, []byte("#!/bin/sh\nfor f; do :; done\n"+script+"\n"), 0o755)).To(Succeed())
	return "EDITOR=" + path
}

// ctlEnv runs mirrorctl with variables of its own.
func (h *host) ctlEnv(env []string, args ...string) (stdout, stderr string, code int) {
	GinkgoHelper()
	cmd := exec.Command(bin+"/mirrorctl", append([]string{"--socket", h.run + "/api.sock"}, args...)...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + h.dir, "TMPDIR=" + h.dir}, env...)
	cmd.Dir = h.dir
	s, err := gexec.Start(cmd, nil, nil)
	Expect(err).NotTo(HaveOccurred())
	Eventually(s).Should(gexec.Exit())
	return string(s.Out.Contents()), string(s.Err.Contents()), s.ExitCode()
}

var _ = Describe("mirrorctl edit", func() {
	It("edits the declaring file whole, refuses what is wrong, and keeps the copy", func() {
		h := newHost()
		h.write("web.yaml", "# first line\n"+process("web", []string{"run"}))
		h.write("other.yaml", process("other", []string{"run"}))
		h.start()
		h.ready()
		pid, other := h.pidOf("web"), h.pidOf("other")
		file := h.manifests + "/web.yaml"
		_, errs, code := h.ctlEnv([]string{h.editor("exit 0")}, "edit", "process/web")
		Expect(code).To(BeZero())
		Expect(errs).To(ContainSubstring("Nothing was changed"))

		out, errs, code := h.ctlEnv([]string{h.editor(`sed -i 's/"run"/"run", "edited"/' "$f"`)}, "edit", "process/web")
		Expect(code).To(BeZero(), errs)
		Expect(out).To(ContainSubstring(file + " written"))
		Eventually(func() int { return h.pidOf("web") }).ShouldNot(Equal(pid))
		Expect(h.copies()).To(HaveKeyWithValue("edited", 1))
		Expect(h.pidOf("other")).To(Equal(other))
		b, err := os.ReadFile(file)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(b)).To(HavePrefix("# first line\n"))

		_, errs, code = h.ctlEnv([]string{h.editor(`echo "  comand: [x]" >> "$f"`)}, "edit", "process/web")
		Expect(code).To(Equal(1))
		Expect(errs).To(And(MatchRegexp(`web\.yaml:7:3 .*comand`), MatchRegexp(`nothing was saved; your copy is \S+web\.yaml`)))
		Expect(os.ReadFile(file)).To(Equal(b))
		copied, err := os.ReadFile(strings.TrimSpace(errs[strings.LastIndex(errs, " ")+1:]))
		Expect(err).NotTo(HaveOccurred())
		Expect(string(copied)).To(ContainSubstring("comand"))

		// somebody else saves while the editor is open
		_, errs, code = h.ctlEnv([]string{h.editor(`echo "  why: mine" >> "$f"; echo "  why: theirs" >> ` + file)}, "edit", "process/web")
		Expect(code).To(Equal(1))
		Expect(errs).To(ContainSubstring("changed by somebody else"))
		_, errs, code = h.ctlEnv([]string{h.editor("exit 3")}, "edit", "process/web")
		Expect(code).To(Equal(1))
		Expect(errs).To(ContainSubstring("cannot edit with"))
	})

	It("edits an object of the API in place, and loses nobody else's change", func() {
		h := newHost()
		h.write("web.yaml", process("web", []string{"run"}))
		h.start()
		h.ready()
		_, errs, code := h.ctlIn(process("mine", []string{"run"}), "apply", "-f", "-", "--wait", "--timeout", "10s")
		Expect(code).To(BeZero(), errs)
		out, errs, code := h.ctlEnv([]string{h.editor(`sed -i 's/- run/- run\n  - edited/' "$f"`)}, "edit", "process/mine")
		Expect(code).To(BeZero(), errs)
		Expect(out).To(ContainSubstring("process/mine edited"))
		Eventually(h.copies).Should(HaveKeyWithValue("edited", 1))
		suspend := fmt.Sprintf(`%s/mirrorctl --socket %s/api.sock suspend process/mine >/dev/null; sed -i 's/edited/again/' "$f"`, bin, h.run)
		_, errs, code = h.ctlEnv([]string{h.editor(suspend)}, "edit", "process/mine")
		Expect(code).To(Equal(1))
		Expect(errs).To(ContainSubstring("has been modified"))
		_, errs, code = h.ctlEnv(nil, "edit", "instance/"+h.one("web").Name)
		Expect(code).To(Equal(2))
		Expect(errs).To(ContainSubstring("written by the operator"))
	})
})

var _ = Describe("mirrorctl exec and top", func() {
	It("show a process from inside and from outside", func() {
		h := newHost()
		h.write("sub/web.yaml", process("web", []string{"run"}, "env: [{name: COLOR, value: blue}]", "ports: [{name: http}]", "replicas: 2"))
		h.write("gone.yaml", process("gone", []string{"exit", "1"}, "restartPolicy: Never"))
		h.start()
		Eventually(func() string { return h.events("gone") }).Should(ContainSubstring("exit 1"))
		Eventually(func() int { return len(h.pids()) }).Should(Equal(2))
		out := h.must("exec", "web", "--", "/bin/sh", "-c", "pwd; echo $COLOR $PORT_HTTP $MIRROROS_INSTANCE; env | grep -c HOME=")
		i := h.of("web")[0]
		Expect(out).To(Equal(fmt.Sprintf("%s/sub\nblue %d %s\n1\n", h.manifests, i.Status.Ports[0].Port, i.Name)))
		Expect(h.must("exec", "instance/"+h.of("web")[1].Name, "--", "/bin/sh", "-c", "echo $ORDINAL")).To(Equal("1\n"))
		_, _, code := h.ctl("exec", "web", "--", "/bin/sh", "-c", "exit 42")
		Expect(code).To(Equal(42))
		for want, args := range map[string][]string{"1: .*does not run|no instance": {"gone"}, "1: .*not found": {"nothing"}} {
			_, errs, code := h.ctl("exec", args[0], "--", "/bin/true")
			Expect(fmt.Sprintf("%d: %s", code, errs)).To(MatchRegexp(want))
		}
		_, errs, code := h.ctl("exec", "web", "--", "/nowhere/at-all")
		Expect(code).To(BeElementOf(126, 127), errs)
		Expect(errs).To(ContainSubstring("/nowhere/at-all"))

		var used struct {
			Items []struct {
				Name                 string
				Instances, Processes int
				MemoryBytes          int64
			}
		}
		Expect(json.Unmarshal([]byte(h.must("top", "-o", "json", "--sort-by", "name")), &used)).To(Succeed())
		Expect(used.Items).To(ContainElement(And(HaveField("Name", "web"), HaveField("Instances", 2), HaveField("Processes", 2), HaveField("MemoryBytes", BeNumerically(">", 100<<10)))))
		Expect(h.must("top", "instances")).To(And(ContainSubstring(h.of("web")[0].Name), ContainSubstring("CPU")))
	})
})

var _ = Describe("mirrorctl wait", func() {
	It("waits for conditions, values and deletion, and says how far it is when it gives up", func() {
		h := newHost()
		unready := h.dir + "/unready"
		touch(unready)
		h.write("web.yaml", process("web", []string{"http", "127.0.0.1:$(PORT_HTTP)", unready},
			"ports: [{name: http}]", "readinessProbe: {httpGet: {path: /health, port: http}, periodSeconds: 1}"))
		h.write("other.yaml", process("other", []string{"run"}))
		h.start()
		Eventually(h.status).Should(ContainSubstring("ReadinessFailed"))
		_, errs, code := h.ctl("wait", "process/web", "--timeout", "1s")
		Expect(code).To(Equal(4))
		Expect(errs).To(MatchRegexp(`timed out waiting for process/web: .*ReadinessFailed`))
		waiting := exec.Command(bin+"/mirrorctl", "--socket", h.run+"/api.sock", "wait", "process/web", "process/other", "--timeout", "20s")
		s, err := gexec.Start(waiting, nil, nil)
		Expect(err).NotTo(HaveOccurred())
		Eventually(s.Err).Should(gbytes.Say("ReadinessFailed"))
		Expect(os.Remove(unready)).To(Succeed())
		Eventually(s).Should(gexec.Exit(0))
		h.must("wait", "process/web", "--for", "jsonpath={.status.readyReplicas}=1", "--timeout", "5s")
		h.must("wait", "process/web", "--for", "condition=Ready", "--timeout", "0")

		gone, err := gexec.Start(exec.Command(bin+"/mirrorctl", "--socket", h.run+"/api.sock", "wait", "process/other", "--for", "delete"), nil, nil)
		Expect(err).NotTo(HaveOccurred())
		Eventually(gone.Err).Should(gbytes.Say("still there"))
		h.remove("other.yaml")
		Eventually(gone).Should(gexec.Exit(0))
		_, errs, code = h.ctl("wait", "process/other")
		Expect(code).To(Equal(1), errs)
		for _, bad := range []string{"nonsense", "jsonpath=x", "condition"} {
			_, errs, code := h.ctl("wait", "process/web", "--for", bad, "--timeout", "1s")
			Expect(code).To(Equal(2), bad+": "+errs)
		}
	})
})

var _ = Describe("mirrorctl completion and doctor", func() {
	It("know what a running operator has", func() {
		h := newHost()
		h.write("web.yaml", process("web", []string{"run"}))
		h.write("worker.yaml", process("worker", []string{"run"}))
		h.start()
		h.ready()
		complete := func(args ...string) []string {
			GinkgoHelper()
			return strings.Fields(h.must(append([]string{"__complete"}, args...)...))
		}
		Expect(complete("logs", "w")).To(ContainElements("web", "worker"))
		Expect(complete("describe", "process/wo")).To(ContainElement("process/worker"))
		for _, shell := range []string{"bash", "zsh", "fish"} {
			script := h.must("completion", shell)
			Expect(script).To(ContainSubstring("mirrorctl"), shell)
			if path, err := exec.LookPath(shell); err == nil {
				file := h.dir + "/completion." + shell
				Expect(os.WriteFile(file, []byte(script), 0o600)).To(Succeed())
				out, err := exec.Command(path, "-n", file).CombinedOutput()
				Expect(err).NotTo(HaveOccurred(), string(out))
			}
		}
		_, _, code := h.ctl("completion", "tcsh")
		Expect(code).To(Equal(2))

		out, _, _ := h.ctl("doctor")
		Expect(out).To(And(MatchRegexp(`ok +operator \S+ answers, pid \d+`), MatchRegexp(`ok +manifests: `+h.manifests), ContainSubstring("state: "+h.state),
			ContainSubstring("mirrorguard: "+bin)))
		Expect(os.Chmod(h.manifests, 0o777)).To(Succeed())
		out, _, code = h.ctl("doctor")
		if os.Geteuid() == 0 {
			Expect(code).To(Equal(1))
			Expect(out).To(MatchRegexp(`fail +manifests: others can write to .*\n +chmod go-w`))
		}
		Expect(os.Chmod(h.manifests, 0o755)).To(Succeed())
		Expect(h.stopOperator()).To(BeZero())
		out, _, _ = h.ctl("doctor", "--manifests", h.manifests, "--state", h.state)
		Expect(out).To(MatchRegexp(`warn +no operator`))
	})
})

var _ = Describe("mirrorctl logs", func() {
	It("has every flag do what it says, alone and together", func() {
		h := newHost()
		tier := func(doc string) string { return strings.Replace(doc, "{name: a}", "{name: a, labels: {tier: x}}", 1) }
		h.write("a.yaml", tier(process("a", []string{"log", "50"}, "replicas: 2")))
		h.write("b.yaml", process("b", []string{"run"}))
		h.start()
		h.ready()
		names := []string{h.of("a")[0].Name, h.of("a")[1].Name}
		Eventually(func() int { return strings.Count(h.must("logs", "a"), "\n") }).Should(Equal(102))
		Expect(h.must("logs", "-l", "tier=x", "--tail", "1")).To(Equal(h.must("logs", "a", "--tail", "1")))
		for _, line := range strings.Split(strings.TrimSpace(h.must("logs", "a", "--tail", "3", "--timestamps")), "\n") {
			Expect(line).To(MatchRegexp(`^\[a-\S+\] \d{4}-\d\d-\d\dT[0-9:.]+\S+ \d{12} \.+$`))
		}
		Expect(h.must("logs", "a", "--tail", "0")).To(BeEmpty())
		Expect(h.must("logs", "a", "--since", "1h")).To(Equal(h.must("logs", "a")))
		Expect(h.must("logs", "a", "--since", "2999-01-01T00:00:00Z")).To(BeEmpty())
		for want, args := range map[string][]string{"2: .*--since": {"a", "--since", "yesterday"}, "1: .*no process has labels": {"-l", "tier=y"},
			"1: .*no previous run": {"b", "--previous"}, "2: .*say whose log": {}, "1: .*not found": {"nothing"}, "2: .*has no log": {"stack/default"}} {
			_, errs, code := h.ctl(append([]string{"logs"}, args...)...)
			Expect(fmt.Sprintf("%d: %s", code, errs)).To(MatchRegexp(want), "%v", args)
		}

		first := h.must("logs", "b")
		h.must("restart", "b", "--wait", "--timeout", "10s")
		Eventually(func() []int { return started(h.must("logs", "b")) }).Should(HaveLen(2), "all that is kept")
		Expect(h.must("logs", "b", "-p")).To(Equal(first + "stop\n"))
		Expect(h.must("logs", "b", "-p", "--tail", "1")).To(Equal("stop\n"))
		follow := exec.Command(bin+"/mirrorctl", "--socket", h.run+"/api.sock", "logs", "-l", "tier=x", "-f", "--tail", "1")
		s, err := gexec.Start(follow, nil, nil)
		Expect(err).NotTo(HaveOccurred())
		for range names {
			Eventually(s.Out).Should(gbytes.Say(`\[a-\S+\] 000000000049`))
		}
		h.must("restart", "a", "--wait", "--timeout", "10s")
		Eventually(s.Out).Should(gbytes.Say(`\[a-\S+\] start`))
		s.Interrupt()
		Eventually(s).Should(gexec.Exit())
	})
})

var _ = Describe("mirrorctl validate", func() {
	It("finds no fault in the examples, each directory by itself and all together", func() {
		h := newHost()
		stacks, err := filepath.Glob("../../manifests/*/*.yaml")
		Expect(err).NotTo(HaveOccurred())
		dirs := map[string]bool{"../../manifests": true}
		for _, file := range stacks {
			dirs[filepath.Dir(file)] = true
		}
		Expect(len(dirs)).To(BeNumerically(">=", 3))
		for d := range dirs {
			d, err = filepath.Abs(d)
			Expect(err).NotTo(HaveOccurred())
			Expect(h.must("validate", "-f", d)).To(ContainSubstring("no faults"))
		}
	})
})
