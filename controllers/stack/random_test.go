package stack_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/types"

	"mirroros.dev/mirroros/controllers/stack"
	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/reconciletest"
	"mirroros.dev/mirroros/specs"
)

// owner is somebody who edits manifests at random.
type owner struct {
	*world
	rnd *rand.Rand
	// docs by name: the file each is in, and its spec.
	docs map[string]doc
	// stacks by directory; broken files have a fault in them.
	stacks map[string]string
	broken map[string]bool
	on     map[string]string // the files as they are on disk
}

type doc struct{ file, why, needs string }

// render are the files as the owner wants them.
func (o *owner) render() map[string]string {
	out := map[string]string{}
	for dir, name := range o.stacks {
		out[path.Join(dir, "stack.yaml")] = stackFile(name, "prune: {maxDeletePercent: 100}")
	}
	for _, name := range slices.Sorted(maps.Keys(o.docs)) {
		d := o.docs[name]
		lines := []string{"why: " + d.why}
		if _, there := o.docs[d.needs]; there && d.needs < name {
			lines = append(lines, "dependsOn: [{process: "+d.needs+"}]")
		}
		if o.broken[d.file] {
			lines = append(lines, "comand: x")
		}
		out[d.file] += "---\n" + process(name, lines...)
	}
	return out
}

func (o *owner) write() {
	next, edits := o.render(), map[string]string{}
	for rel := range o.on {
		edits[rel] = ""
	}
	for rel, text := range next {
		if edits[rel] = text; o.on[rel] == text {
			delete(edits, rel)
		}
	}
	o.on = next
	o.save(edits)
}

func (o *owner) edit() {
	name := fmt.Sprintf("p%d", o.rnd.IntN(12))
	file := []string{"a.yaml", "b.yaml", "x/a.yaml", "x/b.yaml", "x/y/a.yaml"}[o.rnd.IntN(5)]
	switch dir := []string{"x", "x/y"}[o.rnd.IntN(2)]; o.rnd.IntN(10) {
	case 0, 1:
		delete(o.docs, name)
	case 2:
		o.broken[file] = !o.broken[file]
	case 3:
		if delete(o.stacks, dir); o.rnd.IntN(2) == 0 {
			o.stacks[dir] = "in-" + path.Base(dir)
		}
	default:
		o.docs[name] = doc{file, fmt.Sprintf("w%d", o.rnd.IntN(3)), fmt.Sprintf("p%d", o.rnd.IntN(12))}
	}
}

// owned is the stack of a file, by the nearest directory.
func (o *owner) owned(file string) string {
	for dir := path.Dir(file); dir != "."; dir = path.Dir(dir) {
		if s := o.stacks[dir]; s != "" {
			return s
		}
	}
	return "default"
}

// want are the objects that the files say there are.
func (o *owner) want() map[string]string {
	out := map[string]string{}
	for name, d := range o.docs {
		out[name] = o.owned(d.file) + " " + d.why
	}
	return out
}

func (o *owner) have() map[string]string {
	out := map[string]string{}
	for _, p := range reconcile.List[*specs.Process](o.client) {
		out[p.Name] = p.Labels[specs.LabelStack] + " " + p.Spec.Why
	}
	return out
}

func (o *owner) uids() map[string]types.UID {
	out := map[string]types.UID{}
	for _, p := range reconcile.List[*specs.Process](o.client) {
		out[p.Name] = p.UID
	}
	return out
}

// crash lets the operator be killed somewhere in what it does next.
func (o *owner) crash() {
	ctx := &ending{Context: context.Background(), left: o.rnd.IntN(4)}
	for _, q := range o.r.Look() {
		if _, err := o.r.Reconcile(ctx, q); err != nil {
			break
		}
	}
	o.restart()
}

// describe tells how the stacks are.
func (o *owner) describe() string {
	text := ""
	for _, s := range reconcile.List[*specs.Stack](o.client) {
		text += s.Name + ":\n"
		for _, c := range s.Status.Conditions {
			text += fmt.Sprintf("  %s %s %s: %s\n", c.Type, c.Status, c.Reason, c.Message)
		}
		for _, f := range s.Status.Faults {
			text += "  " + f.String() + "\n"
		}
	}
	return text + fmt.Sprintln(o.on)
}

// agree gives the word to every removal that waits for it.
func (o *owner) agree() {
	for _, s := range reconcile.List[*specs.Stack](o.client) {
		if p := s.Status.Pending; p != nil {
			_, err := o.r.Apply(context.Background(), s.Name, stack.ApplyOptions{Plan: p.Digest, Prune: true})
			Expect(err).NotTo(HaveOccurred())
		}
	}
}

var _ = Describe("any edits, removals, faults and crashes", func() {
	for round := range 6 {
		It(fmt.Sprintf("end with what the files say, and then nothing is done (%d)", round), func() {
			seed := uint64(GinkgoRandomSeed()) + uint64(round)
			GinkgoWriter.Println("seed", seed)
			o := &owner{world: newWorld(GinkgoTB()), rnd: rand.New(rand.NewPCG(seed, 1)), docs: map[string]doc{}, stacks: map[string]string{}, broken: map[string]bool{}, on: map[string]string{}}
			for range 40 {
				before := o.uids()
				for range 1 + o.rnd.IntN(4) {
					o.edit()
				}
				o.write()
				switch o.rnd.IntN(4) {
				case 0:
					o.crash()
				case 1:
					o.restart()
				}
				o.settle()
				if o.rnd.IntN(3) == 0 {
					o.drive()
				}
				o.later([]time.Duration{time.Second, 3 * time.Second}[o.rnd.IntN(2)])
				for name, uid := range before {
					if _, declared := o.docs[name]; declared {
						Expect(o.uids()).To(HaveKeyWithValue(name, uid), "what a file declares is never removed")
					}
				}
			}
			o.broken = map[string]bool{}
			o.write()
			for range 6 {
				o.later(3 * time.Second)
				o.agree()
				o.settle()
				o.drive()
			}
			Expect(o.have()).To(Equal(o.want()), o.describe)
			for _, s := range reconcile.List[*specs.Stack](o.client) {
				Expect(s).To(reconciletest.HaveCondition("Synced", "True", ""))
			}
			Expect(func() { o.later(time.Minute) }).To(reconciletest.BeNoOp(o.store))
			o.restart()
			Expect(func() { o.later(time.Minute) }).To(reconciletest.BeNoOp(o.store))
		})
	}
})
