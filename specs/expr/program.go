package expr

import (
	"fmt"
	"strings"

	"cel.dev/cel-go/cel"
)

// Program is a compiled condition. It may be used by many at once.
type Program struct {
	program cel.Program
	source  string
	costly  bool // its costs are counted
}

// Error is what is wrong with an expression, at its place.
type Error struct {
	// Line and Column, from 1, within the expression. Columns count characters.
	Line, Column int
	// Message says what is wrong and what is meant.
	Message string
}

// Error tells the place and the message.
func (e *Error) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Message)
}

// Compile checks an expression and prepares it. Its value must be true or false. The error is an *Error.
func Compile(src string) (p *Program, err error) {
	defer func() {
		if r := recover(); r != nil {
			p, err = nil, &Error{1, 1, fmt.Sprintf("cannot be compiled: %v", r)}
		}
	}()
	if strings.TrimSpace(src) == "" {
		return nil, &Error{1, 1, "is empty: write a condition, or leave it out"}
	}
	env, err := environment()
	if err != nil {
		return nil, &Error{1, 1, err.Error()}
	}
	ast, issues := env.Parse(src)
	if issues.Err() != nil {
		return nil, firstOf(issues, nil)
	}
	checked, issues := env.Check(ast)
	if issues.Err() != nil {
		return nil, firstOf(issues, ast)
	}
	w := walk(checked)
	if w.fault != nil {
		return nil, w.fault
	}
	if t := checked.OutputType(); !t.IsExactType(cel.BoolType) {
		return nil, placeOf(checked, checked.NativeRep().Expr(), notBool(t))
	}
	if err := affordable(env, checked); err != nil {
		return nil, err
	}
	options := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	if w.costly {
		options = append(options, cel.CostLimit(maxCost)) // counting costs more than all else that a plain expression does
	}
	program, err := env.Program(checked, options...)
	if err != nil {
		return nil, &Error{1, 1, err.Error()}
	}
	return &Program{program: program, source: src, costly: w.costly}, nil
}

// affordable refuses an expression that costs too much on usual requests.
func affordable(env *cel.Env, checked *cel.Ast) error {
	estimate, err := env.EstimateCost(checked, usualSizes{})
	if err != nil {
		return &Error{1, 1, "cannot be estimated: " + err.Error()}
	}
	if estimate.Max > maxEstimate {
		return placeOf(checked, checked.NativeRep().Expr(), "may cost too much: it goes through a list for each item of another, or builds long texts; make it simpler")
	}
	return nil
}

// notBool says what a value is that is no condition.
func notBool(t *cel.Type) string {
	if t.IsExactType(cel.DynType) {
		return "may be of any type: compare it, as in `mcp.arguments.force == true`"
	}
	return "must be true or false, and is " + typeName(t.String())
}

// String is the expression as it was written.
func (p *Program) String() string { return p.source }

// Eval tells whether the condition holds. An error says why it cannot be told, without a value of the request; the caller refuses then.
func (p *Program) Eval(v *Vars) (ok bool, err error) {
	defer func() {
		if r := recover(); r != nil {
			ok, err = false, fmt.Errorf("cannot evaluate the condition: %s", internal)
		}
	}()
	out, _, err := p.program.Eval((*activation)(v))
	if err != nil {
		return false, fmt.Errorf("cannot evaluate the condition: %s", p.why(err))
	}
	if b, isBool := out.Value().(bool); isBool {
		return b, nil
	}
	return false, fmt.Errorf("cannot evaluate the condition: it is neither true nor false")
}

const internal = "internal error"

// whys are the errors that an evaluation may end with, and what is told of them. An error of CEL may quote a value of the request.
var whys = []struct{ has, why string }{
	{"actual cost limit exceeded", "it costs too much on this request"},
	{"no such overload", "a value has another type than the expression needs"},
	{"no such attribute", "there is no such field"},
	{"index out of bounds", "a list has no such item"},
	{"division by zero", "division by zero"},
	{"modulus by zero", "division by zero"},
	{"overflow", "a number is out of range"},
	{badNumber, badNumber},
	{tooLong, tooLong},
	{internal, internal},
}

// why an evaluation failed.
func (p *Program) why(err error) string {
	text := err.Error()
	if _, key, found := strings.Cut(text, "no such key: "); found {
		if strings.Contains(p.source, key) {
			return fmt.Sprintf("there is no %q; ask with has() or `in` before", key)
		}
		return "there is no such key"
	}
	for _, w := range whys {
		if strings.Contains(text, w.has) {
			return w.why
		}
	}
	return "a value cannot be converted"
}
