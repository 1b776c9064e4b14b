package specs

import (
	"embed"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strconv"
	"strings"
	"sync"
)

//go:embed *_types.go
var typeSources embed.FS

// sourceDocs are what the sources of the types say in comments and constants.
type sourceDocs struct {
	types  map[string]string   // type name to its comment
	fields map[string]string   // Type.Field to its comment
	enums  map[string][]string // type name to its constants' values, in order
}

// docs reads the sources once, when a schema is first asked for.
var docs = sync.OnceValue(func() *sourceDocs {
	d := &sourceDocs{map[string]string{}, map[string]string{}, map[string][]string{}}
	entries, err := typeSources.ReadDir(".")
	if err != nil {
		panic(err) // the files are part of the program
	}
	for _, e := range entries {
		source, err := typeSources.ReadFile(e.Name())
		if err != nil {
			panic(err)
		}
		file, err := parser.ParseFile(token.NewFileSet(), e.Name(), source, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			panic(err) // the compiler has taken them
		}
		for _, decl := range file.Decls {
			if g, ok := decl.(*ast.GenDecl); ok {
				d.declaration(g)
			}
		}
	}
	return d
})

func (d *sourceDocs) declaration(g *ast.GenDecl) {
	for _, s := range g.Specs {
		switch s := s.(type) {
		case *ast.TypeSpec:
			d.types[s.Name.Name] = comment(s.Doc, g.Doc)
			if st, ok := s.Type.(*ast.StructType); ok {
				d.structure(s.Name.Name, st)
			}
		case *ast.ValueSpec:
			d.constant(s)
		}
	}
}

// structure reads the comments of fields. One without is told of in the comment of the field above it.
func (d *sourceDocs) structure(name string, st *ast.StructType) {
	last := ""
	for _, f := range st.Fields.List {
		if c := comment(f.Doc, f.Comment); c != "" || len(f.Names) == 0 {
			last = c
		}
		for _, n := range f.Names {
			d.fields[name+"."+n.Name] = last
		}
	}
}

// constant reads a value of a string type of ours.
func (d *sourceDocs) constant(s *ast.ValueSpec) {
	typ, ok := s.Type.(*ast.Ident)
	if !ok || typ.Name == "string" {
		return
	}
	for _, v := range s.Values {
		if lit, ok := v.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if value, err := strconv.Unquote(lit.Value); err == nil {
				d.enums[typ.Name] = append(d.enums[typ.Name], value)
			}
		}
	}
}

// comment is the first of some comments as text: lines joined, paragraphs kept.
func comment(groups ...*ast.CommentGroup) string {
	for _, g := range groups {
		if text := strings.TrimSpace(g.Text()); text != "" {
			paragraphs := strings.Split(text, "\n\n")
			for i, p := range paragraphs {
				paragraphs[i] = strings.ReplaceAll(p, "\n", " ")
			}
			return strings.Join(paragraphs, "\n\n")
		}
	}
	return ""
}

// doc is the description of a field: what stands over it, else over its type.
func (f *typeField) doc() string {
	if f.owner.PkgPath() != reflect.TypeFor[Process]().PkgPath() {
		return metaDocs[f.name]
	}
	if c := docs().fields[f.owner.Name()+"."+f.goName]; c != "" {
		return c
	}
	if c := metaDocs[f.name]; c != "" {
		return c
	}
	return docs().types[elementType(f.typ).Name()]
}

// metaDocs describe what every kind has, which comes from another module.
var metaDocs = map[string]string{
	"apiVersion":                 "APIVersion is the group and version of the kind.",
	"kind":                       "Kind of the object.",
	"metadata":                   "Metadata names the object, and carries its labels and annotations.",
	"spec":                       "Spec is what is declared.",
	"status":                     "Status is what was observed. The operator writes it.",
	"name":                       "Name is unique among the objects of the kind. It is part of file names and of the names of instances.",
	"labels":                     "Labels are names and values to select objects by.",
	"annotations":                "Annotations are names and values for people and programs.",
	"uid":                        "UID tells objects of the same name at different times apart. The operator writes it.",
	"resourceVersion":            "ResourceVersion changes with every write. The operator writes it.",
	"generation":                 "Generation counts changes of the spec. The operator writes it.",
	"creationTimestamp":          "CreationTimestamp is when the object was created. The operator writes it.",
	"deletionTimestamp":          "DeletionTimestamp is when its deletion was asked for. The operator writes it.",
	"deletionGracePeriodSeconds": "DeletionGracePeriodSeconds that a deletion may take. The operator writes it.",
	"finalizers":                 "Finalizers hold a deletion back until they are gone.",
	"ownerReferences":            "OwnerReferences name the objects that it belongs to.",
	"managedFields":              "ManagedFields say who set which field.",
	"namespace":                  "Namespace of an event; no other kind has one.",
	"generateName":               "GenerateName is the beginning of a name that the operator completes.",
	"selfLink":                   "SelfLink is not used.",
	"type":                       "Type of the condition.",
	"reason":                     "Reason is a word for programs.",
	"message":                    "Message is for people.",
	"observedGeneration":         "ObservedGeneration is the generation that it speaks of.",
	"lastTransitionTime":         "LastTransitionTime is when the status of the condition changed last.",
}

// elementType is what a pointer, list or map holds in the end.
func elementType(t reflect.Type) reflect.Type {
	for {
		switch t.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			t = t.Elem()
		default:
			return t
		}
	}
}
