package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// refused is a file that cannot be in force: how to make it, and what `status` says of it, as a regular expression.
type refused struct {
	name, text, says string
	make             func(h *host, path string)
}

const head = "apiVersion: mirroros.dev/v1alpha1\nkind: Process\nmetadata: {name: bad}\nspec:\n"

var badFiles = []refused{
	{name: "broken YAML", text: head + "  command: [run\n", says: `bad\.yaml:\d+`},
	{name: "a tab", text: head + "\tcommand: [run]\n", says: `bad\.yaml:5`},
	{name: "an unknown field", text: head + "  comand: [run]\n", says: `bad\.yaml:5:3 .*spec\.comand: unknown field, did you mean "command"\?`},
	{name: "a wrong type", text: head + "  command: [run]\n  replicas: two\n", says: `bad\.yaml:6:13 .*spec\.replicas: "two"`},
	{name: "value: on", text: head + "  command: [run]\n  env:\n  - {name: A, value: on}\n", says: `bad\.yaml:7:22 .*spec\.env\[0\]\.value`},
	{name: "an octal number as text", text: head + "  command: [run, 0644]\n", says: `bad\.yaml:5:18 .*spec\.command\[1\]`},
	{name: "an unknown kind", text: "apiVersion: mirroros.dev/v1alpha1\nkind: Proces\nmetadata: {name: bad}\n", says: `bad\.yaml:2:7 .*Process`},
	{name: "an unknown version", text: strings.Replace(head, "v1alpha1", "v9", 1) + "  command: [run]\n", says: `bad\.yaml:1:13 .*v1alpha1`},
	{name: "an Instance", text: "apiVersion: mirroros.dev/v1alpha1\nkind: Instance\nmetadata: {name: bad}\nspec: {}\n", says: `bad\.yaml:2.*declare a Process`},
	{name: "a pasted Deployment", text: "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: bad}\nspec: {replicas: 2, template: {}}\n", says: `bad\.yaml:\d.*write a Process`},
	{name: "pasted containers", text: head + "  template: {spec: {containers: [{image: x}]}}\n", says: `bad\.yaml:5:3 .*a Process is one program`},
	{name: "a docker-compose file", text: "services:\n  web: {image: nginx}\n", says: `bad\.yaml:1.*docker-compose`},
	{name: "a reference to nothing", text: head + "  command: [run]\n  dependsOn: [{process: goood}]\n", says: `bad\.yaml:6.*no process "goood", did you mean "good"\?`},
	{name: "a cycle", text: head + "  command: [run]\n  dependsOn: [{process: worse}]\n---\n" + strings.Replace(head, "bad", "worse", 1) + "  command: [run]\n  dependsOn: [{process: bad}]\n",
		says: `bad\.yaml:\d+.*(bad -> worse -> bad|worse -> bad -> worse)`},
	{name: "a port used twice", text: head + "  command: [run]\n  ports: [{name: http, port: 23999}]\n", says: `bad\.yaml:6:\d+ .*23999.*good|good\.yaml:6:\d+ .*23999.*bad`},
	{name: "an object declared twice", text: strings.Replace(head, "bad", "good", 1) + "  command: [run]\n", says: `(?s)(bad\.yaml:\d.*good\.yaml:\d|good\.yaml:\d.*bad\.yaml:\d)`},
	{name: "a loop of links", says: `bad\.yaml.*loop of symbolic links`, make: func(h *host, path string) {
		Expect(os.Symlink("loop.yaml", path)).To(Succeed())
		Expect(os.Symlink("bad.yaml", h.manifests+"/loop.yaml")).To(Succeed())
	}},
	{name: "a link to nothing", says: `bad\.yaml.*something that is not there`, make: func(_ *host, path string) { Expect(os.Symlink("nowhere", path)).To(Succeed()) }},
	{name: "50 MB", says: `bad\.yaml.*52428800 bytes`, make: func(_ *host, path string) { touch(path); Expect(os.Truncate(path, 50<<20)).To(Succeed()) }},
	{name: "a file that others can write", says: `bad\.yaml.*others can write it`, make: func(_ *host, path string) {
		Expect(os.WriteFile(path+".tmp", []byte(process("bad", []string{"run"})), 0o600)).To(Succeed())
		Expect(os.Chmod(path+".tmp", 0o646)).To(Succeed())
		Expect(os.Rename(path+".tmp", path)).To(Succeed())
	}},
}

var _ = Describe("bad input", func() {
	It("is named with file and line while everything runs on, and mending it clears it", func() {
		h := newHost()
		h.write("good.yaml", process("good", []string{"run"}, "ports: [{name: http, port: 23999}]"))
		h.write("other.yaml", process("other", []string{"run"}))
		h.start()
		h.ready()
		before := h.pids()
		bad := h.manifests + "/bad.yaml"
		for _, c := range badFiles {
			By(c.name)
			if c.make != nil {
				c.make(h, bad)
			} else {
				h.write("bad.yaml", c.text)
			}
			Eventually(h.status).Should(And(HavePrefix("exit 1"), MatchRegexp(c.says)), c.name)
			if c.make == nil {
				out, _, code := h.ctl("validate", "-f", h.manifests)
				Expect(code).To(Equal(1), c.name)
				Expect(out).To(MatchRegexp(c.says), c.name)
			}
			Expect(h.pids()).To(Equal(before), c.name)
			Expect(os.Remove(bad)).To(Succeed())
			_ = os.Remove(h.manifests + "/loop.yaml")
			h.ready()
		}
		Expect(h.pids()).To(Equal(before))
	})

	It("refuses all of a set, good edits with bad ones, and takes all when it is mended", func() {
		h := newHost()
		h.write("a.yaml", process("a", []string{"run"}))
		h.write("b.yaml", process("b", []string{"run"}))
		h.start()
		h.ready()
		before := h.pids()
		h.write("b.yaml", process("b", []string{"run"}, "replicas: many"))
		Eventually(h.status).Should(ContainSubstring("b.yaml:6:13"))
		h.write("a.yaml", process("a", []string{"run", "differently"}))
		h.write("c.yaml", head+"  comand: [x]\n")
		Eventually(h.status).Should(And(ContainSubstring("b.yaml:6:13"), ContainSubstring("c.yaml:5:3")))
		Expect(h.pids()).To(Equal(before))
		Expect(h.killAndCompare(before)).To(BeTrue(), "also after a crash of the operator")
		h.remove("c.yaml")
		h.write("b.yaml", process("b", []string{"run"}))
		h.ready()
		Eventually(func() []int { p := h.pids(); return []int{len(p), same(before, p)} }).Should(Equal([]int{2, 1}))
	})

	It("does not read a file that somebody still writes", func() {
		h := newHost()
		h.write("a.yaml", process("a", []string{"run"}))
		h.start()
		h.ready()
		text := process("slow", []string{"run"})
		f, err := os.OpenFile(h.manifests+"/slow.yaml", os.O_CREATE|os.O_WRONLY, 0o644)
		Expect(err).NotTo(HaveOccurred())
		defer f.Close()
		_, err = f.WriteString(text[:len(text)/2])
		Expect(err).NotTo(HaveOccurred())
		h.write("b.yaml", process("b", []string{"run"}))
		h.pidOf("b") // what was saved later is there
		h.ready()
		Expect(h.status()).NotTo(ContainSubstring("slow.yaml:"))
		_, err = f.WriteString(text[len(text)/2:])
		Expect(err).NotTo(HaveOccurred())
		Expect(f.Close()).To(Succeed())
		h.pidOf("slow")
		h.ready()
	})

	It("is told as a condition when an environment is over the kernel's limit", func() {
		h := newHost()
		Expect(os.WriteFile(h.manifests+"/big", []byte(strings.Repeat("x", 200<<10)), 0o644)).To(Succeed())
		h.write("one.yaml", process("one", []string{"run"}, "env: [{name: BIG, valueFrom: {file: {path: big}}}]"))
		var many strings.Builder
		for i := range 9 {
			fmt.Fprintf(&many, "V%d=%s\n", i, strings.Repeat("y", 100<<10))
		}
		Expect(os.WriteFile(h.manifests+"/many", []byte(many.String()), 0o644)).To(Succeed())
		h.write("many.yaml", process("many", []string{"run"}, "envFrom: [{file: {path: many}}, {prefix: A, file: {path: many}}, {prefix: B, file: {path: many}}]"))
		h.write("good.yaml", process("good", []string{"run"}))
		h.start()
		Eventually(func() string { return h.waits("one") }).Should(MatchRegexp(`^CannotStart: .*\(BIG…\) is over the kernel's limit`))
		Eventually(func() string { return h.waits("many") }).Should(MatchRegexp(`^CannotStart: arguments and environment .* over the kernel's limit`))
		h.pidOf("good")
	})
})

// killAndCompare kills the operator and tells whether the next one has the same instances running.
func (h *host) killAndCompare(before map[string]int32) bool {
	GinkgoHelper()
	h.killOperator()
	return Eventually(func() map[string]int32 { return h.pids() }).Should(Equal(before))
}

var _ = Describe("the programs", func() {
	It("refuse a second operator, a newer state directory and wrong flags", func() {
		h := newHost()
		h.write("a.yaml", process("a", []string{"run"}))
		h.start()
		pid := h.pidOf("a")
		out, code := mirrorosd("--manifests", h.manifests, "--state", h.state, "--run", h.dir+"/r2")
		Expect(out).To(MatchRegexp(`another operator \(pid \d+\) has state directory`))
		Expect(code).To(Equal(1))
		Expect(h.pidOf("a")).To(Equal(pid))

		newer := h.dir + "/newer"
		Expect(os.Mkdir(newer, 0o700)).To(Succeed())
		Expect(os.WriteFile(newer+"/schema", []byte("999\n"), 0o600)).To(Succeed())
		out, code = mirrorosd("--manifests", h.manifests, "--state", newer, "--run", h.dir+"/r2")
		Expect(out).To(ContainSubstring("written by a newer version"))
		Expect(code).To(Equal(1))

		for _, args := range [][]string{{"--nonsense"}, {"--manifests", h.manifests, "--log-format", "xml"}, {"--manifests", h.manifests, "--listen", "0.0.0.0:1"}, {}} {
			out, code = mirrorosd(args...)
			Expect(code).To(Equal(2), "%v: %s", args, out)
		}
		for _, args := range [][]string{{"--nonsense"}, {"nonsense"}, {"get"}, {"get", "nonsense"}, {"logs"}} {
			_, errs, code := h.ctl(args...)
			Expect(code).To(Equal(2), "%v: %s", args, errs)
		}
	})

	It("say that there is no operator, with a code of its own", func() {
		h := newHost()
		for _, args := range [][]string{{"status"}, {"get", "processes"}, {"plan"}, {"events"}, {"down"}, {"logs", "a"}} {
			_, errs, code := h.ctl(args...)
			Expect(code).To(Equal(3), "%v", args)
			Expect(errs).To(ContainSubstring("no operator"))
		}
		h.write("a.yaml", process("a", []string{"run"}))
		Expect(h.must("validate", "-f", h.manifests)).To(ContainSubstring("no faults"))
	})
})

// mirrorosd runs an operator that is expected to end at once.
func mirrorosd(args ...string) (output string, code int) {
	ctx, cancel := context.WithTimeout(context.Background(), ctlPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin+"/mirrorosd", args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it runs, and should not
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	out, _ := cmd.CombinedOutput()
	return string(out), cmd.ProcessState.ExitCode()
}
