package process

import (
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/specs"
)

var _ = Describe("resolving a template", func() {
	var dir string
	var v *resolver
	resolve := func(change func(*specs.Process)) (*resolved, *fault) {
		p := proc("web", change)
		return v.resolve(subject{process: p, dir: dir, id: "web-h-0", ports: []specs.InstancePort{{Name: "http", Port: 20001}}})
	}
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		Expect(os.MkdirAll(filepath.Dir(path), 0o755)).To(Succeed())
		Expect(os.WriteFile(path, []byte(text), mode)).To(Succeed())
		return path
	}
	BeforeEach(func() {
		dir = GinkgoT().TempDir()
		v = &resolver{stateDir: filepath.Join(dir, "state"), self: ownAccount(), zone: "Europe/Berlin"}
	})

	It("gives a fixed environment and nothing of the operator's", func() {
		GinkgoT().Setenv("SECRET_OF_THE_OPERATOR", "x")
		res, f := resolve(func(p *specs.Process) { p.Spec.Version = "1.2"; p.Spec.StateDirectory = "web" })
		Expect(f).To(BeNil())
		env := strings.Join(res.Env, "\n")
		Expect(env).NotTo(ContainSubstring("SECRET_OF_THE_OPERATOR"))
		for _, want := range []string{"PATH=" + defaultPath, "HOME=" + v.self.home, "LANG=C.UTF-8", "TZ=Europe/Berlin", "VERSION=1.2", "PORT=20001",
			"PORT_HTTP=20001", "STATE_DIRECTORY=" + filepath.Join(dir, "state", "data", "web"), "MIRROROS_INSTANCE=web-h-0"} {
			Expect(res.Env).To(ContainElement(want))
		}
	})

	It("expands variables in command, args, env and workingDir", func() {
		write("v1/run", "#!/bin/sh\n", 0o755)
		res, f := resolve(func(p *specs.Process) {
			p.Spec.Version, p.Spec.WorkingDir = "v1", "./$(VERSION)"
			p.Spec.Command = []string{"./$(VERSION)/run", "--port=$(PORT_HTTP)", "$$(KEEP)"}
			p.Spec.Args = []string{"$(A)"}
			p.Spec.Env = []specs.EnvVar{{Name: "A", Value: "a-$(VERSION)"}}
		})
		Expect(f).To(BeNil())
		Expect(res.Path).To(Equal(filepath.Join(dir, "v1/run")))
		Expect(res.Dir).To(Equal(filepath.Join(dir, "v1")))
		Expect(res.Argv).To(Equal([]string{"./v1/run", "--port=20001", "$(KEEP)", "a-v1"}))
	})

	It("reads values from files, and refuses a secret in an argument, also through another variable", func() {
		write("key", "s3cret\n", 0o600)
		write("more.env", "# comment\nTOKEN=abc=def\n\nEMPTY=\n", 0o600)
		change := func(p *specs.Process) {
			p.Spec.EnvFrom = []specs.EnvFromSource{{Prefix: "X_", File: &specs.FileSource{Path: "more.env"}}}
			p.Spec.Env = []specs.EnvVar{{Name: "KEY", ValueFrom: &specs.EnvVarSource{File: &specs.FileSource{Path: "key"}}}, {Name: "URL", Value: "https://$(KEY)@host"}}
		}
		res, f := resolve(change)
		Expect(f).To(BeNil())
		Expect(res.Env).To(ContainElements("KEY=s3cret", "URL=https://s3cret@host", "X_TOKEN=abc=def", "X_EMPTY="))
		for _, name := range []string{"KEY", "URL", "X_TOKEN"} {
			_, f = resolve(func(p *specs.Process) {
				change(p)
				p.Spec.Args = []string{"--key=$(" + name + ")"}
			})
			Expect(f).NotTo(BeNil())
			Expect(f.Message).To(ContainSubstring("is a secret"))
			Expect(f.Message).NotTo(ContainSubstring("s3cret"))
		}
	})

	DescribeTable("says what is wrong", func(change func(*specs.Process), message string) {
		write("plain", "no program", 0o644)
		write("bad.env", "FINE=1\nthis is not a variable: hunter2\n", 0o600)
		_, f := resolve(change)
		Expect(f).NotTo(BeNil())
		Expect(f.Message).To(ContainSubstring(message))
		Expect(f.Message).NotTo(ContainSubstring("hunter2"))
		Expect(f.Early).To(BeTrue())
	},
		Entry("no such program by path", command("./nothing"), "no program"),
		Entry("no such program in PATH", command("no-such-program-here"), `no program "no-such-program-here" in the PATH`),
		Entry("not executable", command("./plain"), "is not executable"),
		Entry("a directory", command("./"), "is a directory"),
		Entry("unknown variable", command("/bin/sh", "$(NOPE)"), "NOPE"),
		Entry("no working directory", func(p *specs.Process) { p.Spec.WorkingDir = "gone" }, "does not exist"),
		Entry("working directory is a file", func(p *specs.Process) { p.Spec.WorkingDir = "plain" }, "is not a directory"),
		Entry("no value file", func(p *specs.Process) {
			p.Spec.Env = []specs.EnvVar{{Name: "A", ValueFrom: &specs.EnvVarSource{File: &specs.FileSource{Path: "gone"}}}}
		}, "does not exist"),
		Entry("a bad line in an environment file", func(p *specs.Process) {
			p.Spec.EnvFrom = []specs.EnvFromSource{{File: &specs.FileSource{Path: "bad.env"}}}
		}, "line 2"),
		Entry("no such user", func(p *specs.Process) { p.Spec.User = "nobody-of-that-name" }, "no user"),
		Entry("no such group", func(p *specs.Process) { p.Spec.Group = "no-group-of-that-name" }, "no group"),
		Entry("a variable that is too long", func(p *specs.Process) {
			p.Spec.Env = []specs.EnvVar{{Name: "BIG", Value: strings.Repeat("x", 200<<10)}}
		}, "BIG"),
		Entry("an environment that is too large", func(p *specs.Process) {
			for range 100 {
				p.Spec.Args = append(p.Spec.Args, strings.Repeat("x", 100<<10))
			}
		}, "over the kernel's limit"),
		Entry("a device as a value", func(p *specs.Process) {
			p.Spec.Env = []specs.EnvVar{{Name: "A", ValueFrom: &specs.EnvVarSource{File: &specs.FileSource{Path: "/dev/zero"}}}}
		}, "not a regular file"),
	)

	It("takes a missing optional file for empty", func() {
		res, f := resolve(func(p *specs.Process) {
			p.Spec.Env = []specs.EnvVar{{Name: "A", ValueFrom: &specs.EnvVarSource{File: &specs.FileSource{Path: "gone", Optional: true}}}}
			p.Spec.EnvFrom = []specs.EnvFromSource{{File: &specs.FileSource{Path: "gone.env", Optional: true}}}
		})
		Expect(f).To(BeNil())
		Expect(res.Env).To(ContainElement("A="))
	})

	It("makes the state directory for its user alone", func() {
		path := filepath.Join(dir, "state", "data", "web")
		Expect(v.makeStateDirectory(path, nil)).To(BeNil())
		Expect(v.makeStateDirectory(path, nil)).To(BeNil())
		info, err := os.Stat(path)
		Expect(err).NotTo(HaveOccurred())
		Expect(info.Mode().Perm()).To(BeEquivalentTo(0o700))
		Expect(os.Remove(path)).To(Succeed())
		Expect(os.Symlink(dir, path)).To(Succeed())
		Expect(v.makeStateDirectory(path, nil).Message).To(ContainSubstring("is not a directory"))
	})
})

func command(args ...string) func(*specs.Process) {
	return func(p *specs.Process) { p.Spec.Command = args }
}

var _ = DescribeTable("naming what changed in a template", func(change func(*specs.ProcessSpec), want ...string) {
	a := proc("web").Spec
	a.Env = []specs.EnvVar{{Name: "A", Value: "1"}, {Name: "B", Value: "2"}}
	a.Ports = []specs.ProcessPort{{Name: "http"}}
	b := specs.Copy(&specs.Process{Spec: a}).Spec
	change(&b)
	Expect(templateChanges(&a, &b)).To(Equal(want))
},
	Entry("a value", func(s *specs.ProcessSpec) { s.Env[0].Value = "9" }, "env.A"),
	Entry("a variable more, one fewer", func(s *specs.ProcessSpec) { s.Env = []specs.EnvVar{{Name: "A", Value: "1"}, {Name: "C"}} }, "env.C", "env.B"),
	Entry("their order", func(s *specs.ProcessSpec) { s.Env[0], s.Env[1] = s.Env[1], s.Env[0] }, "env"),
	Entry("command and a port", func(s *specs.ProcessSpec) { s.Command = []string{"x"}; s.Ports[0].Port = 80 }, "command", "ports.http"),
)

var _ = Describe("what changed of a process whose manifest moved", func() {
	It("is its working directory", func() {
		m := &memory{}
		m.template(proc("web"), "/manifests")
		before := m.hash
		m.template(proc("web"), "/manifests/sub")
		Expect(m.hash).NotTo(Equal(before))
		Expect(m.changed).To(Equal([]string{"workingDir"}))
	})
})
