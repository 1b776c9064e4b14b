package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("install", func() {
	It("prints a unit under which a stop leaves the workloads running", func() {
		var out bytes.Buffer
		u := unit{Manifests: "/srv/my stack"}
		Expect(u.install(&out, true)).To(Succeed())
		for _, line := range []string{"KillMode=process", "Delegate=yes", "OOMPolicy=continue", "TasksMax=infinity",
			`--manifests "/srv/my stack"`, "WantedBy=multi-user.target"} {
			Expect(out.String()).To(ContainSubstring(line))
		}
	})

	It("prints a unit for a user's own service manager", func() {
		var out bytes.Buffer
		u := unit{Manifests: "/srv/s", State: "/srv/state", User: true}
		Expect(u.install(&out, true)).To(Succeed())
		Expect(out.String()).To(And(ContainSubstring("WantedBy=default.target"), ContainSubstring("--state /srv/state"), Not(ContainSubstring("network.target"))))
	})

	DescribeTable("is taken by systemd as it is", func(u unit, args ...string) {
		analyze, err := exec.LookPath("systemd-analyze")
		if err != nil {
			GinkgoWriter.Println("NOT TESTED: needs systemd-analyze")
			return
		}
		var text bytes.Buffer
		Expect(u.install(&text, true)).To(Succeed())
		dir := GinkgoT().TempDir()
		path := filepath.Join(dir, "mirrorosd.service")
		Expect(os.WriteFile(path, text.Bytes(), 0o644)).To(Succeed())
		cmd := exec.Command(analyze, append(args, "verify", path)...)
		cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+dir)
		out, err := cmd.CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), string(out))
		Expect(string(out)).NotTo(ContainSubstring(path), "a warning about it")
	},
		Entry("for the system", unit{Manifests: "/srv/stack"}),
		Entry("for a user, with odd names", unit{Manifests: `/srv/my "stack" $x 100%`, State: "/srv/a b", Run: "/run/x", User: true}, "--user"),
	)

	It("wants to know the manifests", func() {
		u := unit{}
		Expect(u.install(&bytes.Buffer{}, true)).To(MatchError(ContainSubstring("--manifests")))
	})

	DescribeTable("quotes a word by systemd.service(5)", func(word, quoted string) {
		Expect(unitQuote(word)).To(Equal(quoted))
	},
		Entry("a plain one not at all", "/usr/bin/x", "/usr/bin/x"),
		Entry("a space", "a b", `"a b"`),
		Entry("a percent sign, which begins a specifier", "100%", "100%%"),
		Entry("a dollar sign, which begins a variable", "$HOME", "$$HOME"),
		Entry("quotes and backslashes", `a"b\`, `"a\"b\\"`),
	)
})

var _ = DescribeTable("The unit that a process is in", func(cgroups, unit string, user bool) {
	u, byUser := unitOf(cgroups)
	Expect(u).To(Equal(unit))
	Expect(byUser).To(Equal(user))
},
	Entry("a system service", "0::/system.slice/mirrorosd.service\n", "mirrorosd.service", false),
	Entry("a delegated child of one", "0::/system.slice/mirrorosd.service/main\n", "mirrorosd.service", false),
	Entry("a user's service", "0::/user.slice/user-1000.slice/user@1000.service/app.slice/mirrorosd.service\n", "mirrorosd.service", true),
	Entry("a login session", "0::/user.slice/user-1000.slice/session-2.scope\n", "", false),
	Entry("none, with version 1 lines beside", "12:memory:/a.service\n0::/\n", "", false),
)
