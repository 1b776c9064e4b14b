package specs

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"mirroros.dev/mirroros/specs/expr"
)

// Bounds of a GateRule.
const (
	DefaultPriority = 1000
	MaxPriority     = 1_000_000
	// maxPatterns of one filter, and the bytes of each.
	maxPatterns, maxPatternBytes = 100, 4096
)

// Default fills in what the rule leaves out.
func (o *GateRule) Default() {
	or(&o.Spec.Mode, RuleEnforce)
	orPointer(&o.Spec.Priority, DefaultPriority)
	for i := range o.Spec.Filters {
		f := &o.Spec.Filters[i]
		if f.Type == FilterAnswerSchema {
			or(&f.On, FilterResponse)
		}
		or(&f.On, FilterRequest)
	}
}

// References to its gates, routes and principals.
func (o *GateRule) References() []Ref {
	var refs []Ref
	add := func(fieldName, kind string, i int, name string) {
		refs = append(refs, Ref{FromField: fmt.Sprintf("spec.%s[%d]", fieldName, i), Kind: kind, Name: name})
	}
	for i, n := range o.Spec.Gates {
		add("gates", "Gate", i, n)
	}
	for i, n := range o.Spec.Routes {
		add("routes", "Route", i, n)
	}
	return append(refs, o.Spec.Principals.references()...)
}

// Validate tells everything that is wrong in the rule by itself.
func (o *GateRule) Validate() field.ErrorList {
	o = Copy(o)
	o.Default()
	v := &ruleValidator{s: &o.Spec, spec: field.NewPath("spec")}
	v.names(v.spec.Child("gates"), v.s.Gates, func(at *field.Path, n string) { v.name(at, n, "the name of a Gate") })
	v.names(v.spec.Child("routes"), v.s.Routes, func(at *field.Path, n string) { v.name(at, n, "the name of a Route") })
	v.principals()
	if n := *v.s.Priority; n < 0 || n > MaxPriority {
		v.invalid(v.spec.Child("priority"), n, "must be from 0 to %d", MaxPriority)
	}
	v.mcp()
	v.when()
	v.decision()
	v.oneOf(v.spec.Child("mode"), string(v.s.Mode), string(RuleEnforce), string(RuleShadow))
	v.oneLine(v.spec.Child("reason"), v.s.Reason, 500)
	return v.faults
}

// ruleValidator gathers the faults of one rule.
type ruleValidator struct {
	checks
	s    *GateRuleSpec
	spec *field.Path
}

func (v *ruleValidator) principals() {
	at, p := v.spec.Child("principals"), v.s.Principals
	if p != nil {
		v.selector(at, p)
	} else if v.s.Action == RuleAllow {
		v.add(field.Required(at, "an Allow names whom it allows: names, types, matchLabels, or all: true"))
	}
}

func (v *ruleValidator) mcp() {
	m, at := v.s.MCP, v.spec.Child("mcp")
	if m == nil {
		return
	}
	if len(m.Tools)+len(m.Resources)+len(m.Prompts) == 0 {
		v.add(field.Required(at, "tools, resources or prompts; a name may be \"*\""))
	}
	v.names(at.Child("tools"), m.Tools, v.pattern)
	v.names(at.Child("resources"), m.Resources, v.pattern)
	v.names(at.Child("prompts"), m.Prompts, v.pattern)
}

// when compiles the condition. What is told has the place within it, and the line there that is wrong.
func (v *ruleValidator) when() {
	if v.s.When == "" {
		return
	}
	_, err := expr.Compile(v.s.When)
	var e *expr.Error
	if !errors.As(err, &e) {
		return
	}
	lines := strings.Split(v.s.When, "\n")
	line := strings.TrimSpace(lines[min(e.Line, len(lines))-1])
	v.invalid(v.spec.Child("when"), line, "line %d, column %d of the condition: %s", e.Line, e.Column, e.Message)
}

// decision checks that the rule decides or filters, and what goes with either.
func (v *ruleValidator) decision() {
	action, filters := v.spec.Child("action"), v.spec.Child("filters")
	switch {
	case v.s.Action == "" && len(v.s.Filters) == 0:
		v.add(field.Required(action, "Allow or Deny; or filters, for a rule that decides nothing"))
	case v.s.Action != "" && len(v.s.Filters) > 0:
		v.add(field.Forbidden(filters, "a rule decides or filters: put them into a rule of their own, without action"))
	case v.s.Action != "":
		v.oneOf(action, string(v.s.Action), string(RuleAllow), string(RuleDeny))
	}
	if v.s.AllowRemote && v.s.Action != RuleAllow {
		v.add(field.Forbidden(v.spec.Child("allowRemote"), "is for rules with action Allow"))
	}
	for i := range v.s.Filters {
		v.filter(filters.Index(i), &v.s.Filters[i])
	}
}

func (v *ruleValidator) filter(at *field.Path, f *Filter) {
	v.required(at.Child("type"), string(f.Type), string(FilterRedactSecrets), string(FilterBlockInjection), string(FilterRequirePattern),
		string(FilterForbidPattern), string(FilterAnswerSchema))
	if f.Type == FilterAnswerSchema {
		v.oneOf(at.Child("on"), string(f.On), string(FilterResponse))
		v.schema(at.Child("schema"), f.Schema)
		if len(f.Patterns) > 0 {
			v.add(field.Forbidden(at.Child("patterns"), "AnswerSchema has a schema instead"))
		}
		return
	}
	v.oneOf(at.Child("on"), string(f.On), string(FilterRequest), string(FilterResponse), string(FilterBoth))
	if f.Schema != "" {
		v.add(field.Forbidden(at.Child("schema"), "is for a filter of type AnswerSchema"))
	}
	patterns := at.Child("patterns")
	if len(f.Patterns) == 0 && (f.Type == FilterRequirePattern || f.Type == FilterForbidPattern) {
		v.add(field.Required(patterns, "a list of regular expressions"))
	}
	if len(f.Patterns) > maxPatterns {
		v.invalid(patterns, len(f.Patterns), "must be at most %d patterns", maxPatterns)
		return
	}
	v.names(patterns, f.Patterns, v.regexp)
}

func (v *ruleValidator) regexp(at *field.Path, p string) {
	if len(p) > maxPatternBytes {
		v.invalid(at, p, "must have at most %d bytes", maxPatternBytes)
		return
	}
	re, err := regexp.Compile(p)
	if err != nil {
		v.invalid(at, p, "is no regular expression (RE2): %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	} else if re.MatchString("") {
		v.invalid(at, p, "matches where there is nothing, so it says nothing of a text")
	}
}

func (v *ruleValidator) schema(at *field.Path, text string) {
	if text == "" {
		v.add(field.Required(at, "a JSON schema, as text"))
		return
	}
	var s jsonschema.Schema
	err := json.Unmarshal([]byte(text), &s)
	if err == nil {
		_, err = s.Resolve(nil) // without a loader: what it refers to must be in it
	}
	if err == nil {
		err = schemaTypes([]byte(text))
	}
	if err != nil {
		v.invalid(at, text, "is no JSON schema: %v", err)
	}
}

// jsonTypes are the types that a JSON schema knows.
var jsonTypes = []string{"array", "boolean", "integer", "null", "number", "object", "string"}

// schemaTypes finds a type that is none, which would fit no answer and which reading a schema does not find.
func schemaTypes(text []byte) error {
	var schema any
	if err := json.Unmarshal(text, &schema); err != nil {
		return err
	}
	return typesOf(schema)
}

func typesOf(schema any) error {
	if list, ok := schema.([]any); ok {
		for _, s := range list {
			if err := typesOf(s); err != nil {
				return err
			}
		}
		return nil
	}
	m, _ := schema.(map[string]any)
	for key, value := range m {
		switch key {
		case "type":
			if t, ok := value.(string); ok && !slices.Contains(jsonTypes, t) {
				return fmt.Errorf("%q is no type%s", t, DidYouMean(t, jsonTypes))
			}
		case "enum", "const", "default", "examples":
			// values, not schemas
		case "properties", "patternProperties", "$defs", "definitions", "dependentSchemas":
			named, _ := value.(map[string]any)
			for _, s := range named {
				if err := typesOf(s); err != nil {
					return err
				}
			}
		default:
			if err := typesOf(value); err != nil {
				return err
			}
		}
	}
	return nil
}
