package plan_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/reconcile/plan"
	"mirroros.dev/mirroros/specs"
)

func process(name string, change ...func(*specs.Process)) *specs.Process {
	p := &specs.Process{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: specs.ProcessSpec{Command: []string{"true"}}}
	for _, c := range change {
		c(p)
	}
	specs.Default(p)
	return p
}

func needs(names ...string) func(*specs.Process) {
	return func(p *specs.Process) {
		for _, n := range names {
			p.Spec.DependsOn = append(p.Spec.DependsOn, specs.Dependency{Process: n})
		}
	}
}

// objects is a view of a few objects.
type objects map[string]*specs.Process

func (o objects) Get(_, name string) (specs.Object, bool) {
	p, ok := o[name]
	return p, ok
}

func (o objects) List(string) (out []specs.Object) {
	for _, p := range o {
		out = append(out, p)
	}
	return out
}

// kind is a kind whose objects run as one instance of their command, after those that they need; what crashed is started again.
type kind struct {
	host    map[string]string // command by name
	crashed map[string]bool
}

func (kind) Kind() string { return "Process" }

func (k kind) Names(v plan.View) (names []string) {
	for _, o := range v.List("Process") {
		names = append(names, o.GetName())
	}
	for n := range k.host {
		if _, ok := v.Get("Process", n); !ok {
			names = append(names, n)
		}
	}
	return names
}

func (k kind) Model(_ context.Context, _ plan.View, name string) (plan.Model, error) {
	return &model{name: name, runs: k.host[name], crashed: k.crashed[name]}, nil
}

type model struct {
	name, runs string
	crashed    bool
	shown      *specs.Process
}

func (m *model) Next(v plan.View) (steps []plan.Step, o specs.Object, err error) {
	act := func(verb plan.Verb, command string) {
		steps = append(steps, plan.Step{Kind: "Process", Name: m.name, Instance: m.name + "-" + command + "-0", Verb: verb})
	}
	p, ok := v.Get("Process", m.name)
	if !ok {
		if m.runs != "" {
			act(plan.Stop, m.runs)
			m.runs = ""
		}
		return steps, nil, nil
	}
	if m.shown != nil && p == specs.Object(m.shown) && m.runs != "" {
		return nil, p, nil
	}
	want := p.(*specs.Process)
	for _, d := range want.Spec.DependsOn {
		dep, ok := v.Get("Process", d.Process)
		if !ok || dep.(*specs.Process).Status.ReadyReplicas == 0 {
			return nil, p, nil
		}
	}
	if m.runs != "" && m.runs != want.Spec.Command[0] {
		act(plan.Stop, m.runs)
		m.runs = ""
	}
	if m.runs == "" || m.crashed {
		act(plan.Start, want.Spec.Command[0])
		m.runs, m.crashed = want.Spec.Command[0], false
	}
	if want.Status.ReadyReplicas == 1 {
		return steps, p, nil
	}
	m.shown = specs.Copy(want)
	m.shown.Status.ReadyReplicas = 1
	return steps, m.shown, nil
}

func (*model) Finish() bool { return false }

func run(k kind, v objects, changed ...plan.Changed) *plan.Plan {
	GinkgoHelper()
	steps, err := plan.Run(context.Background(), []plan.Kind{k}, v, changed)
	Expect(err).NotTo(HaveOccurred())
	return &plan.Plan{Steps: steps}
}

var _ = Describe("Run", func() {
	It("starts what is needed first, in waves", func() {
		p := run(kind{}, objects{},
			plan.Changed{Change: plan.Create, Kind: "Process", Name: "app", New: process("app", needs("db"))},
			plan.Changed{Change: plan.Create, Kind: "Process", Name: "db", New: process("db")})
		Expect(p.Text()).To(Equal("+ process/db     start 1 of 1    new\n+ process/app    start 1 of 1    new\n2 to start, 0 to replace, 0 to stop.\n"))
		Expect(p.Steps[0].Wave).To(BeNumerically("<", p.Steps[1].Wave))
	})

	It("shows a stop and the start in its place as one step, with what changed", func() {
		old := process("web")
		now := process("web", func(p *specs.Process) {
			p.Spec.Command = []string{"false"}
			p.Spec.Env = []specs.EnvVar{{Name: "KEY", Value: "hunter2"}}
		})
		p := run(kind{host: map[string]string{"web": "true"}}, objects{"web": old}, plan.Changed{Change: plan.Update, Kind: "Process", Name: "web", Old: old, New: now})
		Expect(p.Text()).To(Equal("~ process/web    replace 1 of 1    command, env.KEY\n0 to start, 1 to replace, 0 to stop.\n"))
	})

	It("shows a change that does nothing on the host, and a removal", func() {
		old, now := process("web"), process("web", func(p *specs.Process) { p.Spec.Why = "because" })
		p := run(kind{host: map[string]string{"web": "true", "gone": "true"}}, objects{"web": old, "gone": process("gone")},
			plan.Changed{Change: plan.Update, Kind: "Process", Name: "web", Old: old, New: now},
			plan.Changed{Change: plan.Delete, Kind: "Process", Name: "gone", Old: process("gone")})
		Expect(p.Text()).To(Equal("- process/gone    stop 1 of 1    removed\n~ process/web     write          why\n" +
			"0 to start, 0 to replace, 1 to stop, 1 to write.\n"))
	})

	It("marks what happens without the change as a repair", func() {
		k := kind{host: map[string]string{"web": "true"}, crashed: map[string]bool{"web": true}}
		p := run(k, objects{"web": process("web")}, plan.Changed{Change: plan.Create, Kind: "Process", Name: "new", New: process("new")})
		Expect(p.Text()).To(Equal("+ process/new    start 1 of 1    new\n= process/web    start 1 of 1    repair\n" +
			"1 to start, 0 to replace, 0 to stop, 1 to repair.\n"))
		Expect(p.Empty()).To(BeFalse())
		Expect(run(k, objects{"web": process("web")}).Empty()).To(BeTrue())
	})
})

var _ = DescribeTable("Fields", func(change func(*specs.Process), want ...string) {
	base := func(p *specs.Process) {
		p.Labels = map[string]string{"tier": "model"}
		p.Spec.Env = []specs.EnvVar{{Name: "A", Value: "1"}, {Name: "B", Value: "2"}}
		p.Spec.ReadinessProbe = &specs.Probe{Handler: specs.Handler{HTTPGet: &specs.HTTPGetAction{Path: "/a"}}}
	}
	Expect(plan.Fields(process("web", base), process("web", base, change))).To(Equal(want))
},
	Entry("one variable", func(p *specs.Process) { p.Spec.Env[1].Value = "3" }, "env.B"),
	Entry("a variable less", func(p *specs.Process) { p.Spec.Env = p.Spec.Env[:1] }, "env.B"),
	Entry("all variables less", func(p *specs.Process) { p.Spec.Env = nil }, "env.A", "env.B"),
	Entry("within a probe", func(p *specs.Process) { p.Spec.ReadinessProbe.HTTPGet.Path = "/b" }, "readinessProbe.httpGet.path"),
	Entry("a probe less", func(p *specs.Process) { p.Spec.ReadinessProbe = nil }, "readinessProbe"),
	Entry("a label, a dependency", func(p *specs.Process) { p.Labels["tier"] = "tool"; needs("db")(p) }, "dependsOn.db", "labels.tier"),
	Entry("the command", func(p *specs.Process) { p.Spec.Command = []string{"x", "y"} }, "command"),
	Entry("the owner's stack, which is not declared", func(p *specs.Process) { p.Labels[specs.LabelStack] = "home" }),
)

var _ = Describe("Seal", func() {
	It("gives a digest that depends on every step and everything read", func() {
		seal := func(change func(*plan.Plan)) string {
			p := &plan.Plan{Stack: "home", From: "a", To: "b", Read: map[string]string{"process/web": "1"}, Steps: []plan.Step{{Name: "web", Verb: plan.Start}}}
			change(p)
			p.Seal()
			return p.Digest
		}
		same := seal(func(*plan.Plan) {})
		Expect(seal(func(*plan.Plan) {})).To(Equal(same))
		Expect(seal(func(p *plan.Plan) { p.Blocked = "Manual" })).To(Equal(same))
		for _, change := range []func(*plan.Plan){func(p *plan.Plan) { p.To = "c" }, func(p *plan.Plan) { p.Read["process/web"] = "2" }, func(p *plan.Plan) { p.Steps[0].Verb = plan.Stop }} {
			Expect(seal(change)).NotTo(Equal(same))
		}
	})
})
