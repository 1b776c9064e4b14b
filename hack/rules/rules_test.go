package rules_test

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"testing/fstest"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// rule finds what breaks it, one line each.
type rule func(tree) []string

// leaves are the packages of controllers that any other may import, and that know neither specs nor the engine.
var leaves = []string{
	"controllers/process/runner", "controllers/process/sandbox", "controllers/process/logs", "controllers/process/probe",
	"controllers/gate/proxy", "controllers/gate/sockets", "controllers/budget/ledger",
}

// may makes a rule: of ours, the programs' own files below dirs import these alone, and what is below their own directory.
func may(dirs []string, allowed ...string) rule {
	return imports(func(s source, to string) string {
		if withinAny(s.dir, dirs...) && !withinAny(to, allowed...) && !slices.ContainsFunc(dirs, func(d string) bool {
			return within(s.dir, d) && within(to, d)
		}) {
			return "it may import of ours only: " + strings.Join(allowed, ", ")
		}
		return ""
	})
}

// mayNot makes a rule: the programs' own files below dirs import none of these.
func mayNot(dirs []string, refused ...string) rule {
	return imports(func(s source, to string) string {
		if withinAny(s.dir, dirs...) && withinAny(to, refused...) {
			return "it may not"
		}
		return ""
	})
}

// imports makes a rule of what is wrong with one import of ours; tests are free.
func imports(wrong func(s source, to string) string) rule {
	return func(t tree) (out []string) {
		for _, s := range t.sources {
			if s.test {
				continue
			}
			for _, to := range s.our() {
				if why := wrong(s, to); why != "" {
					out = append(out, fmt.Sprintf("%s imports %s: %s", s.path, to, why))
				}
			}
		}
		return out
	}
}

// noOtherKind: kinds meet as objects in the store.
func noOtherKind(s source, to string) string {
	kind := func(dir string) string {
		if !within(dir, "controllers") || withinAny(dir, leaves...) {
			return ""
		}
		return strings.Join(strings.SplitN(dir+"//", "/", 3)[:2], "/")
	}
	if from := kind(s.dir); from != "" && kind(to) != "" && kind(to) != from {
		return "a kind does not import another kind's controller"
	}
	return ""
}

// nobodyElse: programs and tools are imported by themselves alone, not by tests either.
func nobodyElse(t tree) (out []string) {
	for _, s := range t.sources {
		for _, to := range s.our() {
			if withinAny(to, "cmd", "hack") && strings.Join(strings.SplitN(to+"//", "/", 3)[:2], "/") != strings.Join(strings.SplitN(s.dir+"//", "/", 3)[:2], "/") {
				out = append(out, fmt.Sprintf("%s imports %s: nobody imports a program", s.path, to))
			}
		}
	}
	return out
}

// uses makes a rule: files that fit neither import a package that is refused, nor use a name that is.
func uses(fits func(source) bool, packages func(string) bool, names ...string) rule {
	return func(t tree) (out []string) {
		for _, s := range t.sources {
			if !fits(s) {
				continue
			}
			for _, p := range s.imports {
				if packages != nil && packages(p) {
					out = append(out, fmt.Sprintf("%s imports %s", s.path, p))
				}
			}
			for _, name := range names {
				for _, line := range s.calls[name] {
					out = append(out, fmt.Sprintf("%s:%d uses %s", s.path, line, name))
				}
			}
		}
		return out
	}
}

func program(dir string) func(source) bool {
	return func(s source) bool { return within(s.dir, dir) && !s.test }
}

func isTest(s source) bool { return s.test }

// library tells what is not of the standard library.
func library(p string) bool { return strings.Contains(strings.SplitN(p, "/", 2)[0], ".") }

// effects are the packages that reach out of the program.
func effects(p string) bool {
	pure := []string{"net/url", "net/netip", "net/textproto"}
	return withinAny(p, "os", "net", "syscall", "io/ioutil", "golang.org/x/sys", "crypto/rand", "math/rand") && !slices.Contains(pure, p)
}

func topLevel(t tree) (out []string) {
	known := []string{"cmd", "controllers", "hack", "manifests", "reconcile", "specs", "go.mod", "go.sum", "Makefile", "README.md", "LICENSE"}
	for _, name := range t.top {
		if !slices.Contains(known, name) && !strings.HasPrefix(name, ".") && !t.isIgnored(name) {
			out = append(out, name+" is at the top level")
		}
	}
	return out
}

func packageComments(t tree) (out []string) {
	has := map[string]bool{}
	for _, s := range t.sources {
		has[s.dir] = has[s.dir] || s.doc
	}
	for dir, ok := range has {
		if !ok {
			out = append(out, dir+" has no package comment")
		}
	}
	slices.Sort(out)
	return out
}

func shortFiles(t tree) (out []string) {
	for _, s := range t.sources {
		if s.lines > 600 {
			out = append(out, fmt.Sprintf("%s has %d lines, a file has 600 at most", s.path, s.lines))
		}
	}
	return out
}

var decides = func(s source) bool { return path.Base(s.path) == "decide.go" }

// rules by what they say, and for each a tree that breaks it.
var rules = []struct {
	says   string
	rule   rule
	breach fstest.MapFS
}{
	{"specs imports nothing of ours but specs/expr", may([]string{"specs"}, "specs/expr"),
		breaks("specs/x.go", "reconcile/store")},
	{"store, queue and audit know no kind", may([]string{"reconcile/store", "reconcile/queue", "reconcile/audit"}),
		breaks("reconcile/store/x.go", "specs")},
	{"the engine imports no controller", mayNot([]string{"reconcile"}, "controllers"),
		breaks("reconcile/plan/x.go", "controllers/process")},
	{"a kind imports no other kind", imports(noOtherKind),
		breaks("controllers/rollout/x.go", "controllers/stack")},
	{"leaf packages import neither specs nor the engine, audit and specs/expr aside", leavesOnly,
		breaks("controllers/process/runner/x.go", "specs")},
	{"the proxy does not import the ledger", mayNot([]string{"controllers/gate/proxy"}, "controllers/budget"),
		breaks("controllers/gate/proxy/x.go", "controllers/budget/ledger")},
	{"mirrorctl imports specs, audit and the sandbox only", may([]string{"cmd/mirrorctl"}, "specs", "reconcile/audit", "controllers/process/sandbox"),
		breaks("cmd/mirrorctl/cli/x.go", "reconcile/plan")},
	{"mirrorguard imports nothing of ours", may([]string{"cmd/mirrorguard"}),
		breaks("cmd/mirrorguard/x.go", "controllers/process/runner")},
	{"mirrorguard imports no library", uses(program("cmd/mirrorguard"), library),
		file("cmd/mirrorguard/x.go", `import "golang.org/x/sys/unix"; var _ = unix.Getpid`)},
	{"mirrorgate imports the data plane, the bridge, the ledger and the audit log only", may([]string{"cmd/mirrorgate"}, "controllers/gate/proxy", "controllers/gate/bridge", "controllers/budget/ledger", "reconcile/audit"),
		breaks("cmd/mirrorgate/x.go", "specs")},
	{"nobody imports cmd and hack", nobodyElse,
		breaks("cmd/e2e/x_test.go", "cmd/mirrorctl/cli")},
	{"nothing else is at the top level", topLevel,
		file("main.go", "")},
	{"workloads are not started by os/exec", uses(program("controllers/process/runner"), nil, "os/exec.Command", "os/exec.CommandContext", "os/exec.Cmd", "os.StartProcess"),
		file("controllers/process/runner/x.go", `import "os/exec"; var _ = exec.Command`)},
	{"decide.go reads no file, network or environment", uses(decides, effects),
		file("controllers/process/decide.go", `import "os"; var _ = os.Getenv`)},
	{"decide.go reads no clock", uses(decides, nil, "time.Now", "time.Since", "time.Until", "time.After", "time.AfterFunc", "time.NewTimer", "time.NewTicker", "time.Tick", "time.Sleep"),
		file("controllers/process/decide.go", `import clock "time"; var _ = clock.Now()`)},
	{"every package has a package comment", packageComments,
		fstest.MapFS{"specs/x.go": {Data: []byte("package x\n")}}},
	{"tests do not sleep", uses(isTest, nil, "time.Sleep"),
		file("specs/x_test.go", `import "time"; func f() { time.Sleep(1) }`)},
	{"tests are neither skipped nor picked out", uses(isTest, nil, "Skip", "PIt", "XIt", "FIt", "PDescribe", "XDescribe", "FDescribe", "PContext", "XContext", "FContext", "PEntry", "XEntry", "FEntry", "PDescribeTable", "XDescribeTable", "FDescribeTable"),
		file("specs/x_test.go", `func f() { Skip("later") }`)},
	{"no file is longer than 600 lines", shortFiles,
		file("specs/x.go", strings.Repeat("\n", 601))},
}

func leavesOnly(t tree) []string {
	return imports(func(s source, to string) string {
		proxy := within(s.dir, "controllers/gate/proxy") && within(to, "specs/expr")
		if withinAny(s.dir, leaves...) && !withinAny(to, leaves...) && !within(to, "reconcile/audit") && !proxy {
			return "a leaf package knows neither specs nor the engine"
		}
		return ""
	})(t)
}

func file(name, body string) fstest.MapFS {
	return fstest.MapFS{name: {Data: []byte("// Package x is a breach.\npackage x\n" + body)}}
}

func breaks(name, imported string) fstest.MapFS {
	return file(name, fmt.Sprintf("import _ %q\n", ours+"/"+imported))
}

var _ = Describe("The tree", func() {
	read := sync.OnceValues(func() (tree, error) { return load(os.DirFS("../..")) })
	for _, r := range rules {
		It("keeps: "+r.says, func() {
			here, err := read()
			Expect(err).NotTo(HaveOccurred())
			Expect(len(here.sources)).To(BeNumerically(">", 50), "files read")
			Expect(strings.Join(r.rule(here), "\n")).To(BeEmpty())
		})
	}
})

var _ = Describe("A rule", func() {
	for _, r := range rules {
		It("finds its breach: "+r.says, func() {
			t, err := load(r.breach)
			Expect(err).NotTo(HaveOccurred())
			Expect(r.rule(t)).NotTo(BeEmpty())
		})
	}
})
