package process

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/process/sandbox"
	"mirroros.dev/mirroros/specs"
)

// inBox gives a process a sandbox.
func inBox(b specs.ProcessSandbox) func(*specs.Process) {
	return func(p *specs.Process) { p.Spec.Sandbox = &b }
}

// onHost is a world on a host that can confine as much as given.
func onHost(t *testing.T, h sandbox.Host) *world {
	w := newWorld(t)
	w.sandbox = &h
	w.restartOperator()
	return w
}

// why is the reason and message for which the only instance of a process does not run.
func (w *world) why(name string) string {
	if s := w.instances(name)[0].Status.State.Waiting; s != nil {
		return s.Reason + ": " + s.Message
	}
	return ""
}

func TestSandboxThatTheHostCannotGive(t *testing.T) {
	w, g := onHost(t, sandbox.Host{}), NewWithT(t)
	w.put(proc("strict", inBox(specs.ProcessSandbox{Level: specs.SandboxStrict})))
	w.put(proc("weak", inBox(specs.ProcessSandbox{Level: specs.SandboxRestricted})))
	w.wait(time.Second)
	g.Expect(w.rt.live()).To(ConsistOf(HavePrefix("weak-")))
	g.Expect(w.why("strict")).To(And(HavePrefix("SandboxUnavailable: "), ContainSubstring("no Landlock"), ContainSubstring("no seccomp"),
		ContainSubstring("required: false")))
	g.Expect(conditionTrue(w.process("strict").Status.Conditions, specs.ConditionStalled)).To(BeTrue())
	c := w.process("weak").Status.Conditions
	g.Expect(conditionTrue(c, specs.ConditionSandboxDegraded)).To(BeTrue())
	g.Expect(conditionTrue(c, specs.ConditionReady)).To(BeTrue())

	w.restartOperator()
	w.wait(time.Second)
	g.Expect(conditionTrue(w.process("weak").Status.Conditions, specs.ConditionSandboxDegraded)).To(BeTrue(), "the next operator says so too")

	w.edit("strict", func(p *specs.Process) { no := false; p.Spec.Sandbox.Required = &no })
	w.wait(time.Minute)
	g.Expect(w.rt.live()).To(ContainElement(HavePrefix("strict-")))
	g.Expect(conditionTrue(w.process("strict").Status.Conditions, specs.ConditionSandboxDegraded)).To(BeTrue())
}

func TestSandboxWithoutItsPath(t *testing.T) {
	w, g := onHost(t, sandbox.Host{Landlock: 7, Seccomp: true}), NewWithT(t)
	missing := filepath.Join(w.dir, "missing")
	w.put(proc("web", inBox(specs.ProcessSandbox{Level: specs.SandboxRestricted, ReadOnlyPaths: []string{missing}})))
	w.wait(time.Second)
	g.Expect(w.why("web")).To(Equal(`SandboxUnavailable: the sandbox: the path "` + missing + `" does not exist`))
	g.Expect(os.Mkdir(missing, 0o755)).To(Succeed())
	w.add("web")
	w.wait(time.Second)
	g.Expect(w.rt.live()).To(HaveLen(1))
	id := w.rt.live()[0]
	g.Expect(string(w.rt.specs[id].Sandbox.Text)).To(MatchRegexp("(?m)^path [0-9a-f]+ " + missing + "$"))
	g.Expect(conditionTrue(w.process("web").Status.Conditions, specs.ConditionSandboxDegraded)).To(BeFalse())

	// An old copy is not stopped for a sandbox that cannot be.
	w.edit("web", func(p *specs.Process) { p.Spec.Sandbox.ReadOnlyPaths = []string{missing + "/2"} })
	w.wait(time.Second)
	g.Expect(w.rt.live()).To(Equal([]string{id}))
}

func TestSandboxOfRootThatKeepsCapabilities(t *testing.T) {
	if os.Geteuid() != 0 {
		return // who is not root has none
	}
	w, g := onHost(t, sandbox.Host{Landlock: 7, Seccomp: true}), NewWithT(t)
	w.put(proc("web", inBox(specs.ProcessSandbox{Level: specs.SandboxStrict, Capabilities: &specs.SandboxCapabilities{Drop: []string{"NET_RAW"}}})))
	w.wait(time.Second)
	for _, c := range w.process("web").Status.Conditions {
		if c.Type == specs.ConditionSandboxDegraded {
			g.Expect(c.Message).To(ContainSubstring("runs as root and keeps capabilities"))
			return
		}
	}
	t.Fatal("no condition")
}
