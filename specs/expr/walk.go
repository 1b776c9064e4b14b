package expr

import (
	"slices"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
)

// walker goes through a checked expression: what it may cost, and what the language has and conditions have not.
type walker struct {
	checked *cel.Ast
	locals  []string
	// costly: an evaluation may take more than a look at each variable that the expression names.
	costly bool
	fault  *Error
}

func walk(checked *cel.Ast) *walker {
	w := &walker{checked: checked}
	w.visit(checked.NativeRep().Expr())
	return w
}

// cheap are functions that take no longer than a look at what they are given.
var cheap = map[string]bool{
	"_&&_": true, "_||_": true, "!_": true, "_?_:_": true, "_==_": true, "_!=_": true, "_<_": true, "_<=_": true, "_>_": true, "_>=_": true,
	"@in": true, "_[_]": true, "_[?_]": true, "_?._": true, "-_": true, "size": true, "startsWith": true, "endsWith": true,
	"@not_strictly_false": true, "contains": true, "orValue": true, "hasValue": true, "timestamp": true, "duration": true, "getHours": true, "getDayOfWeek": true,
}

// refused are functions whose result may be far longer than what they are given.
var refused = map[string]string{
	"replace": "is not for conditions, its result may be of any length: use matches()",
	"join":    "is not for conditions, its result may be of any length: use exists()",
	"format":  "is not for conditions, its result may be of any length: use ==",
}

func (w *walker) visit(e ast.Expr) {
	switch e.Kind() {
	case ast.IdentKind:
		w.ident(e)
	case ast.SelectKind:
		w.selects(e)
	case ast.CallKind:
		w.call(e)
	case ast.ListKind:
		for _, item := range e.AsList().Elements() {
			w.visit(item)
		}
	case ast.MapKind:
		for _, entry := range e.AsMap().Entries() {
			w.visit(entry.AsMapEntry().Key())
			w.visit(entry.AsMapEntry().Value())
		}
	case ast.ComprehensionKind:
		w.comprehension(e.AsComprehension())
	}
}

func (w *walker) isLocal(name string) bool { return slices.Contains(w.locals, name) }

// ident notes a variable as a whole. Those with fields are no values by themselves.
func (w *walker) ident(e ast.Expr) {
	name := e.AsIdent()
	if w.isLocal(name) {
		return
	}
	w.looksAt(name, "")
	if o := objectOf(name); o != nil {
		w.fail(e, "is no value by itself: name a field of it, such as "+name+"."+o.names()[0])
	}
}

func (w *walker) selects(e ast.Expr) {
	operand := e.AsSelect().Operand()
	if operand.Kind() == ast.IdentKind && !w.isLocal(operand.AsIdent()) && objectOf(operand.AsIdent()) != nil {
		w.looksAt(operand.AsIdent(), e.AsSelect().FieldName())
		return
	}
	w.visit(operand)
}

func (w *walker) call(e ast.Expr) {
	c := e.AsCall()
	w.costly = w.costly || !cheap[c.FunctionName()] && !w.collects(c)
	if word, bad := refused[c.FunctionName()]; bad {
		w.fail(e, c.FunctionName()+" "+word)
	}
	if args := c.Args(); c.FunctionName() == "matches" && args[len(args)-1].Kind() != ast.LiteralKind {
		w.fail(args[len(args)-1], "must be a regular expression in quotes: one that is taken from a request could be anything")
	}
	if args := c.Args(); c.FunctionName() == "_?._" || c.FunctionName() == "_[_]" {
		w.optional(args)
		return
	}
	if c.IsMemberFunction() {
		w.visit(c.Target())
	}
	for _, arg := range c.Args() {
		w.visit(arg)
	}
}

// optional is variable.?field, which is a call.
func (w *walker) optional(args []ast.Expr) {
	if args[0].Kind() == ast.IdentKind && !w.isLocal(args[0].AsIdent()) && args[1].Kind() == ast.LiteralKind {
		if field, ok := args[1].AsLiteral().Value().(string); ok && objectOf(args[0].AsIdent()) != nil {
			w.looksAt(args[0].AsIdent(), field)
			return
		}
	}
	w.visit(args[0])
	w.visit(args[1])
}

// declared tells that an expression is principal.labels, which no request makes longer: the owner wrote them down.
func (w *walker) declared(e ast.Expr) bool {
	return e.Kind() == ast.SelectKind && e.AsSelect().FieldName() == "labels" && e.AsSelect().Operand().Kind() == ast.IdentKind &&
		e.AsSelect().Operand().AsIdent() == "principal" && !w.isLocal("principal")
}

// looksAt notes a field of a variable, or a variable that has none. The arguments of a tool may be anything. What goes through labels costs what
// the owner declared, but not where it looks at a request too.
func (w *walker) looksAt(variable, field string) {
	w.costly = w.costly || variable == "mcp" && field == "arguments" || len(w.locals) > 0 && variable != "principal"
}

// collects tells that a call adds items to the list that a macro makes, as map() and filter() do.
func (w *walker) collects(c ast.CallExpr) bool {
	if c.FunctionName() != "_+_" || len(c.Args()) != 2 {
		return false
	}
	list, items := c.Args()[0], c.Args()[1]
	return list.Kind() == ast.IdentKind && w.isLocal(list.AsIdent()) && items.Kind() == ast.ListKind
}

func (w *walker) comprehension(c ast.ComprehensionExpr) {
	w.costly = w.costly || !w.declared(c.IterRange()) || len(w.locals) > 0 // one within another multiplies
	w.visit(c.IterRange())
	w.visit(c.AccuInit())
	n := len(w.locals)
	w.locals = append(w.locals, c.AccuVar())
	w.visit(c.Result())
	w.locals = append(w.locals, c.IterVar())
	if c.HasIterVar2() {
		w.locals = append(w.locals, c.IterVar2())
	}
	w.visit(c.LoopCondition())
	w.visit(c.LoopStep())
	w.locals = w.locals[:n]
}

// fail keeps the first fault.
func (w *walker) fail(e ast.Expr, message string) {
	if w.fault == nil {
		if e.Kind() == ast.IdentKind {
			message = e.AsIdent() + " " + message
		}
		w.fault = placeOf(w.checked, e, message)
	}
}
