package specs_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/equality"
	k8syaml "sigs.k8s.io/yaml"

	"mirroros.dev/mirroros/specs"
)

// FuzzLoad loads anything: it must neither panic nor lose a document without a word, and what it takes for good must be what the
// field's own YAML reader reads.
func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"testdata/load/*.yaml", "../manifests/*.yaml", "../manifests/*/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, name := range files {
			data, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
			for _, part := range strings.Split(string(data), "\n---\n") {
				f.Add([]byte(part))
			}
		}
	}
	for _, c := range badTexts {
		f.Add([]byte(c.text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		docs, faults := specs.Load("a.yaml", data)
		lines := 1 + strings.Count(string(data), "\n")
		for _, x := range faults {
			if x.Line < 0 || x.Line > lines || x.Message == "" || x.File != "a.yaml" || x.Column < 0 {
				t.Fatalf("a fault at no place: %+v", x)
			}
		}
		for _, d := range docs {
			d.Position("spec.env[0].value")
			if d.Object == nil {
				if len(faults) == 0 {
					t.Fatalf("a document is lost without a word: %q", d.Text)
				}
				continue
			}
			checkGood(t, d)
		}
	})
}

// checkGood checks what must hold for every document without faults.
func checkGood(t *testing.T, d *specs.Document) {
	t.Helper()
	data, err := specs.Marshal(d.Object)
	if err != nil {
		t.Fatal(err)
	}
	again, err := specs.Decode(data)
	if err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	specs.Default(again)
	if faults := specs.Validate(again); len(faults) > 0 {
		t.Fatalf("%v in %s", faults, data)
	}
	if !equality.Semantic.DeepEqual(again, d.Object) {
		t.Fatalf("marshal and load differ:\n%s", data)
	}
	if asJSON, err := k8syaml.YAMLToJSONStrict(d.Text); err == nil {
		if o, err := specs.Decode(asJSON); err == nil {
			specs.Default(o)
			if !equality.Semantic.DeepEqual(o, d.Object) {
				other, _ := specs.Marshal(o)
				t.Fatalf("sigs.k8s.io/yaml reads %q otherwise:\n%s\n%s", d.Text, other, data)
			}
		}
	}
	if len(d.Declared()) == 0 {
		t.Fatalf("nothing is declared in %q", d.Text)
	}
}
