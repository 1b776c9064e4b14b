package stack_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/controllers/stack"
	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/source"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// files is a source that tests hold in their hands.
type files struct {
	snap    *source.Snapshot
	exclude func(string, bool) bool
}

func (f *files) Latest() *source.Snapshot              { return f.snap }
func (f *files) Changed() <-chan struct{}              { return nil }
func (f *files) SetExclude(fn func(string, bool) bool) { f.exclude = fn }

// world is a store, files and the applier, with a clock that only the test moves.
type world struct {
	t      testing.TB
	path   string
	store  *store.Store
	client *reconcile.Client
	files  files
	r      *stack.Reconciler
	now    time.Time
	events []string
	moved  []string
	more   func(*stack.Options)
}

const root = "/manifests"

func newWorld(t testing.TB, more ...func(*stack.Options)) *world {
	t.Helper()
	w := &world{t: t, path: filepath.Join(t.TempDir(), "state.db"), now: time.Date(2026, 11, 23, 15, 4, 5, 0, time.UTC)}
	w.more = func(o *stack.Options) {
		for _, f := range more {
			f(o)
		}
	}
	w.open()
	t.Cleanup(func() { _ = w.store.Close() })
	return w
}

func (w *world) open() {
	w.t.Helper()
	s, err := store.Open(w.path, store.Options{Codec: reconcile.Codec()})
	if err != nil {
		w.t.Fatal(err)
	}
	w.store, w.client = s, reconcile.NewClient(s, reconcile.ClientOptions{Now: func() time.Time { return w.now }})
	o := stack.Options{Client: w.client, Files: &w.files, Root: root, Now: func() time.Time { return w.now },
		Event: func(o specs.Object, typ, reason, message string) {
			w.events = append(w.events, fmt.Sprintf("%s %s: %s", o.GetName(), reason, message))
		},
		Moved: func(k store.Key) { w.moved = append(w.moved, k.String()) },
	}
	w.more(&o)
	w.r = stack.New(o)
}

// restart is the end of the operator and a new one over the same store and files.
func (w *world) restart() {
	w.t.Helper()
	if err := w.store.Close(); err != nil {
		w.t.Fatal(err)
	}
	w.events, w.moved = nil, nil
	w.open()
}

// save makes a snapshot of files by path; an empty text removes one. Unchanged files stay the same.
func (w *world) save(edits map[string]string) *source.Snapshot {
	next := &source.Snapshot{Seq: 1, Root: root, Files: map[string]*source.File{}, Changed: w.now}
	if old := w.files.snap; old != nil {
		next.Seq = old.Seq + 1
		next.Files = maps.Clone(old.Files)
		next.Git = old.Git
	}
	for rel, text := range edits {
		if text == "" {
			delete(next.Files, rel)
			continue
		}
		next.Files[rel] = &source.File{Rel: rel, Data: []byte(text), Digest: sha256.Sum256([]byte(text))}
	}
	w.files.snap = next
	return next
}

// settle reconciles until nothing asks for more, without moving the clock.
func (w *world) settle() {
	w.t.Helper()
	for range 50 {
		requests := w.r.Look()
		if len(requests) == 0 {
			return
		}
		slices.SortFunc(requests, func(a, b reconcile.Request) int { return strings.Compare(a.Name, b.Name) })
		for _, q := range requests {
			w.reconcile(q.Name)
		}
	}
	w.t.Fatal("it does not settle")
}

func (w *world) reconcile(name string) time.Duration {
	w.t.Helper()
	res, err := w.r.Reconcile(context.Background(), reconcile.Request{Kind: "Stack", Name: name})
	if err != nil {
		w.t.Fatalf("cannot reconcile stack %s: %v", name, err)
	}
	return res.RequeueAfter
}

// apply saves files and lets the applier act at once.
func (w *world) apply(edits map[string]string) {
	w.t.Helper()
	w.save(edits)
	w.settle()
}

// later moves the clock and lets all stacks act.
func (w *world) later(d time.Duration) {
	w.t.Helper()
	w.now = w.now.Add(d)
	for _, s := range reconcile.List[*specs.Stack](w.client) {
		w.reconcile(s.Name)
	}
	w.settle()
}

func (w *world) stack(name string) *specs.Stack {
	w.t.Helper()
	s, ok := reconcile.Get[*specs.Stack](w.client, name)
	if !ok {
		w.t.Fatalf("there is no stack %s", name)
	}
	return s
}

func (w *world) process(name string) *specs.Process {
	w.t.Helper()
	p, ok := reconcile.Get[*specs.Process](w.client, name)
	if !ok {
		w.t.Fatalf("there is no process %s", name)
	}
	return p
}

// processes are the names of all, each with its stack.
func (w *world) processes() []string {
	var out []string
	for _, p := range reconcile.List[*specs.Process](w.client) {
		out = append(out, p.Name+"@"+p.Labels[specs.LabelStack])
	}
	return out
}

// ready marks all processes as ready.
func (w *world) ready() {
	for _, p := range reconcile.List[*specs.Process](w.client) {
		n := specs.Copy(p)
		n.Status.ObservedGeneration = p.Generation
		reconcile.SetCondition(&n.Status.Conditions, metav1.Condition{Type: "Ready", Status: "True", Reason: "Ready", ObservedGeneration: p.Generation})
		_, err := w.client.UpdateStatus(context.Background(), n)
		Expect(err).NotTo(HaveOccurred())
	}
}

// drive does what the rollout controller does: while waves wait, all objects become ready and the next wave is put in force.
func (w *world) drive() {
	w.t.Helper()
	for again := true; again; {
		again = false
		for _, s := range reconcile.List[*specs.Stack](w.client) {
			if o := w.r.Rolling(s.Name); o != nil && int(o.Spec.InForce) < len(o.Spec.Waves) && !s.Spec.Suspend {
				w.ready()
				Expect(w.r.Advance(context.Background(), s.Name, o.Name, o.Spec.InForce)).To(Succeed())
				w.settle()
				next := w.r.Rolling(s.Name)
				again = again || next != o && (next == nil || next.Spec.InForce != o.Spec.InForce || next.Name != o.Name)
			}
		}
	}
}

// process is a manifest of one process; more are lines of its spec.
func process(name string, more ...string) string {
	text := "apiVersion: mirroros.dev/v1alpha1\nkind: Process\nmetadata:\n  name: " + name + "\nspec:\n  command: [sleep, \"1\"]\n"
	for _, line := range more {
		text += "  " + line + "\n"
	}
	return text
}

// stackFile is a manifest of a Stack; more are lines of its spec.
func stackFile(name string, more ...string) string {
	text := "apiVersion: mirroros.dev/v1alpha1\nkind: Stack\nmetadata:\n  name: " + name + "\nspec:\n  source: {path: .}\n"
	for _, line := range more {
		text += "  " + line + "\n"
	}
	return text
}

func many(n int, f func(i int) (string, string)) map[string]string {
	out := map[string]string{}
	for i := range n {
		rel, text := f(i)
		out[rel] = text
	}
	return out
}

// withAnnotation adds an annotation to a manifest.
func withAnnotation(text, name, value string) string {
	return strings.Replace(text, "\nspec:", "\n  annotations: {"+name+": \""+value+"\"}\nspec:", 1)
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	Expect(err).NotTo(HaveOccurred())
	return n
}

// ending is a context that ends when it was asked a number of times, as if the operator had been killed there.
type ending struct {
	context.Context
	left int
}

func (e *ending) Err() error {
	if e.left--; e.left < 0 {
		return context.Canceled
	}
	return nil
}
