package stack

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/reconcile/admit"
	"mirroros.dev/mirroros/reconcile/source"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// This file is in the package itself: decide and merged are not exported, and their rules are the policy.

// contents are processes in a file each; "b:8080" fixes a port, "b<a" takes the place of a, "b!" has another spec, and "b@f" is in the file
// f, where there may be others.
func contents(words string) *admit.Set {
	var order []string
	texts := map[string]string{}
	for _, w := range strings.Fields(words) {
		w, file, _ := strings.Cut(w, "@")
		name, from, _ := strings.Cut(w, "<")
		name, port, _ := strings.Cut(name, ":")
		name, edited := strings.CutSuffix(name, "!")
		text := "apiVersion: mirroros.dev/v1alpha1\nkind: Process\nmetadata:\n  name: " + name + "\n"
		if from != "" {
			text += "  annotations: {mirroros.dev/renamed-from: " + from + "}\n"
		}
		text += "spec:\n  command: [sleep]\n"
		if port != "" {
			text += "  ports:\n"
			for i, p := range strings.Split(port, ",") {
				text += fmt.Sprintf("  - {name: x%d, port: %s}\n", i, p)
			}
		}
		if edited {
			text += "  why: edited\n"
		}
		if file == "" {
			file = name
		}
		if texts[file] == "" {
			order = append(order, file)
		} else {
			text = "---\n" + text
		}
		texts[file] += text
	}
	var files []*source.File
	for _, f := range order {
		files = append(files, &source.File{Rel: f + ".yaml", Data: []byte(texts[f]), Digest: sha256.Sum256([]byte(texts[f]))})
	}
	return admit.NewSet(admit.LoadAll(files, nil))
}

// situation is a stack whose objects in force all belong to it.
func situation(live, disk string, more ...func(*observed)) observed {
	o := observed{name: "home", live: contents(live), disk: contents(disk), prune: true, maxDelete: 50, objects: map[store.Key]found{}}
	o.changes = admit.Diff(o.live, o.disk)
	for _, k := range o.live.Keys() {
		o.objects[k] = found{stack: "home"}
	}
	for _, f := range more {
		f(&o)
	}
	return o
}

// outcome is a decision in words: what is in force then, what blocks, what is waited for.
func outcome(d decision) string {
	target := "as is"
	if d.target != nil {
		var names []string
		for _, k := range d.target.Keys() {
			name := k.Name
			if doc := d.target.Get(k).Document(); doc.Object.(*specs.Process).Spec.Why != "" {
				name += "!"
			}
			names = append(names, name)
		}
		target = strings.Join(names, " ")
	}
	return strings.TrimSpace(fmt.Sprintf("%s | %s | %s", target, d.blocked, d.waits))
}

func with(name string, f found) func(*observed) {
	return func(o *observed) { o.objects[store.Key{Kind: "Process", Name: name}] = f }
}

func notQuiet(o *observed) { o.quietIn = time.Second }

var _ = DescribeTable("decide",
	func(o observed, want string) { Expect(outcome(decide(o))).To(Equal(want)) },
	Entry("nothing changed: nothing is done", situation("a b", "a b"), "as is |  |"),
	Entry("edits and new documents act at once", situation("a b", "a! b c", func(o *observed) { o.quietIn = time.Second }), "a! b c |  |"),
	Entry("refused: nothing", situation("a", "a!", func(o *observed) { o.refused = true }), "as is |  |"),
	Entry("suspended: nothing", situation("a", "a!", func(o *observed) { o.suspended = true }), "as is |  |"),
	Entry("git is at work: nothing", situation("a", "a!", func(o *observed) { o.git = true }), "as is |  |"),
	Entry("the files are not known: nothing", situation("a", "a!", func(o *observed) { o.disk = nil }), "as is |  |"),
	Entry("Manual waits", situation("a", "a! b", func(o *observed) { o.manual = true }), "as is | PendingApply |"),
	Entry("Manual does not wait with what changes no object", situation("a", "a", func(o *observed) {
		o.manual, o.disk = true, o.disk.Edit(admit.LoadAll([]*source.File{{Rel: "c.yaml", Data: []byte("# c"), Digest: sha256.Sum256([]byte("# c"))}}, nil), nil)
	}), "a |  |"),
	Entry("Manual acts on apply", situation("a", "a! b", func(o *observed) { o.manual, o.act = true, true }), "a! b |  |"),
	Entry("a removal waits for quiet", situation("a b c", "a b", func(o *observed) { o.quietIn = time.Second }), "as is |  | WaitingForQuiet"),
	Entry("but not what else changed", situation("a b c", "a! b", func(o *observed) { o.quietIn = time.Second }), "a! b c |  | WaitingForQuiet"),
	Entry("a removal acts when it is quiet", situation("a b c", "a b"), "a b |  |"),
	Entry("a removal waits while files cannot be read", situation("a b c", "a b", func(o *observed) { o.unreadable = true }), "as is |  | SourceUnavailable"),
	Entry("three of six stop", situation("a b c d e f", "a b c"), "as is | PruneBlocked | PruneBlocked"),
	Entry("three of seven do not", situation("a b c d e f g", "a b c d"), "a b c d |  |"),
	Entry("two of two stop: nothing would remain", situation("a b", ""), "as is | PruneBlocked | PruneBlocked"),
	Entry("all of two go when something new comes", situation("a b", "c"), "c |  |"),
	Entry("what stops does not hold back the rest", situation("a b c d e f", "a! b c g"), "a! b c d e f g | PruneBlocked | PruneBlocked"),
	Entry("agreed: it goes", situation("a b c d e f", "a b c", func(o *observed) { o.agreed = true }), "a b c |  |"),
	Entry("prune disabled: it leaves the stack, and counts not", situation("a b", "", func(o *observed) { o.prune = false }), "|  |"),
	Entry("kept by its annotation", situation("a b c d", "a", with("b", found{stack: "home", kept: true})), "a |  |"),
	Entry("not there any more: nothing to ask", situation("a b c d", "", func(o *observed) { o.objects = nil }), "|  |"),
	Entry("another stack's: nothing to ask", situation("a", "", with("a", found{stack: "other"})), "|  |"),
	Entry("declared elsewhere: it stays until it is taken over", situation("a b", "a", with("b", found{stack: "home", elsewhere: true})), "as is |  | HandedOver"),
	Entry("a rename acts at once and counts not", situation("a", "b<a", func(o *observed) { o.quietIn = time.Second }), "b |  |"),
	Entry("a removed Stack asks", situation("a", "", func(o *observed) { o.removed, o.manual = true, true }), "as is | PruneBlocked | PruneBlocked"),
	Entry("a removed Stack asks also when something of it stays", situation("a b", "", with("b", found{stack: "home", kept: true}),
		func(o *observed) { o.removed = true }), "as is | PruneBlocked | PruneBlocked"),
	Entry("an orphaning one does not", situation("a", "", func(o *observed) { o.removed, o.orphan = true, true }), "|  |"),
	Entry("a port of what stays for now holds its user back", situation("a:80 c", "b:80 c!", func(o *observed) { o.quietIn = time.Second }), "a c! |  | WaitingForQuiet"),
	Entry("but not in the same file: the new one takes its place at once", situation("a:80@f c@f", "b:80@f c@f", notQuiet), "b c |  |"),
	Entry("what has no successor still waits", situation("a:80@f c@f d@f", "b:80@f d@f", notQuiet), "b c d |  | WaitingForQuiet"),
	Entry("nor is another port's user a successor", situation("a:80@f c@f", "b:81@f c@f", notQuiet), "a b c |  | WaitingForQuiet"),
	Entry("nor one that was there before", situation("a:80@f b@f", "b:80@f", notQuiet), "as is |  | WaitingForQuiet"),
	Entry("successors count, and stop when they are too many", situation("a:80@f b:81@f c:82@f", "q:80@f r:81@f s:82@f", notQuiet), "as is |  | WaitingForQuiet"),
	Entry("and then ask", situation("a:80@f b:81@f c:82@f", "q:80@f r:81@f s:82@f"), "as is | PruneBlocked | PruneBlocked"),
	Entry("a successor waits while files cannot be read", situation("a:80@f c@f", "b:80@f c@f", func(o *observed) { o.unreadable = true }), "as is |  | SourceUnavailable"),
	Entry("one that needs another's port too waits for that, and so does what it succeeds", situation("a:80@f c:81", "b:80,81@f", notQuiet), "as is |  | WaitingForQuiet"),
	Entry("and a chain of them", situation("a:80 b:81 c:82", "b:80 c:81", func(o *observed) { o.quietIn = time.Second }), "as is |  | WaitingForQuiet"),
	Entry("and a rename with what it renames", situation("a:80 b:81", "c:80<b", func(o *observed) { o.quietIn = time.Second }), "as is |  | WaitingForQuiet"),
)

var _ = DescribeTable("merged",
	func(last, next, live, want string) {
		load := func(spec string) *specs.Document {
			docs, faults := specs.Load("a.yaml", []byte("apiVersion: mirroros.dev/v1alpha1\nkind: Process\nmetadata: {name: a}\nspec: {command: [x], "+spec+"}\n"))
			Expect(faults).To(BeEmpty())
			return docs[0]
		}
		var before *specs.Document
		if last != "none" {
			before = load(last)
		}
		got, faults, err := merged(before, load(next), load(live).Object, "home")
		Expect(err).NotTo(HaveOccurred())
		Expect(faults).To(BeEmpty())
		Expect(specs.SpecEqual(got, load(want).Object)).To(BeTrue(), "%+v", got.(*specs.Process).Spec)
	},
	Entry("the file's fields win", "replicas: 1", "replicas: 2", "replicas: 1", "replicas: 2"),
	Entry("also over what somebody wrote", "replicas: 1", "replicas: 2", "replicas: 5", "replicas: 2"),
	Entry("free fields stay", "replicas: 1", "replicas: 2", "replicas: 1, why: x", "replicas: 2, why: x"),
	Entry("a field that the file drops has its default", "replicas: 3", "why: x", "replicas: 3", "why: x"),
	Entry("also when somebody wrote to it", "replicas: 3", "why: x", "replicas: 4", "why: x"),
	Entry("a list is one field", "env: [{name: A, value: a}]", "env: [{name: B, value: b}]", "env: [{name: A, value: a}, {name: C, value: c}]", "env: [{name: B, value: b}]"),
	Entry("free fields within a mapping stay", "restartBackoff: {initial: 2s}", "restartBackoff: {initial: 3s}", "restartBackoff: {initial: 2s, max: 9m}", "restartBackoff: {initial: 3s, max: 9m}"),
	Entry("a mapping that the file drops goes with its defaults", "readinessProbe: {tcpSocket: {port: 80}}", "why: x", "readinessProbe: {tcpSocket: {port: 80}, periodSeconds: 3}", "why: x"),
	Entry("one handler takes the place of another", "readinessProbe: {tcpSocket: {port: 80}}", "readinessProbe: {exec: {command: [x]}}", "readinessProbe: {tcpSocket: {port: 80}}", "readinessProbe: {exec: {command: [x]}}"),
	Entry("of an object that no file declared, all that the file does not set stays", "none", "replicas: 2", "replicas: 1, why: x, stopSignal: SIGINT", "replicas: 2, why: x, stopSignal: SIGINT"),
)

var _ = Describe("order", func() {
	It("puts dependents first among what goes", func() {
		object := func(name, needs string) op {
			p := &specs.Process{}
			p.Name = name
			if needs != "" {
				p.Spec.DependsOn = []specs.Dependency{{Process: needs}}
			}
			return op{key: store.Key{Kind: "Process", Name: name}, change: "-", old: p}
		}
		ops := []op{object("a", ""), object("b", "a"), object("c", "b"), object("d", "")}
		order(ops, contents(""))
		at := func(name string) int { return slices.IndexFunc(ops, func(o op) bool { return o.key.Name == name }) }
		Expect(at("c")).To(BeNumerically("<", at("b")))
		Expect(at("b")).To(BeNumerically("<", at("a")))
	})
})
