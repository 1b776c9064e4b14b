package gate

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/gate/proxy"
	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/queue"
	"mirroros.dev/mirroros/reconcile/reconciletest"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

var _ = Describe("reconciling the data plane", func() {
	var w *world
	ctx := context.Background()
	BeforeEach(func() { w = newWorld() })
	// settles has the reconciler called when it asks, one call at a time, as the manager does.
	settles := func() {
		var one sync.Mutex
		var calls sync.WaitGroup
		r := w.Reconciler
		r.enqueue = func(reconcile.Request, queue.Priority) {
			calls.Go(func() {
				one.Lock()
				defer one.Unlock()
				_, _ = r.Reconcile(ctx, request)
			})
		}
		DeferCleanup(calls.Wait)
	}

	It("tells of the doors of instances that live, and wants no others", func() {
		w.serves = true
		w.put(aGate("front"), aProcess("model"))
		w.serve("model", "model-h-0", 20001, true)
		null, err := os.Open(os.DevNull)
		Expect(err).NotTo(HaveOccurred())
		Expect(w.Admit("door/front/model-h-0", null)).To(Succeed())
		w.admitted["door/front/gone-h-0"] = true
		w.live = []Workload{{Instance: "model-h-0", Process: "model", PID: 7}}
		w.reconcile()
		Expect(w.wanted).To(And(HaveKeyWithValue("door/front/model-h-0", "door"), Not(HaveKey("door/front/gone-h-0"))))
		Expect(w.docs.identities.Doors).To(Equal([]proxy.DoorEntry{{Listener: "door/front/model-h-0", Gate: "front", Instance: "model-h-0"}}))
		Expect(w.docs.identities.Workloads).To(ContainElement(HaveField("Instance", "model-h-0")), "by which the gate knows as whom it calls")
		w.live = nil
		w.reconcile()
		Expect(w.wanted).NotTo(HaveKey("door/front/model-h-0"))
		Expect(w.docs.identities.Doors).To(BeEmpty())
	})

	It("brings it up, and then does nothing", func() {
		w.serves = true
		w.put(aGate("front"), aProcess("model"), aRoute("chat", "model"), aRule("all"), aPrincipal("coder"))
		w.serve("model", "model-h-0", 20001, true)
		w.reconcile()
		g, _ := reconcile.Get[*specs.Gate](w.client, "front")
		Expect(g).To(reconciletest.HaveCondition("Ready", "True", "Serving"))
		Expect(g.Status.Address).To(Equal("127.0.0.1:8088"))
		rt, _ := reconcile.Get[*specs.Route](w.client, "chat")
		Expect(rt).To(reconciletest.HaveCondition("Ready", "True", "Ready"))
		Expect(w.RouteReady("chat")).To(BeTrue())
		Expect(w.Gates()).To(Equal(map[string]string{"front": "http://127.0.0.1:8088"}))
		p, ok := reconcile.Get[*specs.Process](w.client, specs.SystemProcess)
		Expect(ok).To(BeTrue())
		Expect(p.Labels).To(HaveKeyWithValue(specs.LabelSystem, "true"))
		before := w.reloads
		Expect(func() { w.reconcile() }).To(reconciletest.BeNoOp(w.client.Store()))
		Expect(w.reloads).To(Equal(before))
		By("nor does the next operator")
		w.open()
		w.reconcile() // asks for its sockets
		Expect(w.docs.config.Number).To(BeEquivalentTo(1))
		Expect(func() { w.reconcile() }).To(reconciletest.BeNoOp(w.client.Store()))
	})

	It("says why it cannot be, and mends it when it can", func() {
		w.taken = map[string]string{"127.0.0.1:8088": "nginx (pid 7)"}
		w.serves = true
		w.put(aGate("front"))
		w.reconcile()
		g, _ := reconcile.Get[*specs.Gate](w.client, "front")
		Expect(g).To(reconciletest.HaveCondition("Ready", "False", "CannotListen"))
		Expect(g.Status.Conditions[0].Message).To(ContainSubstring("nginx"))
		w.taken = nil
		w.reconcile()
		g, _ = reconcile.Get[*specs.Gate](w.client, "front")
		Expect(g).To(reconciletest.HaveCondition("Ready", "False", "CannotListen"), "nobody tells that an address is free")
		w.now = w.now.Add(socketPatience)
		w.reconcile()
		g, _ = reconcile.Get[*specs.Gate](w.client, "front")
		Expect(g).To(reconciletest.HaveCondition("Ready", "True", "Serving"))
	})

	It("keeps what is in force when the files cannot be written", func() {
		w.serves = true
		w.put(aGate("front"))
		w.reconcile()
		gateDir := filepath.Join(w.dir, "state", "gate")
		Expect(os.RemoveAll(gateDir)).To(Succeed())
		Expect(os.WriteFile(gateDir, nil, 0o600)).To(Succeed())
		w.put(aRule("all"))
		_, err := w.Reconcile(ctx, request)
		Expect(err).To(HaveOccurred())
		ru, _ := reconcile.Get[*specs.GateRule](w.client, "all")
		Expect(ru).To(reconciletest.HaveCondition("Ready", "False", "SnapshotUnwritten"))
		Expect(os.Remove(gateDir)).To(Succeed())
		w.reconcile()
		ru, _ = reconcile.Get[*specs.GateRule](w.client, "all")
		Expect(ru).To(reconciletest.HaveCondition("Ready", "True", "Serving"))
	})

	It("makes tokens that are in force at once, and nowhere in clear", func() {
		settles()
		w.put(aGate("front"), aPrincipal("coder"), aProcess("model"), aRoute("chat", "model"))
		w.reconcile()
		t, text, err := w.CreateToken(ctx, "coder", Issue{TTL: time.Hour, Scope: []string{"chat"}, By: "root", Reason: "test"})
		Expect(err).NotTo(HaveOccurred())
		Expect(text).To(HavePrefix(tokenPrefix))
		Expect(w.docs.identities.Tokens).To(HaveLen(1))
		Expect(w.records).To(HaveLen(1))
		Expect(filepath.WalkDir(w.dir, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := os.ReadFile(path)
			Expect(string(b)).NotTo(ContainSubstring(text), path)
			return err
		})).To(Succeed())
		Expect(strings.Join(w.events, "")).NotTo(ContainSubstring(text))
		Expect(w.Tokens("coder")).To(HaveLen(1))
		By("and the next operator knows it")
		w.open()
		settles()
		Expect(w.Tokens("")).To(HaveLen(1))
		Expect(w.RevokeTokens(ctx, "coder", nil, "root")).To(Equal([]string{t.ID}))
		Expect(w.docs.identities.Tokens).To(BeEmpty())
		_, err = w.RevokeTokens(ctx, "coder", nil, "root")
		Expect(err).To(MatchError(store.ErrNotFound))
	})

	DescribeTable("refuses tokens", func(principal string, i Issue, word string) {
		w.put(aPrincipal("coder"))
		_, _, err := w.CreateToken(ctx, principal, i)
		Expect(err).To(MatchError(ContainSubstring(word)))
		Expect(w.Tokens("")).To(BeEmpty())
	},
		Entry("of nobody", "nobody", Issue{}, "not found"),
		Entry("for too long", "coder", Issue{TTL: 1000 * time.Hour}, "maxTTL is 720h"),
		Entry("for no time", "coder", Issue{TTL: time.Second}, "the shortest is 1m"),
		Entry("for a route that is not there", "coder", Issue{Scope: []string{"x"}}, "no such route"),
	)

	It("makes no token that is not recorded", func() {
		w.put(aPrincipal("coder"))
		w.unlogged = errFull
		_, _, err := w.CreateToken(ctx, "coder", Issue{})
		Expect(err).To(MatchError(errFull))
		Expect(w.Tokens("")).To(BeEmpty())
	})

	It("gives an instance a file of its own, renews it, and takes it away", func() {
		w.put(aGate("front"), aProcess("model"))
		w.reconcile()
		path, err := w.Begin("model-h-0", "process/model", -1, -1)
		Expect(err).NotTo(HaveOccurred())
		w.live = []Workload{{Instance: "model-h-0", Process: "model", PID: 7}}
		first, err := os.ReadFile(path)
		Expect(err).NotTo(HaveOccurred())
		info, err := os.Stat(path)
		Expect(err).NotTo(HaveOccurred())
		Expect(info.Mode().Perm()).To(BeEquivalentTo(0o400))
		w.reconcile()
		Expect(w.docs.identities.Tokens).To(HaveLen(1))
		w.now = w.now.Add(rotateEvery)
		w.reconcile()
		second, err := os.ReadFile(path)
		Expect(err).NotTo(HaveOccurred())
		Expect(second).NotTo(Equal(first))
		Expect(w.docs.identities.Tokens).To(HaveLen(2), "the one before is good for an hour more")
		w.live = nil
		w.reconcile()
		Expect(w.docs.identities.Tokens).To(BeEmpty())
		Expect(path).NotTo(BeAnExistingFile())
	})

	It("starts an instance again without what its run before knew", func() {
		w.put(aGate("front"), aProcess("model"))
		w.reconcile()
		_, err := w.Begin("model-h-0", "process/model", -1, -1)
		Expect(err).NotTo(HaveOccurred())
		_, err = w.InstanceToken("model-h-0", "process/model", time.Hour)
		Expect(err).NotTo(HaveOccurred())
		old := w.tokens.list()
		_, err = w.Begin("model-h-0", "process/model", -1, -1)
		Expect(err).NotTo(HaveOccurred())
		now := w.tokens.list()
		Expect(now).To(HaveLen(1))
		for _, o := range old {
			Expect(now[0].ID).NotTo(Equal(o.ID))
		}
	})

	It("drains an instance: no gate sends it anything, and what was sent has ended", func() {
		w.serves = true
		w.put(aGate("front"), aProcess("model"), aRoute("chat", "model"))
		w.serve("model", "model-h-0", 20001, true)
		w.reconcile()
		Expect(w.Served("model")).To(BeTrue())
		Expect(w.Served("mode")).To(BeFalse())
		drained := make(chan struct{})
		go func() { w.Drain(ctx, []string{"127.0.0.1:20001"}); close(drained) }()
		i, _ := reconcile.Get[*specs.Instance](w.client, "model-h-0")
		i = specs.Copy(i)
		i.Status.State, i.ResourceVersion = specs.InstanceState{Stopping: &specs.StateStopping{}}, ""
		_, err := w.client.UpdateStatus(ctx, i)
		Expect(err).NotTo(HaveOccurred())
		w.leaving = []string{"127.0.0.1:20001"}
		w.reconcile()
		Expect(w.docs.endpoints.Ready["model:http"]).To(BeEmpty())
		Expect(drained).NotTo(BeClosed(), "a request goes on")
		w.mu.Lock()
		w.running[0].Leaving = nil
		w.mu.Unlock()
		w.reconcile()
		Eventually(drained).Should(BeClosed())
	})

	It("keeps configurations by their numbers, but not for ever", func() {
		w.put(aGate("front"))
		for i := range keptConfigs + 3 {
			w.put(aRule(string(rune('a'+i%26)) + string(rune('a'+i/26))))
			w.reconcile()
		}
		kept, err := os.ReadDir(filepath.Join(w.dir, "state", "gate", "history"))
		Expect(err).NotTo(HaveOccurred())
		Expect(len(kept)).To(Equal(keptConfigs))
		var c proxy.Config
		Expect(readJSON(w.historyFile(w.docs.config.Number), &c)).To(Succeed())
		Expect(c.Gates[0].Rules).To(HaveLen(keptConfigs + 3))
	})
})
