package gate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/controllers/budget/ledger"
	"mirroros.dev/mirroros/controllers/gate/proxy"
	"mirroros.dev/mirroros/controllers/gate/proxy/control"
	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/audit"
	"mirroros.dev/mirroros/reconcile/reconciletest"
	"mirroros.dev/mirroros/specs"
)

// world is a reconciler over a real store and directory, with sockets and a gate that are not real.
type world struct {
	*Reconciler
	client *reconcile.Client
	dir    string
	now    time.Time

	mu       sync.Mutex
	running  []control.Running // what the gate says; it follows the files when it serves
	serves   bool
	refuses  string
	leaving  []string
	taken    map[string]string // addresses that somebody else has
	wanted   map[string]string
	admitted map[string]bool
	reloads  int
	live     []Workload
	events   []string
	records  []audit.Record
	unlogged error
	budgeted int
}

func newWorld() *world {
	w := &world{admitted: map[string]bool{}, client: reconciletest.TempClient(GinkgoTB()), dir: GinkgoT().TempDir(), now: time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)}
	w.open()
	return w
}

// open makes the reconciler, as an operator that starts does.
func (w *world) open() {
	r, err := New(Options{Client: w.client, Recorder: w, Sockets: w, Line: w, Audit: w, StateDir: filepath.Join(w.dir, "state"), RunDir: filepath.Join(w.dir, "run"),
		Budgeted:  func() { w.budgeted++ },
		Workloads: func() []Workload { w.mu.Lock(); defer w.mu.Unlock(); return slices.Clone(w.live) },
		Now:       func() time.Time { return w.now }})
	Expect(err).NotTo(HaveOccurred())
	w.Reconciler = r
}

func (w *world) put(objects ...specs.Object) {
	GinkgoHelper()
	for _, o := range objects {
		specs.Default(o)
		_, err := w.client.Create(context.Background(), o)
		Expect(err).NotTo(HaveOccurred())
	}
}

func (w *world) reconcile() reconcile.Result {
	GinkgoHelper()
	res, err := w.Reconcile(context.Background(), request)
	Expect(err).NotTo(HaveOccurred())
	return res
}

func (w *world) Event(o specs.Object, _, reason, message string) {
	w.events = append(w.events, fmt.Sprintf("%s %s: %s", o.GetName(), reason, message))
}

func (w *world) Names() []string { return slices.Sorted(maps.Keys(w.admitted)) }

func (w *world) Admit(name string, f *os.File) error {
	w.admitted[name] = true
	return f.Close()
}

func (w *world) Settle(string) {}

func (w *world) Ensure(wanted map[string]string) (bound, faults map[string]string) {
	w.wanted, bound, faults = maps.Clone(wanted), map[string]string{}, map[string]string{}
	for name, address := range wanted {
		if who, ok := w.taken[address]; ok {
			faults[name] = "address " + address + " is in use by " + who
		} else {
			bound[name] = address
		}
	}
	return bound, faults
}

func (w *world) Running() []control.Running {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.running)
}

func (w *world) Reload(context.Context) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reloads++
	if !w.serves {
		return
	}
	var d documents
	for name, v := range map[string]any{proxy.ConfigFile: &d.config, proxy.EndpointsFile: &d.endpoints, proxy.IdentitiesFile: &d.identities} {
		if err := readJSON(filepath.Join(w.dir, "state", "gate", name), v); err != nil {
			Fail(err.Error())
		}
	}
	r := control.Running{Config: d.config.Number, Endpoints: d.endpoints.Number, Identities: d.identities.Number, Error: w.refuses, Leaving: w.leaving}
	var budgets ledger.Config
	if err := readJSON(filepath.Join(w.dir, "state", "gate", ledger.ConfigFile), &budgets); err != nil {
		Fail(err.Error())
	}
	r.Budgets = budgets.Number
	if w.refuses != "" {
		r.Config--
	}
	w.running = []control.Running{r}
}

func (w *world) Write(r *audit.Record, _ bool) error {
	if w.unlogged != nil {
		return w.unlogged
	}
	w.Post(r)
	return nil
}

func (w *world) Post(r *audit.Record) { w.records = append(w.records, *r) }

var errFull = errors.New("no space left on device")

func aGate(name string) *specs.Gate {
	return &specs.Gate{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: specs.GateSpec{Listen: specs.GateListen{Address: "127.0.0.1:8088"}}}
}

func aRoute(name, process string) *specs.Route {
	return &specs.Route{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: specs.RouteSpec{Gate: "front", Protocol: specs.ProtocolOpenAI,
		Match: specs.RouteMatch{Models: []string{name}}, Backends: []specs.RouteBackend{{Process: process, Port: "http"}}}}
}

func aRule(name string, change ...func(*specs.GateRuleSpec)) *specs.GateRule {
	r := &specs.GateRule{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: specs.GateRuleSpec{Action: specs.RuleAllow,
		Principals: &specs.PrincipalSelector{All: true}}}
	for _, c := range change {
		c(&r.Spec)
	}
	return r
}

func aPrincipal(name string) *specs.Principal {
	return &specs.Principal{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: specs.PrincipalSpec{Type: specs.PrincipalAgent}}
}

func aProcess(name string, change ...func(*specs.ProcessSpec)) *specs.Process {
	p := &specs.Process{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: specs.ProcessSpec{Command: []string{name}, Ports: []specs.ProcessPort{{Name: "http"}}}}
	for _, c := range change {
		c(&p.Spec)
	}
	return p
}

// serve puts an instance of a process into the store, ready on a port.
func (w *world) serve(process, id string, port int32, ready bool) {
	GinkgoHelper()
	i := &specs.Instance{ObjectMeta: metav1.ObjectMeta{Name: id}, Spec: specs.InstanceSpec{Process: process, TemplateHash: "h"}}
	i.Status = specs.InstanceStatus{Ready: ready, Ports: []specs.InstancePort{{Name: "http", Port: port}}, State: specs.InstanceState{Running: &specs.StateRunning{StartedAt: metav1.NewTime(w.now)}}}
	_, err := w.client.Create(context.Background(), i)
	Expect(err).NotTo(HaveOccurred())
}
