package specs_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/equality"

	"mirroros.dev/mirroros/specs"
)

// manifestOf are the documents of a kind's example.
func manifestOf(kind string) []*specs.Document {
	GinkgoHelper()
	name := filepath.Join("..", "manifests", strings.ToLower(kind)+".yaml")
	data, err := os.ReadFile(name)
	Expect(err).NotTo(HaveOccurred(), "every kind that is declared has an example in manifests/")
	docs, faults := specs.Load(name, data)
	Expect(faults).To(BeEmpty())
	return docs
}

var _ = Describe("Kinds", func() {
	names := map[string]bool{}
	for _, k := range specs.Kinds {
		It("names "+k.Kind+" and no other kind by its names", func() {
			for _, n := range append([]string{k.Kind, k.Plural, k.Singular}, k.ShortNames...) {
				Expect(specs.KindNamed(n)).To(BeIdenticalTo(k))
			}
			Expect(specs.KindOf(k.Kind)).To(BeIdenticalTo(k))
			Expect(names).NotTo(HaveKey(k.Plural))
			names[k.Plural] = true
		})

		It("describes "+k.Kind+", its columns and its fields", func() {
			Expect(k.Doc()).NotTo(BeEmpty())
			Expect(k.Columns).NotTo(BeEmpty())
			for _, c := range k.Columns {
				Expect(c.Description).NotTo(BeEmpty(), c.Name)
				Expect(c.Type).To(BeElementOf("string", "integer", "number", "boolean", "date"), c.Name)
				Expect(c.Value(k.New())).To(Or(BeNil(), BeAssignableToTypeOf(""), BeAssignableToTypeOf(int64(0)), BeAssignableToTypeOf(false)), c.Name)
			}
			expectDescribed(k.Kind, specs.Schema(k.Kind))
			if !k.Declarable() {
				Expect(k.Instead).NotTo(BeEmpty())
			}
		})

		It("copies and writes an empty "+k.Kind, func() {
			o := k.New()
			Expect(o.DeepCopyObject()).To(Equal(o))
			data, err := specs.Marshal(o)
			Expect(err).NotTo(HaveOccurred())
			Expect(specs.Decode(data)).To(HaveField("TypeMeta.Kind", k.Kind))
		})

		if !k.Declarable() {
			continue
		}
		It("shows "+k.Kind+" in a manifest, which loads, defaults and comes back the same", func() {
			for _, d := range manifestOf(k.Kind) {
				before := specs.Copy(d.Object)
				specs.Default(d.Object)
				Expect(d.Object).To(Equal(before), "defaulting twice changes nothing")
				data, err := specs.Marshal(d.Object)
				Expect(err).NotTo(HaveOccurred())
				again, faults := specs.Load("again.yaml", data)
				Expect(faults).To(BeEmpty())
				Expect(equality.Semantic.DeepEqual(again[0].Object, d.Object)).To(BeTrue())
				Expect(specs.SpecEqual(again[0].Object, d.Object)).To(BeTrue())
				Expect(specs.Marshal(again[0].Object)).To(Equal(data))
			}
		})
	}
})

// expectDescribed looks for a description at every field of a schema that is ours.
func expectDescribed(path string, schema map[string]any) {
	GinkgoHelper()
	Expect(json.Marshal(schema)).NotTo(BeEmpty())
	properties, _ := schema["properties"].(map[string]any)
	for name, p := range properties {
		at, property := path+"."+name, p.(map[string]any)
		if name == "ownerReferences" || name == "managedFields" {
			continue // Kubernetes' own
		}
		Expect(property["description"]).NotTo(BeEmpty(), at)
		expectDescribed(at, property)
		if items, ok := property["items"].(map[string]any); ok {
			expectDescribed(at+"[]", items)
		}
	}
}
