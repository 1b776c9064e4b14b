package gate

import (
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/controllers/gate/proxy"
	"mirroros.dev/mirroros/controllers/gate/proxy/control"
	"mirroros.dev/mirroros/reconcile/reconciletest"
	"mirroros.dev/mirroros/specs"
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

func defaulted[T specs.Object](list ...T) []T {
	for _, o := range list {
		specs.Default(o)
	}
	return list
}

// observedWorld is a gate with a route to a process with one ready instance, and a gate process that runs all of it.
func observedWorld(change func(*observed)) *observed {
	p := aProcess("model")
	specs.Default(p)
	o := &observed{Now: noon, Gates: defaulted(aGate("front")), Routes: defaulted(aRoute("chat", "model")), Rules: defaulted(aRule("all")),
		Processes: map[string]*specs.Process{"model": p}, Live: map[string]bool{},
		Bound: map[string]string{"gate/front": "127.0.0.1:8088"}, SystemWanted: systemProcess("/s", "/r"), System: systemProcess("/s", "/r"),
		Running: []control.Running{{Config: 1, Endpoints: 1, Identities: 1}}}
	i := &specs.Instance{Spec: specs.InstanceSpec{Process: "model"}}
	i.Status = specs.InstanceStatus{Ready: true, Ports: []specs.InstancePort{{Name: "http", Port: 20001}}, State: specs.InstanceState{Running: &specs.StateRunning{}}}
	o.Instances = map[string][]*specs.Instance{"model": {i}}
	if change != nil {
		change(o)
	}
	o.Wanted = o.wanted()
	if o.Config.Number == 0 {
		o.Config, o.Endpoints = o.config(), o.endpoints()
		o.Identities = o.identities()
		o.Ledger = o.ledger(o.Identities.Principals)
		o.Config.Number, o.Endpoints.Number, o.Identities.Number, o.Ledger.Number = 1, 1, 1, 1
	}
	return o
}

var _ = DescribeTable("deciding how a route is", func(change func(*observed), status, reason string) {
	d := decide(observedWorld(change))
	Expect(d.Routes[0].Conditions).To(reconciletest.HaveCondition("Ready", status, reason))
},
	Entry("it can serve", nil, "True", "Ready"),
	Entry("no instance is ready", func(o *observed) { o.Instances["model"][0].Status.Ready = false }, "False", "NoEndpoints"),
	Entry("its instance is being stopped", func(o *observed) {
		o.Instances["model"][0].Status.State = specs.InstanceState{Stopping: &specs.StateStopping{}}
	}, "False", "NoEndpoints"),
	Entry("its process is not there", func(o *observed) { delete(o.Processes, "model") }, "False", "RefsNotFound"),
	Entry("its gate is not there", func(o *observed) { o.Gates[0].Name = "back"; o.Bound["gate/back"] = "x" }, "False", "RefsNotFound"),
	Entry("no gate process has answered", func(o *observed) { o.Running = nil }, "Unknown", "WaitingForGate"),
	Entry("only a gate process answers that takes nobody any more", func(o *observed) { o.Running[0].Draining = true }, "Unknown", "WaitingForGate"),
	Entry("the gate runs an older configuration", func(o *observed) { o.Running[0].Config = 0 }, "False", "SnapshotPending"),
	Entry("the gate cannot load the configuration", func(o *observed) { o.Running[0].Error = "rule x: no" }, "False", "SnapshotRefused"),
	Entry("a backend broke its bounds", func(o *observed) {
		o.Running[0].Stopped = []control.Stopped{{Gate: "front", Route: "chat", Why: "process/model took 9000 output tokens of 2048"}}
	}, "False", "BoundsBroken"),
	Entry("a backend of another gate's route broke its bounds", func(o *observed) { o.Running[0].Stopped = []control.Stopped{{Gate: "back", Route: "chat"}} }, "True", "Ready"),
	Entry("the disk is full", func(o *observed) { o.Unwritten = "cannot write: no space" }, "False", "SnapshotUnwritten"),
)

var _ = DescribeTable("deciding how a gate is", func(change func(*observed), status, reason string) {
	d := decide(observedWorld(change))
	Expect(d.Gates[0].Conditions).To(reconciletest.HaveCondition("Ready", status, reason))
},
	Entry("it serves", nil, "True", "Serving"),
	Entry("its address is another's", func(o *observed) { o.Faults = map[string]string{"gate/front": "in use by nginx (pid 7)"} }, "False", "CannotListen"),
	Entry("the gate process lacks its socket", func(o *observed) { o.Running[0].Missing = []string{"gate/front"} }, "False", "SnapshotPending"),
)

var _ = DescribeTable("deciding whether a gate can know workloads by their process", func(told bool, change func(*observed)) {
	d := decide(observedWorld(func(o *observed) {
		o.Gates[0].Spec.Authentication = &specs.GateAuthentication{PeerCredentials: new(true)}
		o.Runs = []Workload{{Instance: "model-0", Process: "model", PID: 7, Inode: 70}}
		change(o)
	}))
	of := HaveField("Type", "Degraded")
	if !told {
		Expect(d.Gates[0].Conditions).NotTo(ContainElement(of))
		return
	}
	Expect(d.Gates[0].Conditions).To(reconciletest.HaveCondition("Degraded", "True", "NoCgroups"))
},
	Entry("without cgroups nobody is known by TCP", true, func(*observed) {}),
	Entry("with cgroups they are", false, func(o *observed) { o.Runs[0].CgroupID = 700 }),
	Entry("by a unix socket they are", false, func(o *observed) { o.Gates[0].Spec.Listen = specs.GateListen{Unix: "front.sock"} }),
	Entry("when nobody asks for it nothing is said", false, func(o *observed) { o.Gates[0].Spec.Authentication = nil }),
)

var _ = DescribeTable("deciding how a rule is", func(change func(*specs.GateRule), status, reason string) {
	d := decide(observedWorld(func(o *observed) { change(o.Rules[0]) }))
	Expect(d.Rules[0].Conditions).To(reconciletest.HaveCondition("Ready", status, reason))
},
	Entry("it is in force", func(*specs.GateRule) {}, "True", "Serving"),
	Entry("it is counted only", func(r *specs.GateRule) { r.Spec.Mode = specs.RuleShadow }, "True", "Shadow"),
	Entry("it has ended", func(r *specs.GateRule) { r.Spec.Expires = metav1.NewTime(noon) }, "True", "Expired"),
)

var _ = Describe("deciding", func() {
	It("does nothing when all is as it should be", func() {
		d := decide(observedWorld(nil))
		Expect(d.acts()).To(BeFalse(), "%+v", d)
	})

	It("does nothing at all without gates and service ports", func() {
		p := aProcess("model")
		d := decide(&observed{Now: noon, Processes: map[string]*specs.Process{"model": p}, Wanted: map[string]string{}, SystemWanted: systemProcess("/s", "/r")})
		Expect(d.acts()).To(BeFalse(), "%+v", d)
		Expect(d.Result.RequeueAfter).To(BeZero())
	})

	It("writes only the document that changed, under the next number", func() {
		o := observedWorld(nil)
		o.Instances["model"][0].Status.Ready = false
		d := decide(o)
		Expect(d.Config).To(BeNil())
		Expect(d.Identities).To(BeNil())
		Expect(d.Endpoints).To(Equal(&proxy.Endpoints{Number: 2, Ready: map[string][]string{"model:http": {}}}))
	})

	It("starts the gate's process when there is a gate, changes it when it is another, and stops it with the last", func() {
		o := observedWorld(func(o *observed) { o.System = nil })
		Expect(decide(o).Start).To(BeTrue())
		o = observedWorld(func(o *observed) { o.System.Spec.Command = []string{"other"} })
		Expect(decide(o).Start).To(BeTrue())
		o = observedWorld(nil)
		o.Gates = nil
		d := decide(o)
		Expect(d.Stop).To(BeTrue())
		Expect(d.Sockets).To(BeEmpty())
		Expect(d.Sockets).NotTo(BeNil())
	})

	It("makes a socket and a service for each service port", func() {
		o := observedWorld(func(o *observed) {
			o.Processes["model"].Spec.Ports[0].ServicePort, o.Processes["model"].Spec.Ports[0].AppProtocol = 11434, specs.AppHTTP
		})
		Expect(o.Wanted).To(HaveKeyWithValue("service/model:http", "127.0.0.1:11434"))
		Expect(o.Config.Services).To(Equal([]proxy.ServiceConfig{{Name: "model:http", Listener: "service/model:http", Protocol: "HTTP", Endpoints: "model:http"}}))
		Expect(o.Endpoints.Ready).To(HaveKeyWithValue("model:http", []string{"127.0.0.1:20001"}))
	})

	It("puts rules in the order in which they are tried", func() {
		o := observedWorld(func(o *observed) {
			n := func(i int32) func(*specs.GateRuleSpec) { return func(s *specs.GateRuleSpec) { s.Priority = &i } }
			deny := func(s *specs.GateRuleSpec) { s.Action = specs.RuleDeny }
			o.Rules = defaulted(aRule("b", n(10)), aRule("a", n(10)), aRule("z", n(10), deny), aRule("first", n(1)), aRule("last"),
				aRule("elsewhere", func(s *specs.GateRuleSpec) { s.Gates = []string{"back"} }))
		})
		var names []string
		for _, r := range o.Config.Gates[0].Rules {
			names = append(names, r.Name)
		}
		Expect(names).To(Equal([]string{"first", "z", "a", "b", "last"}))
	})

	It("holds a route to the locality of its stack, and one of no stack to LocalFirst", func() {
		o := observedWorld(func(o *observed) {
			o.Locality = map[string]specs.Locality{"home": specs.LocalitySealed}
			o.Routes = defaulted(aRoute("a", "model"), aRoute("b", "model"))
			o.Routes[0].Labels = map[string]string{specs.LabelStack: "home"}
		})
		Expect(o.Config.Gates[0].Routes[0].Locality).To(Equal(proxy.Sealed))
		Expect(o.Config.Gates[0].Routes[1].Locality).To(Equal(proxy.LocalFirst))
	})

	It("gives a backend its secret by path only, from the directory of the manifest", func() {
		o := observedWorld(func(o *observed) {
			o.Dirs = map[string]string{"chat": "/srv/stack"}
			o.Routes[0].Spec.Backends = []specs.RouteBackend{{URL: "https://api.example.com", Remote: true,
				Auth: &specs.BackendAuth{ValueFrom: specs.BackendAuthSource{File: &specs.FileSource{Path: "key"}}}}}
		})
		b := o.Config.Gates[0].Routes[0].Backends[0]
		Expect([]string{b.AuthHeader, b.AuthPrefix, b.AuthFile, b.Name}).To(Equal([]string{"Authorization", "Bearer ", "/srv/stack/key", "api.example.com"}))
	})

	It("knows every process by itself unless it acts as somebody else", func() {
		agent := aProcess("agent", func(s *specs.ProcessSpec) { s.Principal = "coder" })
		o := observedWorld(func(o *observed) { o.Processes["agent"], o.Principals = agent, defaulted(aPrincipal("coder")) })
		var names []string
		for _, p := range o.Identities.Principals {
			names = append(names, p.Name)
		}
		Expect(names).To(Equal([]string{"coder", "process/model", specs.PrincipalAnonymous}))
	})
})

var _ = DescribeTable("deciding where a route goes that was pointed at another process", func(change func(*observed), name string) {
	o := observedWorld(nil)
	other := aProcess("other")
	specs.Default(other)
	o.Processes["other"] = other
	o.Routes = defaulted(aRoute("chat", "other"))
	change(o)
	d := decide(o)
	c := o.config()
	Expect(c.Gates[0].Routes[0].Backends).To(ConsistOf(HaveField("Name", name)))
	Expect(o.endpoints().Ready).To(HaveKey(c.Gates[0].Routes[0].Backends[0].Endpoints))
	if name == "process/model" {
		Expect(d.Routes[0].Conditions).To(ContainElement(HaveField("Message", ContainSubstring("until one is, process/model goes on"))))
	}
},
	Entry("until that is ready it goes where it went", func(*observed) {}, "process/model"),
	Entry("when that is ready it goes there", func(o *observed) {
		in := specs.Copy(o.Instances["model"][0])
		in.Spec.Process, in.Status.Ports[0].Port = "other", 20002
		o.Instances["other"] = []*specs.Instance{in}
	}, "process/other"),
	Entry("when the former cannot serve either it goes there", func(o *observed) { o.Instances["model"][0].Status.Ready = false }, "process/other"),
	Entry("when the former is removed it goes there", func(o *observed) { delete(o.Processes, "model") }, "process/other"),
)

var _ = DescribeTable("deciding what serves after an operator's death", func(change func(*observed), want ...string) {
	o := observedWorld(func(o *observed) {
		in := o.Instances["model"][0]
		in.Name, in.Status.Ready = "model-0", false
		o.Live = map[string]bool{"model-0": true}
		o.Runs = []Workload{{Instance: "model-0", Process: "model"}}
		o.Inherited, o.Settled = map[string][]string{endpointsName("model", "http"): {"127.0.0.1:20001"}}, noon.Add(settleTime)
		change(o)
	})
	Expect(o.endpoints().Ready[endpointsName("model", "http")]).To(Equal(append([]string{}, want...)))
	if o.Inherited != nil {
		Expect(decide(o).Result.RequeueAfter).To(Equal(settleTime))
	}
},
	Entry("what served goes on, though it is not known yet whether it is ready", func(*observed) {}, "127.0.0.1:20001"),
	Entry("also when the store has lost the instance, and knows it by what runs alone", func(o *observed) { delete(o.Instances, "model") }, "127.0.0.1:20001"),
	Entry("what is ready is there once", func(o *observed) { o.Instances["model"][0].Status.Ready = true }, "127.0.0.1:20001"),
	Entry("what is being stopped is taken out", func(o *observed) {
		o.Instances["model"][0].Status.State = specs.InstanceState{Stopping: &specs.StateStopping{}}
	}),
	Entry("what does not run any more is taken out", func(o *observed) { o.Live, o.Runs = map[string]bool{}, nil }),
	Entry("when the operator has had its time, what is not ready is taken out", func(o *observed) { o.Inherited = nil }),
)

var _ = Describe("tokens in time", func() {
	day := func(change func(*token)) token {
		t := token{TokenEntry: proxy.TokenEntry{ID: "t", Principal: "coder", Expires: noon.Add(24 * time.Hour)}, Created: noon}
		if change != nil {
			change(&t)
		}
		return t
	}
	decideAt := func(at time.Time, live bool, t ...token) decision {
		return decide(observedWorld(func(o *observed) {
			o.Now, o.Tokens, o.Live = at, t, map[string]bool{"i": live}
			o.Principals = defaulted(aPrincipal("coder"))
		}))
	}

	It("tells once that one ends soon, and takes it out when it has ended", func() {
		Expect(decideAt(noon, false, day(nil)).Result.RequeueAfter).To(BeNumerically("~", 21*time.Hour+36*time.Minute, time.Second))
		d := decideAt(noon.Add(22*time.Hour), false, day(nil))
		Expect(d.Expiring).To(HaveLen(1))
		Expect(d.Result.RequeueAfter).To(Equal(2 * time.Hour))
		Expect(decideAt(noon.Add(22*time.Hour), false, day(func(t *token) { t.Warned = true })).Expiring).To(BeEmpty())
		d = decideAt(noon.Add(24*time.Hour), false, day(nil))
		Expect(d.Expired).To(Equal([]string{"t"}))
		Expect(d.Principals[0].Tokens).To(BeZero())
	})

	It("ends those of an instance with it, and waits for one that is about to start", func() {
		of := func(ran bool) token { return day(func(t *token) { t.Instance, t.ran, t.File = "i", ran, true }) }
		Expect(decideAt(noon, true, of(true)).Ended).To(BeEmpty())
		Expect(decideAt(noon, false, of(true)).Ended).To(Equal([]string{"i"}))
		Expect(decideAt(noon, false, of(false)).Ended).To(BeEmpty())
		Expect(decideAt(noon.Add(startPatience), false, of(false)).Ended).To(Equal([]string{"i"}))
	})

	It("renews the file of an instance every hour, by its newest token", func() {
		old := day(func(t *token) { t.Instance, t.ran, t.File, t.ID = "i", true, true, "old" })
		young := day(func(t *token) { t.Instance, t.ran, t.File, t.Created = "i", true, true, noon.Add(50*time.Minute) })
		Expect(decideAt(noon.Add(rotateEvery), true, old).Rotate).To(HaveLen(1))
		d := decideAt(noon.Add(rotateEvery), true, old, young)
		Expect(d.Rotate).To(BeEmpty())
		Expect(d.Result.RequeueAfter).To(Equal(50 * time.Minute))
	})

	It("counts those of people and the instances that act as a principal apart", func() {
		d := decideAt(noon, true, day(nil), day(func(t *token) { t.Instance, t.ID = "i", "x" }), day(func(t *token) { t.Instance, t.ID = "i", "y" }))
		Expect(d.Principals[0].Tokens).To(BeEquivalentTo(1))
		Expect(d.Principals[0].Instances).To(BeEquivalentTo(1))
		Expect(slices.Contains([]time.Time{noon.Add(24 * time.Hour)}, d.Principals[0].NextExpiry.UTC())).To(BeTrue())
	})
})
