package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/specs"
)

// of lists the instances of one process.
func (h *host) of(process string) (found []specs.Instance) {
	for _, i := range h.instances() {
		if i.Spec.Process == process {
			found = append(found, i)
		}
	}
	slices.SortFunc(found, func(a, b specs.Instance) int { return strings.Compare(a.Name, b.Name) })
	return found
}

// one is the only instance of a process; an empty one when there is none or more than one.
func (h *host) one(process string) specs.Instance {
	if all := h.of(process); len(all) == 1 {
		return all[0]
	}
	return specs.Instance{}
}

// waits is the reason and message for which the only instance of a process does not run.
func (h *host) waits(process string) string {
	if w := h.one(process).Status.State.Waiting; w != nil {
		return w.Reason + ": " + w.Message
	}
	return ""
}

// lastExit is how the last run of the only instance of a process ended; an empty one when none has.
func (h *host) lastExit(process string) specs.StateTerminated {
	i := h.one(process)
	if x := i.Status.LastExit(); x != nil {
		return *x
	}
	return specs.StateTerminated{ExitCode: -2}
}

// status is what `mirrorctl status` prints, with its exit code before it.
func (h *host) status() string {
	out, errs, code := h.ctl("status")
	return fmt.Sprintf("exit %d\n%s%s", code, out, errs)
}

// name finds the instance of a process among pids.
func (h *host) name(process string, pids map[string]int32) string {
	for n := range pids {
		if strings.HasPrefix(n, process+"-") {
			return n
		}
	}
	return ""
}

// pending is the command that agrees to what a stack waits for; empty when none does.
func (h *host) pending() []string {
	out, _, _ := h.ctl("status", "-o", "json")
	var s struct {
		Stacks []struct{ Pending *specs.PendingPlan }
	}
	if json.Unmarshal([]byte(out), &s) != nil {
		return nil
	}
	for _, st := range s.Stacks {
		if st.Pending != nil {
			return strings.Fields(st.Pending.Command)
		}
	}
	return nil
}

// events of a process, as text.
func (h *host) events(process string) string {
	out, _, _ := h.ctl("events", "--for", "process/"+process)
	return out
}

// versions of all processes, instances and stacks: what changes when anything is written.
func (h *host) versions() map[string]string {
	m := map[string]string{}
	for _, kind := range []string{"stacks", "processes", "instances"} {
		out, _, code := h.ctl("get", kind, "-o", "json")
		var list struct {
			Items []struct {
				Metadata struct{ Name, ResourceVersion string }
			}
		}
		if code != 0 || json.Unmarshal([]byte(out), &list) != nil {
			return nil
		}
		for _, o := range list.Items {
			m[kind+"/"+o.Metadata.Name] = o.Metadata.ResourceVersion
		}
	}
	return m
}

// step is one line of a plan, as far as tests look at it.
type step struct{ Change, Kind, Name, Verb, Reason string }

// plan is what `mirrorctl plan` would do, with its exit code.
func (h *host) plan(args ...string) ([]step, int) {
	GinkgoHelper()
	out, errs, code := h.ctl(append([]string{"plan", "-o", "json"}, args...)...)
	var p struct{ Steps []step }
	Expect(json.Unmarshal([]byte(out), &p)).To(Succeed(), out+errs)
	return p.Steps, code
}

// call makes one HTTP request over the operator's socket.
func (h *host) call(method, path, contentType, body string) (int, string) {
	GinkgoHelper()
	code, b, err := h.try(method, path, contentType, body)
	Expect(err).NotTo(HaveOccurred())
	return code, b
}

func (h *host) try(method, path, contentType, body string) (int, string, error) {
	client := &http.Client{Timeout: ctlPatience, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", h.run+"/api.sock")
		}}}
	req, err := http.NewRequest(method, "http://operator"+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Content-Type", contentType)
	res, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}

// get reads what the operator answers, and tells whether it did. It is for what specs ask again and again: to start mirrorctl for each
// look takes longer than what is looked for.
func (h *host) get(path string, into any) bool {
	code, b, err := h.try("GET", path, "", "")
	return err == nil && code == http.StatusOK && json.Unmarshal([]byte(b), into) == nil
}

// touch makes an empty file.
func touch(path string) {
	GinkgoHelper()
	Expect(os.WriteFile(path, nil, 0o644)).To(Succeed())
}

// own gives a tree to the user of the host, if it has one of its own.
func (h *host) own(root string) {
	GinkgoHelper()
	if h.user == nil {
		return
	}
	Expect(filepath.Walk(root, func(path string, _ os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, int(h.user.Uid), int(h.user.Gid))
	})).To(Succeed())
}

// ordinary makes the host run as an ordinary user, also when the tests run as root.
func (h *host) ordinary() {
	GinkgoHelper()
	if os.Geteuid() == 0 {
		h.user = &syscall.Credential{Uid: 65534, Gid: 65534}
		h.own(h.dir)
	}
}

var startLine = regexp.MustCompile(`(?m)^start (\d+)$`)

// started lists the pids that test workloads wrote when they began.
func started(log string) (pids []int) {
	for _, m := range startLine.FindAllStringSubmatch(log, -1) {
		pid, _ := strconv.Atoi(m[1])
		pids = append(pids, pid)
	}
	return pids
}

// begun waits until a test workload says that it has: from then on it deals with signals as it is to.
func (h *host) begun(process string) {
	GinkgoHelper()
	Eventually(func() []int { return started(h.must("logs", process)) }).ShouldNot(BeEmpty())
}

// numbers reads the lines of `workload log`: the first number, the last, and where the sequence breaks, if it does.
func numbers(log string) (first, last int, fault string) {
	first, last = -1, -1
	for line := range strings.Lines(log) {
		if strings.HasPrefix(line, "start ") {
			continue
		}
		if len(line) != 100 {
			return first, last, fmt.Sprintf("a line of %d bytes after %d: %q", len(line), last, line)
		}
		n, err := strconv.Atoi(strings.TrimLeft(line[:11], "0") + line[11:12])
		if err != nil {
			return first, last, fmt.Sprintf("after %d: %q", last, line)
		}
		if first < 0 {
			first = n
		} else if n != last+1 {
			return first, last, fmt.Sprintf("%d follows %d", n, last)
		}
		last = n
	}
	return first, last, ""
}

// killOperator sends SIGKILL to the operator and waits for the next one.
func (h *host) killOperator() {
	GinkgoHelper()
	old := h.info().PID
	kill(old)
	h.again(old)
}

// again waits until another operator than the old one answers.
func (h *host) again(old int) {
	GinkgoHelper()
	Eventually(func() int {
		i := info{PID: old}
		h.get("/mirroros/host", &i)
		return i.PID
	}).ShouldNot(Equal(old), "there is no new operator")
}

// holding lists the files below root whose content holds text.
func holding(root, text string) (found []string) {
	_ = filepath.Walk(root, func(path string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			if b, err := os.ReadFile(path); err == nil && bytes.Contains(b, []byte(text)) {
				found = append(found, path)
			}
		}
		return nil
	})
	return found
}

// copies counts the workloads on the host by their last argument, whatever the operator says.
func (h *host) copies() map[string]int {
	n := map[string]int{}
	for _, pid := range h.ours() {
		args, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if f := bytes.Split(bytes.TrimSuffix(args, []byte{0}), []byte{0}); alive(pid) && string(f[0]) == bin+"/workload" {
			n[string(f[len(f)-1])]++
		}
	}
	return n
}

// stack is the manifest of a Stack; more are further lines of its spec.
func stack(name string, more ...string) string {
	return fmt.Sprintf("apiVersion: mirroros.dev/v1alpha1\nkind: Stack\nmetadata: {name: %s}\nspec: {%s}\n", name, strings.Join(more, ", "))
}
