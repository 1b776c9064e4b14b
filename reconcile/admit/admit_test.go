package admit_test

import (
	"crypto/sha256"
	"errors"
	"maps"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/reconcile/admit"
	"mirroros.dev/mirroros/reconcile/source"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

func process(name string, more ...string) string {
	text := "apiVersion: mirroros.dev/v1alpha1\nkind: Process\nmetadata:\n  name: " + name + "\nspec:\n  command: [sleep, \"1\"]\n"
	for _, line := range more {
		text += "  " + line + "\n"
	}
	return text
}

func file(rel, text string) *source.File {
	return &source.File{Rel: rel, Data: []byte(text), Digest: sha256.Sum256([]byte(text))}
}

// set makes a set of files by path.
func set(files map[string]string) *admit.Set {
	var list []*source.File
	for _, rel := range slices.Sorted(maps.Keys(files)) {
		list = append(list, file(rel, files[rel]))
	}
	return admit.NewSet(admit.LoadAll(list, nil))
}

// world has objects by key.
func world(stack string, objects ...specs.Object) admit.World {
	return admit.World{
		Stack: stack,
		Get: func(k store.Key) (specs.Object, bool) {
			for _, o := range objects {
				if o.GetName() == k.Name && o.GetObjectKind().GroupVersionKind().Kind == k.Kind {
					return o, true
				}
			}
			return nil, false
		},
		List: func(kind string) []specs.Object {
			return slices.DeleteFunc(slices.Clone(objects), func(o specs.Object) bool { return o.GetObjectKind().GroupVersionKind().Kind != kind })
		},
	}
}

func object(text, stack string) specs.Object {
	docs, faults := specs.Load("x.yaml", []byte(text))
	Expect(faults).To(BeEmpty())
	o := specs.Copy(docs[0].Object)
	if stack != "" {
		o.SetLabels(map[string]string{specs.LabelStack: stack})
	}
	return o
}

func lines(faults []specs.Fault) []string {
	var out []string
	for _, f := range faults {
		out = append(out, f.String())
	}
	return out
}

var _ = Describe("Admit", func() {
	DescribeTable("tells all faults of a set at once",
		func(files map[string]string, want ...string) {
			Expect(lines(admit.Admit(set(files), nil, world("home")))).To(HaveExactElements(want))
		},
		Entry("an object declared twice, both places named",
			map[string]string{"a.yaml": process("web"), "b.yaml": "---\n---\n" + process("web"), "c.yaml": process("web")},
			"b.yaml:6:9  metadata.name: process/web is declared in a.yaml:1 already", "c.yaml:4:9  metadata.name: process/web is declared in a.yaml:1 already"),
		Entry("a reference to what is not there", map[string]string{"a.yaml": process("web", "dependsOn: [{process: olama}]"), "b.yaml": process("ollama")},
			`a.yaml:7:25  spec.dependsOn[0].process: no process "olama", did you mean "ollama"?`),
		Entry("a port used twice", map[string]string{"a.yaml": process("a", "ports: [{name: x, port: 8080}]"), "b.yaml": process("b", "ports: [{name: x, port: 8080}]")},
			"b.yaml:7:27  spec.ports[0].port: port 8080 is the port of process/a, in a.yaml:1"),
		Entry("a circle", map[string]string{
			"a.yaml": process("a", "dependsOn: [{process: b}]"), "b.yaml": process("b", "dependsOn: [{process: c}]"), "c.yaml": process("c", "dependsOn: [{process: a}]"),
			"d.yaml": process("d", "dependsOn: [{process: a}]")},
			"a.yaml:7:25  spec.dependsOn[0].process: depends on itself: a -> b -> c -> a"),
		Entry("a document with faults beside others", map[string]string{"a.yaml": process("a", "comand: x"), "b.yaml": process("b", "dependsOn: [{process: a}, {process: q}]")},
			`a.yaml:7:3  spec.comand: unknown field, did you mean "command"?`, `b.yaml:7:39  spec.dependsOn[1].process: no process "q", did you mean "a"?`),
		Entry("a name that is taken over and still declared", map[string]string{
			"a.yaml": process("a"), "b.yaml": strings.Replace(process("b"), "\nspec:", "\n  annotations: {mirroros.dev/renamed-from: a}\nspec:", 1)},
			"b.yaml:5:44  metadata.annotations[mirroros.dev/renamed-from]: process/a is still declared, in a.yaml:1"),
		Entry("a label that is the operator's", map[string]string{"a.yaml": strings.Replace(process("a"), "\nspec:", "\n  labels: {mirroros.dev/stack: x}\nspec:", 1)},
			"a.yaml:5:32  metadata.labels[mirroros.dev/stack]: is written by the operator; remove it from the manifest"),
		Entry("nothing", map[string]string{"a.yaml": process("a"), "b.yaml": process("b", "dependsOn: [{process: a}]")}),
	)

	It("names a file that cannot be read", func() {
		s := admit.NewSet([]*admit.File{admit.Load(&source.File{Rel: "a.yaml", Err: errors.New("permission denied")})})
		Expect(lines(admit.Admit(s, nil, world("home")))).To(Equal([]string{"a.yaml  cannot be read: permission denied"}))
	})

	It("checks only what changed, and what refers to what went", func() {
		base := set(map[string]string{"a.yaml": process("a"), "b.yaml": process("b", "dependsOn: [{process: a}]"), "c.yaml": process("c")})
		Expect(admit.Admit(base.Edit(nil, []string{"c.yaml"}), base, world("home"))).To(BeEmpty())
		Expect(lines(admit.Admit(base.Edit(nil, []string{"a.yaml"}), base, world("home")))).To(Equal([]string{
			`b.yaml:7:25  spec.dependsOn[0].process: no process "a": it was removed from a.yaml`}))
	})

	It("does not tell of references to a file that cannot be parsed any more", func() {
		base := set(map[string]string{"a.yaml": process("a"), "b.yaml": process("b")})
		next := base.Edit([]*admit.File{admit.Load(file("a.yaml", "x: [")), admit.Load(file("b.yaml", process("b", "dependsOn: [{process: a}]")))}, nil)
		faults := admit.Admit(next, base, world("home"))
		Expect(faults).To(HaveLen(1))
		Expect(faults[0].File).To(Equal("a.yaml"))
	})

	It("looks at what else is in force", func() {
		w := world("home", object(process("api", "ports: [{name: x, port: 8080}]"), ""))
		s := set(map[string]string{"a.yaml": process("a", "ports: [{name: x, port: 8080}]", "dependsOn: [{process: api}]")})
		Expect(lines(admit.Admit(s, nil, w))).To(Equal([]string{"a.yaml:7:27  spec.ports[0].port: port 8080 is the port of process/api, which was made through the API"}))
		w = world("home")
		w.Others = map[string]*admit.Set{"ex": set(map[string]string{"x/b.yaml": process("b", "ports: [{name: x, port: 8080}]", "dependsOn: [{process: gone}]")})}
		Expect(lines(admit.Admit(s, nil, w))).To(ConsistOf(
			"a.yaml:7:27  spec.ports[0].port: port 8080 is the port of process/b of stack/ex, in x/b.yaml:1",
			`a.yaml:8:25  spec.dependsOn[0].process: no process "api"`))
		base := set(map[string]string{"gone.yaml": process("gone")})
		Expect(lines(admit.Admit(nil, base, w))).To(Equal([]string{"gone.yaml  process/gone was removed, but process/b of stack/ex needs it, in x/b.yaml:1"}))
	})
})

var _ = Describe("Object", func() {
	It("refuses ports and circles, but no reference to what is not there", func() {
		w := world("", object(process("a", "ports: [{name: x, port: 8080}]", "dependsOn: [{process: b}]"), "home"))
		o := object(process("b", "ports: [{name: x, port: 8080}]", "dependsOn: [{process: a}, {process: nobody}]"), "")
		Expect(admit.Object(o, w).ToAggregate()).To(MatchError(And(ContainSubstring("is the port of process/a"), ContainSubstring("a -> b -> a"))))
		Expect(admit.Object(object(process("b", "dependsOn: [{process: nobody}]"), ""), w)).To(BeEmpty())
	})

	It("refuses the name of a document that is not in force yet, and new Stacks", func() {
		w := world("")
		w.Others = map[string]*admit.Set{"home": set(map[string]string{"web.yaml": process("web")})}
		Expect(admit.Object(object(process("web"), ""), w).ToAggregate()).To(MatchError(ContainSubstring(
			`process/web is declared in web.yaml:1 by stack/home; edit the file, or run "mirrorctl edit process/web"`)))
		s := &specs.Stack{}
		s.Name = "x"
		specs.Default(s)
		Expect(admit.Object(s, w)).To(HaveLen(1))
	})
})

var _ = Describe("Set", func() {
	It("has a digest of its content alone", func() {
		all := map[string]string{}
		for _, n := range strings.Fields("a b c d e f g h i j k l m n o p q r s t") {
			all[n+".yaml"] = process(n)
		}
		whole := set(all)
		grown := admit.NewSet(nil)
		for rel, text := range all {
			grown = grown.Edit([]*admit.File{admit.Load(file(rel, text))}, nil)
		}
		Expect(grown.Digest()).To(Equal(whole.Digest()))
		Expect(grown.Edit(nil, []string{"a.yaml"}).Edit([]*admit.File{admit.Load(file("a.yaml", process("a")))}, nil).Digest()).To(Equal(whole.Digest()))
		Expect(grown.Edit([]*admit.File{admit.Load(file("a.yaml", process("a", "why: x")))}, nil).Digest()).NotTo(Equal(whole.Digest()))
		Expect(admit.Diff(grown, whole)).To(BeEmpty())
	})

	It("is restored from what is kept, without parsing, and keeps what was held back", func() {
		kept := map[string][]byte{}
		keep := func(s, had *admit.Set) {
			blobs, err := s.Blobs(had)
			Expect(err).NotTo(HaveOccurred())
			maps.Copy(kept, blobs)
		}
		read := func(name string) ([]byte, bool) { b, ok := kept[name]; return b, ok }
		first := set(map[string]string{"a.yaml": process("a") + "---\n" + process("b", "ports: [{name: x, port: 8080}]"), "c.yaml": process("c", "dependsOn: [{process: a}]")})
		keep(first, nil)
		back, err := admit.Restore(first.Digest(), read)
		Expect(err).NotTo(HaveOccurred())
		Expect(admit.Diff(first, back)).To(BeEmpty())
		b := store.Key{Kind: "Process", Name: "b"}
		Expect(back.Get(b).Place()).To(Equal("a.yaml:8"))
		Expect(back.Get(b).Ports).To(HaveLen(1))
		line, _ := back.Get(b).Document().Position("spec.ports")
		Expect(line).To(Equal(14))

		c := store.Key{Kind: "Process", Name: "c"}
		held := first.Edit([]*admit.File{admit.Load(file("a.yaml", process("a")))}, nil).With(map[store.Key]*admit.Entry{b: back.Get(b), c: nil})
		keep(held, first)
		back, err = admit.Restore(held.Digest(), read)
		Expect(err).NotTo(HaveOccurred())
		Expect(back.Keys()).To(Equal([]store.Key{{Kind: "Process", Name: "a"}, b}))
		line, _ = back.Get(b).Document().Position("spec.ports")
		Expect(line).To(Equal(14))
		Expect(back.Get(b).Document().Object).To(Equal(first.Get(b).Document().Object))
		Expect(admit.Diff(first, back)).To(ConsistOf(HaveField("Key", c)))
		_, err = admit.Restore("0", read)
		Expect(err).To(MatchError(ContainSubstring("not kept")))
	})
})
