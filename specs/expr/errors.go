package expr

import (
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
)

// placeOf is an error at the place where an expression begins.
func placeOf(tree *cel.Ast, e ast.Expr, message string) *Error {
	start := tree.NativeRep().SourceInfo().GetStartLocation(e.ID())
	return at(start, message)
}

// at is an error at a place as CEL counts it: lines from 1, columns from 0.
func at(l common.Location, message string) *Error {
	return &Error{Line: max(l.Line(), 1), Column: max(l.Column()+1, 1), Message: message}
}

// firstOf is the first error of those that CEL found, in words. tree is nil when the text could not be read.
func firstOf(issues *cel.Issues, tree *cel.Ast) *Error {
	all := issues.Errors()
	first := slices.MinFunc(all, func(a, b *common.Error) int {
		if d := a.Location.Line() - b.Location.Line(); d != 0 {
			return d
		}
		return a.Location.Column() - b.Location.Column()
	})
	return at(first.Location, inWords(first, tree))
}

var (
	undeclared = regexp.MustCompile(`^undeclared reference to '([^']*)'`)
	noField    = regexp.MustCompile(`^undefined field '([^']*)'`)
	noOverload = regexp.MustCompile(`(?s)^found no matching overload for '([^']*)' applied to '(.*)'$`)
	syntax     = regexp.MustCompile(`(?s)^Syntax error: (.*?)(?: expecting .*)?$`)
)

// inWords says in plain words what CEL found.
func inWords(e *common.Error, tree *cel.Ast) string {
	if m := undeclared.FindStringSubmatch(e.Message); m != nil {
		return unknownName(strings.TrimPrefix(m[1], "."), isCall(tree, e.ExprID))
	}
	if m := noField.FindStringSubmatch(e.Message); m != nil {
		return unknownField(m[1], tree, e.ExprID)
	}
	if m := noOverload.FindStringSubmatch(e.Message); m != nil {
		return "cannot apply " + strings.Trim(m[1], "_") + " to " + typeName(m[2])
	}
	if m := syntax.FindStringSubmatch(e.Message); m != nil {
		return "syntax error: " + strings.ReplaceAll(m[1], "<EOF>", "the end")
	}
	return e.Message
}

// typeName shortens what CEL calls types: the variables' own have a @.
func typeName(s string) string { return strings.ReplaceAll(s, "@", "") }

// find looks an expression up by its number; nil when it is not there.
func find(tree *cel.Ast, id int64) ast.Expr {
	if tree == nil {
		return nil
	}
	var found ast.Expr
	ast.PostOrderVisit(tree.NativeRep().Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.ID() == id {
			found = e
		}
	}))
	return found
}

func isCall(tree *cel.Ast, id int64) bool {
	e := find(tree, id)
	return e != nil && e.Kind() == ast.CallKind
}

// unknownName is the word for a variable or function that is not there.
func unknownName(name string, call bool) string {
	if call {
		return "there is no function " + name + didYouMean(name, functions())
	}
	known := []string{"time"}
	for _, o := range objects {
		known = append(known, o.name)
	}
	if near := Nearest(name, known); near != "" {
		return "there is no variable " + name + ", did you mean " + near + "?"
	}
	return "there is no variable " + name + ": there are " + strings.Join(slices.Sorted(slices.Values(known)), ", ")
}

// unknownField is the word for a field that is not there.
func unknownField(field string, tree *cel.Ast, id int64) string {
	e := find(tree, id)
	if e == nil || e.Kind() != ast.SelectKind || e.AsSelect().Operand().Kind() != ast.IdentKind {
		return "there is no field " + field
	}
	name := e.AsSelect().Operand().AsIdent()
	o := objectOf(name)
	if o == nil {
		return "there is no field " + field
	}
	if near := Nearest(field, o.names()); near != "" {
		return name + " has no field " + field + ", did you mean " + name + "." + near + "?"
	}
	return name + " has no field " + field + ": it has " + strings.Join(o.names(), ", ")
}

func didYouMean(word string, known []string) string {
	if near := Nearest(word, known); near != "" {
		return ", did you mean " + near + "?"
	}
	return ""
}

// functions that can be called by name.
func functions() []string {
	env, err := environment()
	if err != nil {
		return nil
	}
	var names []string
	for name := range env.Functions() {
		if _, bad := refused[name]; !bad && !strings.ContainsAny(name, "_@!") {
			names = append(names, name)
		}
	}
	return append(names, "has", "all", "exists", "exists_one", "filter", "map")
}
