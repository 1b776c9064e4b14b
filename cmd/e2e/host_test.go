package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"

	"mirroros.dev/mirroros/specs"
)

// host is one operator with directories of its own. Its paths are short: a socket's name ends at 107 bytes.
type host struct {
	dir, manifests, state, run string
	bin                        string // where its programs are
	args                       []string
	user                       *syscall.Credential
	wrap                       func(*exec.Cmd) // changes how the operator is started; nil for not at all
	mounted                    *os.File        // the state directory of smallDisk
	cmd                        *exec.Cmd
	done                       chan struct{}
	log                        *gbytes.Buffer
}

// newHost makes the directories and sees to it that nothing is left of them, also when the spec fails.
func newHost() *host {
	GinkgoHelper()
	dir, err := os.MkdirTemp("", "mo")
	Expect(err).NotTo(HaveOccurred())
	h := &host{dir: dir, manifests: dir + "/m", state: dir + "/s", run: dir + "/r", bin: bin}
	Expect(os.Mkdir(h.manifests, 0o755)).To(Succeed())
	DeferCleanup(func() {
		if CurrentSpecReport().Failed() {
			h.report()
		}
		h.end()
		h.removeCgroups()
		Expect(os.RemoveAll(dir)).To(Succeed())
	})
	return h
}

// write puts a manifest into place as a careful editor does: whole.
func (h *host) write(name string, docs ...string) {
	GinkgoHelper()
	path := filepath.Join(h.manifests, name)
	Expect(os.MkdirAll(filepath.Dir(path), 0o755)).To(Succeed())
	tmp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".tmp")
	Expect(os.WriteFile(tmp, []byte(strings.Join(docs, "---\n")), 0o644)).To(Succeed())
	Expect(os.Rename(tmp, path)).To(Succeed())
}

func (h *host) remove(name string) {
	GinkgoHelper()
	Expect(os.Remove(filepath.Join(h.manifests, name))).To(Succeed())
}

// process is the manifest of a Process that runs the test workload; more are further lines of its spec.
func process(name string, args []string, more ...string) string {
	quoted := make([]string, len(args))
	for i, a := range args {
		quoted[i] = fmt.Sprintf("%q", a)
	}
	doc := fmt.Sprintf("apiVersion: mirroros.dev/v1alpha1\nkind: Process\nmetadata: {name: %s}\nspec:\n  command: [%s]\n",
		name, strings.Join(append([]string{bin + "/workload"}, quoted...), ", "))
	for _, m := range more {
		doc += "  " + strings.ReplaceAll(m, "\n", "\n  ") + "\n"
	}
	return doc
}

// command is the operator's.
func (h *host) command() *exec.Cmd {
	args := append([]string{"--manifests", h.manifests, "--state", h.state, "--run", h.run}, h.args...)
	cmd := exec.Command(h.bin+"/mirrorosd", args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: h.user}
	if h.wrap != nil {
		h.wrap(cmd)
	}
	return cmd
}

// start runs the operator and waits until its API answers.
func (h *host) start() {
	GinkgoHelper()
	h.log = gbytes.NewBuffer()
	h.cmd = h.command()
	h.cmd.Stdout, h.cmd.Stderr = h.log, h.log
	Expect(h.cmd.Start()).To(Succeed())
	done := make(chan struct{})
	h.done = done
	cmd := h.cmd
	go func() { _ = cmd.Wait(); close(done) }()
	h.answers()
}

// answers waits until the operator's API does, for mirrorctl too.
func (h *host) answers() {
	GinkgoHelper()
	Eventually(func() bool { return h.get("/mirroros/host", new(info)) }).Should(BeTrue(), "the operator does not answer")
	h.must("version")
}

// ctl runs mirrorctl.
func (h *host) ctl(args ...string) (stdout, stderr string, code int) {
	return h.ctlIn("", args...)
}

// ctlPatience ends a mirrorctl that gets no answer: its code is -1 then.
const ctlPatience = 30 * time.Second

func (h *host) ctlIn(stdin string, args ...string) (stdout, stderr string, code int) {
	ctx, cancel := context.WithTimeout(context.Background(), ctlPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin+"/mirrorctl", append([]string{"--socket", h.run + "/api.sock"}, args...)...)
	var o, e bytes.Buffer
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = h.dir, strings.NewReader(stdin), &o, &e
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: h.user}
	_ = cmd.Run()
	return o.String(), e.String(), cmd.ProcessState.ExitCode()
}

// must runs mirrorctl and expects code 0.
func (h *host) must(args ...string) string {
	GinkgoHelper()
	out, errs, code := h.ctl(args...)
	Expect(code).To(Equal(0), "mirrorctl %s: %s%s", strings.Join(args, " "), out, errs)
	return out
}

// info is what GET /mirroros/host says.
type info struct {
	PID         int `json:"pid"`
	GuardianPID int `json:"guardianPid"`
}

func (h *host) info() info {
	GinkgoHelper()
	var i info
	Expect(json.Unmarshal([]byte(h.must("get", "--raw", "/mirroros/host")), &i)).To(Succeed())
	return i
}

// instances by name, as the operator reports them.
func (h *host) instances() map[string]specs.Instance {
	var list struct{ Items []specs.Instance }
	if !h.get("/apis/mirroros.dev/v1alpha1/instances", &list) {
		return nil
	}
	m := map[string]specs.Instance{}
	for _, i := range list.Items {
		m[i.Name] = i
	}
	return m
}

// pids of all running instances, by instance name.
func (h *host) pids() map[string]int32 {
	m := map[string]int32{}
	for n, i := range h.instances() {
		if i.Status.State.Running != nil {
			m[n] = i.Status.PID
		}
	}
	return m
}

// pidOf waits for the one running and ready instance of a process.
func (h *host) pidOf(name string) int {
	GinkgoHelper()
	var pid int32
	Eventually(func(g Gomega) {
		var found []specs.Instance
		for i := range maps.Values(h.instances()) {
			if i.Spec.Process == name && i.Status.State.Running != nil && i.Status.Ready {
				found = append(found, i)
			}
		}
		g.Expect(found).To(HaveLen(1), "instances of %s", name)
		pid = found[0].Status.PID
	}).Should(Succeed())
	return int(pid)
}

// ready waits until all that is declared is ready.
func (h *host) ready() {
	GinkgoHelper()
	Eventually(func() string {
		out, errs, code := h.ctl("status")
		if code == 0 {
			return ""
		}
		return out + errs
	}).Should(BeEmpty())
}

// kill ends one process that this test started, for certain, and waits until it is gone.
func kill(pid int) {
	GinkgoHelper()
	Expect(syscall.Kill(pid, syscall.SIGKILL)).To(Succeed())
	Eventually(func() bool { return alive(pid) }).Should(BeFalse())
}

// alive tells whether a process is there and no zombie. One is not dead before its last thread is: until then its sockets are open.
func alive(pid int) bool {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	return slices.ContainsFunc(threads, func(path string) bool {
		stat, err := os.ReadFile(path)
		_, rest, _ := bytes.Cut(stat, []byte(") "))
		return err == nil && len(rest) > 0 && rest[0] != 'Z' && rest[0] != 'X'
	})
}

// end stops everything: the polite way, where there is an operator to ask, then whatever is left, by pid.
func (h *host) end() {
	if h.cmd == nil {
		return
	}
	_, _, code := h.ctl("shutdown", "--wait", "--timeout", "10s")
	const nobody = 3
	for deadline := time.Now().Add(10 * time.Second); code != nobody && len(h.ours()) > 0 && time.Now().Before(deadline); {
		<-time.After(10 * time.Millisecond)
	}
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); <-time.After(time.Millisecond) {
		pids := h.ours()
		if len(pids) == 0 {
			break
		}
		for _, pid := range pids { // a guardian may have started an operator since
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	select {
	case <-h.done:
	case <-time.After(5 * time.Second):
	}
}

// ours lists the processes that carry this host's directory in their arguments or directory, or whose program is
// in it: operator, guardian, workloads.
func (h *host) ours() []int {
	var pids []int
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, d := range dirs {
		args, _ := os.ReadFile(d + "/cmdline")
		cwd, _ := os.Readlink(d + "/cwd")
		exe, _ := os.Readlink(d + "/exe")
		here := bytes.Contains(args, []byte(h.dir+"/")) || strings.HasPrefix(cwd+"/", h.dir+"/")
		if !strings.HasPrefix(exe, h.dir+"/") && !(here && strings.HasPrefix(exe, bin+"/")) {
			continue
		}
		var pid int
		_, _ = fmt.Sscan(filepath.Base(d), &pid)
		pids = append(pids, pid)
	}
	return pids
}

// report prints what a person would look at after a failure.
func (h *host) report() {
	for _, args := range [][]string{{"status"}, {"get", "all"}, {"events"}} {
		out, errs, code := h.ctl(args...)
		GinkgoWriter.Printf("--- mirrorctl %s (exit %d)\n%s%s", strings.Join(args, " "), code, out, errs)
	}
	if h.log != nil {
		GinkgoWriter.Printf("--- operator log\n%s\n", h.log.Contents())
	}
}

// same tells how many pids of before are unchanged in after.
func same(before, after map[string]int32) int {
	return len(slices.DeleteFunc(slices.Collect(maps.Keys(before)), func(n string) bool { return before[n] != after[n] }))
}
