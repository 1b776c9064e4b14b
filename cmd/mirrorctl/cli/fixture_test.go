package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	k8syaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/admit"
	"mirroros.dev/mirroros/reconcile/apiserver"
	"mirroros.dev/mirroros/reconcile/audit"
	"mirroros.dev/mirroros/reconcile/plan"
	"mirroros.dev/mirroros/reconcile/reconciletest"
	"mirroros.dev/mirroros/reconcile/source"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// testNow is the time in all scripts.
var testNow = time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)

// fixture is the API of one script, over a real store. What the controllers would do, the script says: it puts objects with their
// status into the store.
type fixture struct {
	dir    string
	client *reconcile.Client
	index  *admit.Index
	// ago is how long before testNow objects are made.
	ago atomic.Int64
	end context.CancelFunc
}

type fixtureKey struct{}

func newFixture(t *testing.T, e *testscript.Env) error {
	f := &fixture{dir: e.WorkDir, index: &admit.Index{}}
	f.client = reconcile.NewClient(reconciletest.TempStore(t), reconcile.ClientOptions{Now: func() time.Time { return testNow.Add(-time.Duration(f.ago.Load())) }})
	server := apiserver.New(apiserver.Options{Client: f.client, Declared: f.index, Source: f.place, Logs: f, Stacks: f, Host: f,
		Reload: f.reload, Gates: &gatesFixture{f}, Budgets: &budgetsFixture{f}, Checks: f.runCheck, Version: "v0.1.0", Now: func() time.Time { return testNow }})
	run, err := os.MkdirTemp("", "mo") // short: a socket's path ends at 107 bytes
	if err != nil {
		return err
	}
	l, err := apiserver.ListenUnix(filepath.Join(run, "api.sock"))
	if err != nil {
		return err
	}
	ctx, end := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, l) }()
	f.end = end
	e.Defer(func() {
		end()
		if err := <-served; err != nil {
			e.T().Log(err)
		}
		_ = os.RemoveAll(run)
	})
	e.Values[fixtureKey{}] = f
	for _, v := range []string{"MIRROROS_RUN=" + run, "TZ=UTC", "NO_COLOR=1", "VISUAL=", "EDITOR="} {
		name, value, _ := strings.Cut(v, "=")
		e.Setenv(name, value)
	}
	return nil
}

func fixtureOf(ts *testscript.TestScript) *fixture { return ts.Value(fixtureKey{}).(*fixture) }

// fixtureCommands are what scripts can do beside what testscript brings.
var fixtureCommands = map[string]func(*testscript.TestScript, bool, []string){
	// seed AGE FILE: put objects into the store, with their status, made AGE ago.
	"seed": func(ts *testscript.TestScript, _ bool, args []string) {
		age, err := time.ParseDuration(args[0])
		ts.Check(err)
		f := fixtureOf(ts)
		f.ago.Store(int64(age))
		ts.Check(f.seed([]byte(ts.ReadFile(args[1]))))
		f.ago.Store(0)
	},
	// declare STACK ROOT FILE...: say that these files of the script declare what is in them, as files below ROOT.
	"declare": func(ts *testscript.TestScript, _ bool, args []string) {
		ts.Check(fixtureOf(ts).declare(args[0], ts.MkAbs(args[1]), args[2:]))
	},
	// code N COMMAND...: run a command that exits with N.
	"code": func(ts *testscript.TestScript, _ bool, args []string) {
		var ended *exec.ExitError
		got := 0
		if err := ts.Exec(args[1], args[2:]...); errors.As(err, &ended) {
			got = ended.ExitCode()
		} else {
			ts.Check(err)
		}
		if strconv.Itoa(got) != args[0] {
			ts.Fatalf("%s exits with %d, want %s", strings.Join(args[1:], " "), got, args[0])
		}
	},
	// many N: put N processes into the store.
	"many": func(ts *testscript.TestScript, _ bool, args []string) {
		n, err := strconv.Atoi(args[0])
		ts.Check(err)
		for i := range n {
			p := &specs.Process{Spec: specs.ProcessSpec{Command: []string{"web"}}}
			p.Name = fmt.Sprintf("p%03d", i)
			specs.Default(p)
			ts.Check(fixtureOf(ts).put(p))
		}
	},
	// record DIR FILE: write the records of a file, JSON lines, as the log of a gate, with its key in DIR.key.
	"record": func(ts *testscript.TestScript, _ bool, args []string) {
		dir := ts.MkAbs(args[0])
		l, err := audit.Open(audit.Options{Dir: dir, Writer: "gate", KeyFile: dir + ".key", Now: func() time.Time { return testNow.Add(-time.Hour) }})
		ts.Check(err)
		for line := range strings.Lines(ts.ReadFile(args[1])) {
			r := &audit.Record{}
			ts.Check(json.Unmarshal([]byte(line), r))
			ts.Check(l.Write(r, false))
		}
		ts.Check(l.Close())
	},
	// tamper DIR OLD NEW: put NEW in place of OLD in the files of a log.
	"tamper": func(ts *testscript.TestScript, _ bool, args []string) {
		files, err := filepath.Glob(filepath.Join(ts.MkAbs(args[0]), "*.jsonl"))
		ts.Check(err)
		for _, f := range files {
			text, err := os.ReadFile(f)
			ts.Check(err)
			ts.Check(os.WriteFile(f, bytes.ReplaceAll(text, []byte(args[1]), []byte(args[2])), 0o600))
		}
	},
	// metrics FILE: serve the file as the metrics of the gates.
	"metrics": func(ts *testscript.TestScript, _ bool, args []string) {
		text := ts.ReadFile(args[0])
		l, err := net.Listen("unix", filepath.Join(ts.Getenv("MIRROROS_RUN"), "gate-metrics.sock"))
		ts.Check(err)
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) })}
		go func() { _ = srv.Serve(l) }()
		ts.Defer(func() { _ = srv.Close() })
	},
	// running PROCESS: start a program as an instance of the process, which is in the store.
	"running": func(ts *testscript.TestScript, _ bool, args []string) {
		ts.Check(fixtureOf(ts).running(ts, args[0]))
	},
}

func (f *fixture) seed(text []byte) error {
	docs := k8syaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		doc, err := docs.Read()
		if len(bytes.TrimSpace(doc)) == 0 {
			return nil
		}
		if err != nil {
			return err
		}
		var head struct{ Kind string }
		if err := yaml.Unmarshal(doc, &head); err != nil {
			return err
		}
		o := specs.KindOf(head.Kind).New()
		if err := yaml.UnmarshalStrict(doc, o); err != nil {
			return err
		}
		specs.Default(o)
		if err := f.put(o); err != nil {
			return fmt.Errorf("%s %q: %w", head.Kind, o.GetName(), err)
		}
	}
}

func (f *fixture) put(o specs.Object) error {
	ctx := context.Background()
	want := specs.Copy(o)
	made, err := f.client.Create(ctx, o)
	if err != nil {
		return err
	}
	want.SetResourceVersion(made.GetResourceVersion())
	_, err = f.client.UpdateStatus(ctx, want)
	return err
}

func (f *fixture) declare(stack, root string, files []string) error {
	in := admit.IndexedStack{Name: stack}
	var loaded []*admit.File
	for _, rel := range files {
		data, err := os.ReadFile(filepath.Join(f.dir, rel))
		if err != nil {
			return err
		}
		file := admit.Load(&source.File{Rel: rel, Data: data})
		loaded = append(loaded, file)
		for _, s := range file.Stacks {
			in.Document = s
		}
	}
	in.Live = admit.NewSet(loaded)
	in.Disk = in.Live
	f.index.Set(&admit.Indexed{Root: root, Stacks: []admit.IndexedStack{in}})
	return nil
}

func (f *fixture) place(kind, name string) (apiserver.Source, bool) {
	p, ok := f.index.Place(kind, name)
	return apiserver.Source(p), ok
}

// running starts sleep with an environment and directory that can be told apart, and puts its instance into the store.
func (f *fixture) running(ts *testscript.TestScript, process string) error {
	name := process + "-0123456789-0"
	dir := filepath.Join(f.dir, "home")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		return err
	}
	cmd := &exec.Cmd{Path: sleep, Args: []string{"sleep", "100"}, Dir: dir, SysProcAttr: &syscall.SysProcAttr{Setsid: true},
		Env: []string{"PATH=/usr/local/bin:/usr/bin:/bin", "COLOR=blue", specs.VarInstance + "=" + name}}
	if err := cmd.Start(); err != nil {
		return err
	}
	ts.Defer(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	i := &specs.Instance{Spec: specs.InstanceSpec{Process: process, TemplateHash: "0123456789"}}
	i.Name, i.Labels = name, map[string]string{specs.LabelProcess: process}
	i.Status.PID, i.Status.Ready, i.Status.Started = int32(cmd.Process.Pid), true, true
	i.Status.State.Running = &specs.StateRunning{}
	i.Status.State.Running.StartedAt.Time = testNow
	specs.Default(i)
	return f.put(i)
}

// Read reads the file logs/INSTANCE of the script.
func (f *fixture) Read(_ context.Context, instance string, o apiserver.LogOptions, line func([]byte) error) error {
	text, err := os.ReadFile(filepath.Join(f.dir, "logs", instance))
	if err != nil {
		return err
	}
	all := strings.SplitAfter(string(text), "\n")
	all = slices.DeleteFunc(all, func(s string) bool { return s == "" })
	if o.Tail >= 0 {
		all = all[max(0, len(all)-o.Tail):]
	}
	o.Begin(0)
	for _, l := range all {
		if err := line([]byte(l)); err != nil {
			return err
		}
	}
	return nil
}

// Plan answers what the file plan.json of the script says, and the faults of the files that it is given.
func (f *fixture) Plan(_ context.Context, stack string, files map[string]string) (*plan.Plan, []specs.Fault, error) {
	var faults []specs.Fault
	for name, text := range files {
		_, bad := specs.Load(name, []byte(text))
		faults = append(faults, bad...)
	}
	if len(faults) > 0 {
		sortFaults(faults)
		return nil, faults, nil
	}
	p := &plan.Plan{Stack: stack, Steps: []plan.Step{}}
	text, err := os.ReadFile(filepath.Join(f.dir, "plan.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil, nil
	}
	return p, nil, errors.Join(err, json.Unmarshal(text, p))
}

// Apply says what it was asked.
func (f *fixture) Apply(_ context.Context, _, digest string, prune bool, _ string, confirm time.Duration) (revision, message string, err error) {
	if confirm > 0 {
		return "r2", fmt.Sprintf("applied, to be confirmed within %s", confirm), nil
	}
	return "r2", fmt.Sprintf("applied (plan %q, prune %t)", digest, prune), nil
}

// Revisions, Manifests, Differences and Undo answer what files of the script say: revisions.yaml, show-REVISION.yaml, diff.yaml, undo.yaml.
func (f *fixture) Revisions(string) (out specs.RevisionList, err error) {
	return out, f.file("revisions.yaml", &out)
}

func (f *fixture) Manifests(_, revision string) (out specs.RevisionManifests, _ []specs.Fault, err error) {
	return out, nil, f.file("show-"+revision+".yaml", &out)
}

func (f *fixture) Differences(_, from, to string) (out specs.RevisionDiff, faults []specs.Fault, err error) {
	if to == "refused" {
		return out, []specs.Fault{{File: "web.yaml", Line: 7, Column: 3, Message: "unknown field"}}, nil
	}
	if from == to {
		return out, nil, nil
	}
	return out, nil, f.file("diff.yaml", &out)
}

func (f *fixture) Undo(_ context.Context, _ string, a specs.UndoRequest) (out specs.Undone, _ []specs.Fault, err error) {
	if err := f.file("undo.yaml", &out); err != nil || a.DryRun {
		return out, nil, err
	}
	out.Message = fmt.Sprintf("went back (revision %q, plan %q, prune %t)", a.Revision, a.Plan, a.Prune)
	return out, nil, nil
}

func (f *fixture) Retry(context.Context, string, string) (revision, message string, err error) {
	return "r2", "1 updated", nil
}

func (f *fixture) Steer(_ context.Context, _ string, action specs.RolloutAction, _ string) (string, []specs.Fault, error) {
	return "rollout: " + string(action), nil, nil
}

// file reads a file of the script.
func (f *fixture) file(name string, into any) error {
	text, err := os.ReadFile(filepath.Join(f.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", name, store.ErrNotFound)
	}
	return errors.Join(err, yaml.UnmarshalStrict(text, into))
}

func (f *fixture) reload(context.Context, string) error { return nil }

// Info of an operator with one warning, and the conditions that the file conditions.yaml of the script says. Its pids are of no process of
// any host.
func (f *fixture) Info(context.Context) apiserver.HostInfo {
	var conditions []metav1.Condition
	if text, err := os.ReadFile(filepath.Join(f.dir, "conditions.yaml")); err == nil {
		_ = yaml.UnmarshalStrict(text, &conditions)
	}
	return apiserver.HostInfo{Conditions: conditions, Version: "v0.1.0", PID: 5000002, GuardianPID: 5000001, State: "/var/lib/mirroros", Manifests: "/srv/stack", Run: "/run/mirroros",
		Started: testNow.Add(-time.Hour), Capabilities: map[string]any{"pidfs": true, "cgroupV2": "/sys/fs/cgroup/mirroros"},
		Warnings: []string{"the state directory is nearly full"}}
}

// Shutdown ends the API.
func (f *fixture) Shutdown(context.Context) error {
	f.end()
	return nil
}
