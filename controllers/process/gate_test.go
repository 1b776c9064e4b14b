package process

import (
	"context"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	. "mirroros.dev/mirroros/reconcile/reconciletest"
	"mirroros.dev/mirroros/specs"
)

// fakeGate is a data plane of one gate.
type fakeGate struct {
	mu      sync.Mutex
	address string
	ready   map[string]bool
	served  map[string]bool
	made    []string // what was given, and to whom
	drained chan struct{}
	fail    error
}

func (g *fakeGate) Active() bool { return true }

func (g *fakeGate) Gates() map[string]string {
	if g.address == "" {
		return nil
	}
	return map[string]string{"front": g.address}
}

func (g *fakeGate) RouteReady(name string) bool             { return g.ready[name] }
func (g *fakeGate) Served(process string) bool              { return g.served[process] }
func (g *fakeGate) Admit(string, map[string]*os.File) error { return nil }
func (g *fakeGate) Admitted(string)                         {}

func (g *fakeGate) TokenFile(instance string) string { return "/run/tokens/" + instance }

func (g *fakeGate) Drain(ctx context.Context, addresses []string) {
	select {
	case <-g.drained:
	case <-ctx.Done():
	}
}

func (g *fakeGate) Settle(context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.made = append(g.made, "in force")
	return nil
}

func (g *fakeGate) Begin(instance, principal string, _, _ int) (string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.made = append(g.made, "file "+principal)
	return g.TokenFile(instance), g.fail
}

func (g *fakeGate) InstanceToken(_, principal string, ttl time.Duration) (string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.made = append(g.made, "token "+principal+" "+ttl.String())
	return "mgt_0123456789abcdefghij", g.fail
}

var _ = Describe("a process and the gates", func() {
	var w *world
	var g *fakeGate
	BeforeEach(func() {
		g = &fakeGate{address: "http://127.0.0.1:8088", ready: map[string]bool{}, served: map[string]bool{}, drained: make(chan struct{})}
		w = newWorld(GinkgoTB())
		w.gate = g
		w.restartOperator()
		gate := &specs.Gate{ObjectMeta: metav1.ObjectMeta{Name: "front"}, Spec: specs.GateSpec{Listen: specs.GateListen{Address: "127.0.0.1:8088"}}}
		specs.Default(gate)
		_, err := w.client.Create(context.Background(), gate)
		Expect(err).NotTo(HaveOccurred())
	})
	started := func(name string) []string {
		GinkgoHelper()
		w.rt.mu.Lock()
		defer w.rt.mu.Unlock()
		for id, s := range w.rt.specs {
			if strings.HasPrefix(id, name+"-") {
				return append(slices.Clone(s.Argv), s.Env...)
			}
		}
		Fail(name + " was not started")
		return nil
	}
	token := func(p *specs.Process) {
		p.Spec.Env = append(p.Spec.Env, specs.EnvVar{Name: "KEY", ValueFrom: &specs.EnvVarSource{Token: &specs.TokenSource{TTL: &metav1.Duration{Duration: time.Hour}}}})
	}

	It("gives every instance its token file and the gates' addresses, and a token where one is asked for", func() {
		w.put(proc("agent", token, func(p *specs.Process) { p.Spec.Principal = "coder" }))
		w.wait(time.Minute)
		env := started("agent")
		Expect(env).To(ContainElement("MIRROROS_GATE_FRONT=http://127.0.0.1:8088"))
		Expect(env).To(ContainElement(HavePrefix("MIRROROS_TOKEN_FILE=/run/tokens/agent-")))
		Expect(env).To(ContainElement("KEY=mgt_0123456789abcdefghij"))
		Expect(g.made).To(Equal([]string{"file coder", "token coder 1h0m0s", "in force"}))
	})

	It("gets a token for a day when it does not say for how long", func() {
		w.put(proc("agent", func(p *specs.Process) {
			p.Spec.Env = []specs.EnvVar{{Name: "KEY", ValueFrom: &specs.EnvVarSource{Token: &specs.TokenSource{}}}}
		}))
		w.wait(time.Minute)
		Expect(g.made).To(ContainElement("token process/agent 24h0m0s"))
	})

	It("is its own principal when it names none", func() {
		w.put(proc("web"))
		w.wait(time.Minute)
		Expect(g.made).To(Equal([]string{"file process/web"}))
	})

	It("makes nothing while it plans or looks", func() {
		w.put(proc("agent", token))
		w.wait(time.Minute)
		before := len(g.made)
		_ = w.planned(map[string]*specs.Process{"agent": w.process("agent"), "other": proc("other", token)})
		w.restartOperator()
		w.wait(time.Minute)
		Expect(g.made).To(HaveLen(before))
	})

	It("says why it cannot start when its token cannot be made", func() {
		g.fail = context.DeadlineExceeded
		w.put(proc("web"))
		w.wait(time.Second)
		Expect(w.process("web").Status.ReadyReplicas).To(BeZero())
		Expect(w.instances("web")[0].Status.State.Waiting.Reason).To(Equal(specs.ReasonCannotStart))
	})

	It("waits for a route, and for a gate that it names", func() {
		g.address = ""
		rt := &specs.Route{ObjectMeta: metav1.ObjectMeta{Name: "chat"}, Spec: specs.RouteSpec{Gate: "front", Protocol: specs.ProtocolOpenAI}}
		specs.Default(rt)
		_, err := w.client.Create(context.Background(), rt)
		Expect(err).NotTo(HaveOccurred())
		w.put(proc("agent", func(p *specs.Process) {
			p.Spec.DependsOn = []specs.Dependency{{Route: "chat", Condition: specs.DependencyReady}}
			p.Spec.Args = []string{"$(MIRROROS_GATE_FRONT)/v1"}
		}))
		w.wait(time.Second)
		Expect(w.process("agent")).To(HaveCondition("Ready", "False", "WaitingForDependency"))
		g.ready["chat"] = true
		w.add("agent")
		w.wait(time.Second)
		Expect(w.process("agent")).To(HaveCondition("Ready", "False", "WaitingForDependency"))
		g.address = "http://127.0.0.1:8088"
		w.add("agent")
		w.wait(time.Minute)
		Expect(started("agent")).To(ContainElement("http://127.0.0.1:8088/v1"))
	})

	It("has what a gate sends requests to drained before it is stopped", func() {
		g.served["model"] = true
		w.put(proc("model", func(p *specs.Process) { p.Spec.Ports = []specs.ProcessPort{{Name: "http"}} }))
		w.wait(time.Minute)
		w.rt.takeLog()
		w.edit("model", func(p *specs.Process) { p.Spec.Version = "2" })
		w.wait(time.Millisecond)
		Expect(w.rt.takeLog()).To(BeEmpty(), "a request goes on")
		Expect(slices.ContainsFunc(w.instances("model"), func(i *specs.Instance) bool { return i.Status.State.Stopping != nil })).To(BeTrue())
		close(g.drained)
		for _, task := range w.r.tasks.pending {
			task(context.Background())
		}
		w.drain()
		Expect(verbs(w.rt.takeLog())).To(ContainElement("stop model/0"))
	})

	It("shows no token that a program prints", func() {
		Expect(redactor{}.text("key mgt_0123456789abcdefghijklmnop!")).To(Equal("key $(TOKEN)!"))
		Expect(redactor{}.text("mgt_ is a prefix")).To(Equal("mgt_ is a prefix"))
	})
})
