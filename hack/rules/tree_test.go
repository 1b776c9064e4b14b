package rules_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// ours is the module's path.
const ours = "mirroros.dev/mirroros"

// source is one Go file of the tree, for whatever system it is built.
type source struct {
	path    string
	dir     string
	test    bool
	lines   int
	doc     bool     // it has a package comment
	imports []string // of others, as they are; of ours, as the directory, with ./ before it
	calls   map[string][]int
}

// tree is all that the rules look at.
type tree struct {
	top     []string // names at the top level
	ignored []string // patterns of .gitignore
	sources []source
}

func load(dir fs.FS) (tree, error) {
	var t tree
	list, err := fs.ReadDir(dir, ".")
	if err != nil {
		return t, err
	}
	for _, e := range list {
		t.top = append(t.top, e.Name())
	}
	if data, err := fs.ReadFile(dir, ".gitignore"); err == nil {
		t.ignored = strings.Fields(string(data))
	}
	err = fs.WalkDir(dir, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || t.isIgnored(name)):
			return fs.SkipDir
		case d.IsDir() || path.Ext(name) != ".go":
			return nil
		}
		s, err := parse(dir, name)
		t.sources = append(t.sources, s)
		return err
	})
	return t, err
}

// isIgnored tells whether a name at the top level is one that git ignores.
func (t tree) isIgnored(name string) bool {
	return slices.ContainsFunc(t.ignored, func(pattern string) bool {
		match, _ := path.Match(strings.Trim(pattern, "/"), name)
		return match
	})
}

func parse(dir fs.FS, name string) (source, error) {
	s := source{path: name, dir: path.Dir(name), test: strings.HasSuffix(name, "_test.go"), calls: map[string][]int{}}
	data, err := fs.ReadFile(dir, name)
	if err != nil {
		return s, err
	}
	s.lines = bytes.Count(data, []byte("\n"))
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, data, parser.ParseComments)
	if err != nil {
		return s, fmt.Errorf("cannot parse: %w", err)
	}
	s.doc = file.Doc != nil && strings.TrimSpace(file.Doc.Text()) != ""
	names := map[string]string{} // how the file calls what it imports
	for _, i := range file.Imports {
		p, _ := strconv.Unquote(i.Path.Value)
		name := path.Base(p)
		if i.Name != nil {
			name = i.Name.Name
		}
		names[name] = p
		if within(p, ours) {
			p = "./" + strings.TrimPrefix(strings.TrimPrefix(p, ours), "/")
		}
		s.imports = append(s.imports, p)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && names[x.Name] != "" {
				s.use(names[x.Name]+"."+n.Sel.Name, set.Position(n.Pos()).Line)
			}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.Ident); ok {
				s.use(f.Name, set.Position(n.Pos()).Line)
			}
		}
		return true
	})
	return s, nil
}

func (s source) use(name string, line int) { s.calls[name] = append(s.calls[name], line) }

// our are the directories of ours that it imports.
func (s source) our() []string {
	var out []string
	for _, p := range s.imports {
		if dir, ok := strings.CutPrefix(p, "./"); ok {
			out = append(out, dir)
		}
	}
	return out
}

// within tells whether a path is dir or below it.
func within(p, dir string) bool { return p == dir || strings.HasPrefix(p, dir+"/") }

func withinAny(p string, dirs ...string) bool {
	return slices.ContainsFunc(dirs, func(dir string) bool { return within(p, dir) })
}
