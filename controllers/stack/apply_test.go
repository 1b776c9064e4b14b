package stack_test

import (
	"context"
	"errors"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/reconciletest"
	"mirroros.dev/mirroros/reconcile/source"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

var _ = Describe("the applier", func() {
	var w *world
	BeforeEach(func() { w = newWorld(GinkgoTB()) })

	It("puts the files of a directory in force", func() {
		w.apply(map[string]string{"stack.yaml": stackFile("home"), "a.yaml": process("a"), "sub/b.yaml": process("b") + "---\n" + process("c")})
		Expect(w.processes()).To(Equal([]string{"a@home", "b@home", "c@home"}))
		st := w.stack("home").Status
		Expect(st.Live.Digest).To(Equal(st.Disk.Digest))
		Expect(st.Objects).To(ConsistOf(specs.KindCount{Kind: "Process", Declared: 3}))
		Expect(w.stack("home")).To(reconciletest.HaveCondition("Synced", "True", "Synced"))
		Expect(w.stack("home")).To(reconciletest.HaveCondition("Ready", "False", "WaitingForObjects"))
		w.ready()
		w.later(time.Second)
		Expect(w.stack("home")).To(reconciletest.HaveCondition("Ready", "True", "Synced"))
		Expect(w.events).To(ContainElement(ContainSubstring("home Applied: put revision")))
	})

	It("makes the default stack for files that no Stack owns", func() {
		w.apply(map[string]string{"a.yaml": process("a")})
		Expect(w.processes()).To(Equal([]string{"a@default"}))
		Expect(w.stack("default")).To(reconciletest.HaveCondition("Synced", "True", ""))
	})

	It("does nothing at all for an unchanged set, not after a restart either", func() {
		w.apply(map[string]string{"stack.yaml": stackFile("home"), "a.yaml": process("a"), "b.yaml": process("b")})
		w.later(3 * time.Second)
		again := func() {
			w.save(nil)
			w.later(time.Minute)
		}
		Expect(again).To(reconciletest.BeNoOp(w.store))
		w.restart()
		Expect(again).To(reconciletest.BeNoOp(w.store))
		Expect(w.events).To(BeEmpty())
	})

	It("touches only the object that was edited", func() {
		w.apply(map[string]string{"a.yaml": process("a"), "b.yaml": process("b")})
		b := w.process("b").ResourceVersion
		w.apply(map[string]string{"a.yaml": process("a", "why: because")})
		Expect(w.process("a").Spec.Why).To(Equal("because"))
		Expect(w.process("a").Generation).To(BeEquivalentTo(2))
		Expect(w.process("b").ResourceVersion).To(Equal(b))
	})

	It("writes no object for a comment, a move within the directory, or another way to write the same", func() {
		w.apply(map[string]string{"a.yaml": process("a", "why: because")})
		rv := w.process("a").ResourceVersion
		w.apply(map[string]string{"a.yaml": "", "b.yaml": "# a comment\n" + process("a", `why: "because"`)})
		Expect(w.process("a").ResourceVersion).To(Equal(rv))
		p, ok := w.r.Index().Place("Process", "a")
		Expect(ok).To(BeTrue())
		Expect(p.File).To(Equal("b.yaml"))
		Expect(w.stack("default")).To(reconciletest.HaveCondition("Synced", "True", ""))
	})

	It("tells of objects whose directory changed", func() {
		w.apply(map[string]string{"a.yaml": process("a")})
		rv := w.process("a").ResourceVersion
		Expect(w.r.Index().Dir("Process", "a")).To(Equal("/manifests"))
		w.apply(map[string]string{"a.yaml": "", "x/a.yaml": process("a")})
		Expect(w.moved).To(Equal([]string{"process/a"}))
		Expect(w.r.Index().Dir("Process", "a")).To(Equal("/manifests/x"))
		Expect(w.process("a").ResourceVersion).To(Equal(rv))
	})

	It("refuses a set whole, keeps the last good one, and names every fault", func() {
		w.apply(map[string]string{"a.yaml": process("a"), "b.yaml": process("b")})
		live := w.stack("default").Status.Live.Digest
		w.save(map[string]string{"a.yaml": process("a", "why: changed"), "b.yaml": process("b", "comand: x", "dependsOn: [{process: aa}]")})
		w.settle()
		Expect(w.process("a").Spec.Why).To(BeEmpty())
		st := w.stack("default").Status
		Expect(st.Live.Digest).To(Equal(live))
		Expect(st.Faults).To(HaveLen(1))
		Expect(st.Faults[0].String()).To(HavePrefix(`b.yaml:7:3  spec.comand: unknown field, did you mean "command"?`))
		Expect(st.LastFailed.Digest).To(Equal(st.Disk.Digest))
		Expect(w.stack("default")).To(reconciletest.HaveCondition("Stalled", "True", "ManifestsRefused"))
		Expect(w.stack("default")).To(reconciletest.HaveCondition("Ready", "False", "ManifestsRefused"))
		Expect(w.events).To(ContainElement(ContainSubstring("ManifestsRefused: b.yaml:7:3")))

		w.apply(map[string]string{"b.yaml": process("b", "dependsOn: [{process: aa}]")})
		Expect(w.stack("default").Status.Faults[0].String()).To(Equal(`b.yaml:7:25  spec.dependsOn[0].process: no process "aa", did you mean "a"?`))
		w.apply(map[string]string{"b.yaml": process("b")})
		Expect(w.process("a").Spec.Why).To(Equal("changed"))
		Expect(w.stack("default").Status.Faults).To(BeEmpty())
		Expect(w.stack("default").Status.Conditions).NotTo(ContainElement(HaveField("Type", "Stalled")))
	})

	It("keeps what others wrote into fields that the file does not set", func() {
		w.apply(map[string]string{"a.yaml": process("a", "replicas: 2")})
		p := specs.Copy(w.process("a"))
		p.Spec.Why = "by hand"
		p.Annotations = map[string]string{"example.org/note": "x"}
		_, err := w.client.Update(context.Background(), p)
		Expect(err).NotTo(HaveOccurred())
		w.apply(map[string]string{"a.yaml": process("a", "replicas: 3", "stopSignal: SIGINT")})
		p = w.process("a")
		Expect(*p.Spec.Replicas).To(BeEquivalentTo(3))
		Expect(p.Spec.StopSignal).To(Equal("SIGINT"))
		Expect(p.Spec.Why).To(Equal("by hand"))
		Expect(p.Annotations).To(HaveKeyWithValue("example.org/note", "x"))
		w.apply(map[string]string{"a.yaml": process("a")})
		Expect(*w.process("a").Spec.Replicas).To(BeEquivalentTo(1), "a field that the file dropped has its default again")
		Expect(w.process("a").Spec.Why).To(Equal("by hand"))
	})

	It("takes over an object that was made through the API", func() {
		o := &specs.Process{}
		o.Name, o.Spec.Command, o.Spec.Why = "a", []string{"true"}, "by hand"
		o.Annotations = map[string]string{specs.AnnotationDirectory: "/srv"}
		specs.Default(o)
		_, err := w.client.Create(context.Background(), o)
		Expect(err).NotTo(HaveOccurred())
		w.apply(map[string]string{"a.yaml": process("a")})
		p := w.process("a")
		Expect(p.Labels).To(HaveKeyWithValue(specs.LabelStack, "default"))
		Expect(p.Spec.Command).To(Equal([]string{"sleep", "1"}))
		Expect(p.Spec.Why).To(Equal("by hand"))
		Expect(p.Annotations).NotTo(HaveKey(specs.AnnotationDirectory))
		Expect(w.events).To(ContainElement(ContainSubstring("Adopted: process/a")))
	})

	It("puts back an object that somebody removed", func() {
		w.apply(map[string]string{"a.yaml": process("a"), "b.yaml": process("b")})
		Expect(w.client.Delete(context.Background(), store.Key{Kind: "Process", Name: "a"})).To(Succeed())
		w.later(time.Second)
		w.later(time.Second)
		Expect(w.processes()).To(Equal([]string{"a@default", "b@default"}))
	})

	It("puts what is referred to in force first, then lower waves, each as one transaction", func() {
		w.apply(map[string]string{
			"a.yaml": process("a", "dependsOn: [{process: b}]"), "b.yaml": process("b"),
			"c.yaml": withAnnotation(process("c"), specs.AnnotationWave, "-1"), "d.yaml": withAnnotation(process("d"), specs.AnnotationWave, "1"),
		})
		rv := func(name string) int { return number(w.process(name).ResourceVersion) }
		Expect(rv("c")).To(BeNumerically("<", rv("b")))
		Expect(rv("b")).To(BeNumerically("<", rv("d")))
		Expect(rv("d")).To(BeNumerically("<", rv("a")))
		w.apply(map[string]string{"b.yaml": process("b", "why: x"), "c.yaml": process("c", "why: x")})
		Expect(rv("b")).To(Equal(rv("c")))
	})

	It("goes on after a crash between any two waves", func() {
		for n := 1; ; n++ {
			w := newWorld(GinkgoTB())
			port := "ports: [{name: http, port: 8080}]"
			w.apply(map[string]string{"old.yaml": process("old"), "z.yaml": process("z"), "p.yaml": process("before", port)})
			w.save(map[string]string{
				"a.yaml": process("a", "dependsOn: [{process: b}]"), "b.yaml": process("b", "dependsOn: [{process: z}]"),
				"z.yaml": process("z", "why: x"), "old.yaml": "", "new.yaml": withAnnotation(process("new"), specs.AnnotationRenamedFrom, "old"),
				"p.yaml": process("p", port), // and one is removed
			})
			ctx := &ending{Context: context.Background(), left: n}
			w.r.Look()
			_, err := w.r.Reconcile(ctx, reconcile.Request{Kind: "Stack", Name: "default"})
			w.restart()
			w.later(time.Minute)
			Expect(w.processes()).To(Equal([]string{"a@default", "b@default", "new@default", "p@default", "z@default"}))
			Expect(w.process("z").Spec.Why).To(Equal("x"))
			Expect(w.stack("default")).To(reconciletest.HaveCondition("Synced", "True", ""))
			if err == nil {
				Expect(n).To(BeNumerically(">", 3), "there are three waves")
				return
			}
		}
	})

	It("says where git stands", func() {
		w.save(map[string]string{"a.yaml": process("a")}).Git = &source.Git{Commit: "3f2a91c0", Branch: "main", Dirty: true}
		w.settle()
		live := w.stack("default").Status.Live
		Expect([]any{live.Commit, live.Branch, live.Dirty}).To(Equal([]any{"3f2a91c0", "main", true}))
		w.save(nil).Git = &source.Git{Commit: "4f2a91c0", Branch: "main"}
		w.settle()
		live = w.stack("default").Status.Live
		Expect([]any{live.Commit, live.Branch, live.Dirty}).To(Equal([]any{"4f2a91c0", "main", false}))
		w.save(map[string]string{"a.yaml": process("a", "replicas: -1")}).Git.Dirty = true
		w.settle()
		w.restart()
		w.later(time.Minute)
		st := w.stack("default").Status
		Expect(st.Disk.Dirty).To(BeTrue())
		Expect([]any{st.Live.Commit, st.Live.Branch, st.Live.Dirty}).To(Equal([]any{"4f2a91c0", "main", false}), "the commit that was made after the save")
	})

	It("does not call what is partly held back a commit", func() {
		w.save(map[string]string{"a.yaml": process("a"), "b.yaml": process("b")}).Git = &source.Git{Commit: "3f2a91c0", Branch: "main"}
		w.settle()
		w.save(map[string]string{"a.yaml": process("a", "why: x"), "b.yaml": ""}).Git = &source.Git{Commit: "4f2a91c0", Branch: "main"}
		w.settle()
		live := w.stack("default").Status.Live
		Expect([]any{live.Commit, live.Branch, live.Dirty}).To(Equal([]any{"4f2a91c0", "main", true}), "b waits for quiet")
	})

	It("waits while git is at work, and says so after a while", func() {
		w.apply(map[string]string{"a.yaml": process("a")})
		held := w.save(map[string]string{"a.yaml": ""})
		held.Hold = &source.Hold{Reason: "GitLocked", Path: "/manifests/.git/index.lock", Since: w.now}
		w.later(10 * time.Second)
		Expect(w.processes()).To(HaveLen(1))
		Expect(w.stack("default").Status.Conditions).NotTo(ContainElement(HaveField("Type", "Stalled")))
		w.later(25 * time.Second)
		Expect(w.stack("default")).To(reconciletest.HaveCondition("Stalled", "True", "WaitingForGit"))
		Expect(w.stack("default")).To(reconciletest.HaveCondition("Synced", "False", "WaitingForGit"))
	})

	It("waits at the start too, when git is at work then", func() {
		w.apply(map[string]string{"a.yaml": process("a")})
		w.restart()
		w.files.snap = &source.Snapshot{Root: root, Changed: w.now, Hold: &source.Hold{Since: w.now}}
		w.later(time.Minute)
		Expect(w.processes()).To(Equal([]string{"a@default"}))
		w.files.snap = nil
		w.apply(map[string]string{"a.yaml": process("a")})
		Expect(w.stack("default")).To(reconciletest.HaveCondition("Synced", "True", ""))
	})

	It("removes nothing while the directory cannot be read", func() {
		w.apply(map[string]string{"stack.yaml": stackFile("home"), "a.yaml": process("a"), "b.yaml": process("b")})
		w.save(map[string]string{"a.yaml": "", "b.yaml": process("b", "why: new"), "stack.yaml": ""}).Err = errors.New("permission denied")
		w.later(time.Minute)
		Expect(w.processes()).To(Equal([]string{"a@home", "b@home"}))
		Expect(w.process("b").Spec.Why).To(Equal("new"))
		Expect(w.stack("home")).To(reconciletest.HaveCondition("Stalled", "True", "SourceUnavailable"))
	})

	It("changes nothing while a file cannot be read", func() {
		w.apply(map[string]string{"a.yaml": process("a"), "b.yaml": process("b")})
		w.save(nil).Files["a.yaml"] = &source.File{Rel: "a.yaml", Err: errors.New("permission denied")}
		w.later(time.Minute)
		Expect(w.processes()).To(HaveLen(2))
		Expect(w.stack("default").Status.Faults[0].String()).To(Equal("a.yaml  cannot be read: permission denied"))
	})
})
