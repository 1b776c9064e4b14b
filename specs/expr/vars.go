package expr

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// object is a variable with fields. Its value is a pointer into Vars.
type object struct {
	name   string
	typ    *cel.Type
	fields map[string]*types.FieldType
}

// names of its fields, sorted.
func (o *object) names() []string { return slices.Sorted(maps.Keys(o.fields)) }

// newObject makes the type of a variable. Nothing can be made of such a type in an expression: its name is no identifier.
func newObject(name string, fields map[string]*types.FieldType) *object {
	return &object{name: name, typ: cel.ObjectType("@" + name), fields: fields}
}

var (
	strMap = cel.MapType(cel.StringType, cel.StringType)
	dynMap = cel.MapType(cel.StringType, cel.DynType)
)

// objects are all variables but time.
var objects = []*object{
	newObject("request", map[string]*types.FieldType{
		"method":  text(func(r *Request) string { return r.Method }),
		"path":    text(func(r *Request) string { return r.Path }),
		"host":    text(func(r *Request) string { return r.Host }),
		"size":    number(func(r *Request) int64 { return r.Size }),
		"headers": fieldOf(strMap, func(r *Request) any { return r.Headers }, func(r *Request) bool { return len(r.Headers) > 0 }),
		"peer":    text(func(r *Request) string { return r.Peer }),
	}),
	newObject("principal", map[string]*types.FieldType{
		"name":     text(func(p *Principal) string { return p.Name }),
		"type":     text(func(p *Principal) string { return p.Type }),
		"labels":   fieldOf(strMap, func(p *Principal) any { return p.Labels }, func(p *Principal) bool { return len(p.Labels) > 0 }),
		"instance": text(func(p *Principal) string { return p.Instance }),
	}),
	newObject("route", map[string]*types.FieldType{
		"name":     text(func(r *Route) string { return r.Name }),
		"protocol": text(func(r *Route) string { return r.Protocol }),
		"gate":     text(func(r *Route) string { return r.Gate }),
		"remote":   truth(func(r *Route) bool { return r.Remote }),
	}),
	newObject("llm", map[string]*types.FieldType{
		"model":     text(func(l *LLM) string { return l.Model }),
		"maxTokens": number(func(l *LLM) int64 { return l.MaxTokens }),
		"stream":    truth(func(l *LLM) bool { return l.Stream }),
		"tools":     texts(func(l *LLM) []string { return l.Tools }),
		"messages":  number(func(l *LLM) int64 { return l.Messages }),
	}),
	newObject("mcp", map[string]*types.FieldType{
		"method":    text(func(m *MCP) string { return m.Method }),
		"tool":      text(func(m *MCP) string { return m.Tool }),
		"resource":  text(func(m *MCP) string { return m.Resource }),
		"prompt":    text(func(m *MCP) string { return m.Prompt }),
		"arguments": fieldOf(dynMap, func(m *MCP) any { return m.Arguments }, func(m *MCP) bool { return len(m.Arguments) > 0 }),
	}),
}

// objectOf finds a variable by its name; nil when there is none.
func objectOf(name string) *object {
	for _, o := range objects {
		if o.name == name {
			return o
		}
	}
	return nil
}

// fieldOf is a field with its type, its value, and whether has() says that it is there: when it is not zero.
func fieldOf[T any](typ *cel.Type, get func(*T) any, isSet func(*T) bool) *types.FieldType {
	return &types.FieldType{
		Type:    typ,
		GetFrom: func(target any) (any, error) { return get(target.(*T)), nil },
		IsSet:   func(target any) bool { return isSet(target.(*T)) },
	}
}

func text[T any](get func(*T) string) *types.FieldType {
	return &types.FieldType{
		Type: cel.StringType,
		GetFrom: func(target any) (any, error) {
			s := get(target.(*T))
			if len(s) > maxText {
				return nil, errors.New(tooLong)
			}
			return types.String(s), nil
		},
		IsSet: func(target any) bool { return get(target.(*T)) != "" },
	}
}

func texts[T any](get func(*T) []string) *types.FieldType {
	return &types.FieldType{
		Type: cel.ListType(cel.StringType),
		GetFrom: func(target any) (any, error) {
			list := get(target.(*T))
			for _, s := range list {
				if len(s) > maxText {
					return nil, errors.New(tooLong)
				}
			}
			return list, nil
		},
		IsSet: func(target any) bool { return len(get(target.(*T))) > 0 },
	}
}

func number[T any](get func(*T) int64) *types.FieldType {
	return fieldOf(cel.IntType, func(t *T) any { return types.Int(get(t)) }, func(t *T) bool { return get(t) != 0 })
}

func truth[T any](get func(*T) bool) *types.FieldType {
	return fieldOf(cel.BoolType, func(t *T) any { return types.Bool(get(t)) }, get)
}

// activation gives the variables to an evaluation.
type activation Vars

func (v *activation) ResolveName(name string) (any, bool) {
	switch name {
	case "request":
		return &v.Request, true
	case "principal":
		return &v.Principal, true
	case "route":
		return &v.Route, true
	case "llm":
		return &v.LLM, true
	case "mcp":
		return &v.MCP, true
	case "time":
		return types.Timestamp{Time: v.Time.UTC()}, true
	}
	return nil, false
}

func (v *activation) Parent() cel.Activation { return nil }

// provider adds the types of the variables to those of the language. Nothing can be made of a type with fields in an expression.
type provider struct{ types.Provider }

func (provider) FindStructType(name string) (*types.Type, bool) {
	if o := objectOfType(name); o != nil {
		return types.NewTypeTypeWithParam(o.typ), true
	}
	return nil, false
}

func (provider) FindStructFieldNames(name string) ([]string, bool) {
	if o := objectOfType(name); o != nil {
		return o.names(), true
	}
	return nil, false
}

func (provider) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	if o := objectOfType(name); o != nil {
		f, ok := o.fields[field]
		return f, ok
	}
	return nil, false
}

// objectOfType finds a variable by the name of its type; nil when there is none.
func objectOfType(name string) *object {
	if short, ours := strings.CutPrefix(name, "@"); ours {
		return objectOf(short)
	}
	return nil
}

// maxText is the longest text, in bytes, that a condition looks at: what a function makes of it stays within memory.
const maxText = 1 << 20

// adapter makes CEL values of what JSON decodes to, in depth only where an expression looks.
type adapter struct{}

func (a adapter) NativeToValue(value any) ref.Val {
	switch v := value.(type) {
	case ref.Val:
		return v
	case string:
		if len(v) > maxText {
			return types.NewErr("%s", tooLong)
		}
		return types.String(v)
	case map[string]string:
		return types.NewStringStringMap(a, v)
	case map[string]any:
		return types.NewStringInterfaceMap(a, v)
	case []string:
		return types.NewStringList(a, v)
	case []any:
		return types.NewDynamicList(a, v)
	case json.Number:
		return numberOf(v)
	}
	return types.DefaultTypeAdapter.NativeToValue(value)
}

// numberOf is a JSON number as an int where it is one, else as a double.
func numberOf(n json.Number) ref.Val {
	if i, err := n.Int64(); err == nil {
		return types.Int(i)
	}
	if f, err := n.Float64(); err == nil {
		return types.Double(f)
	}
	return types.NewErr("%s", badNumber)
}

// What is wrong with a value, without the value: errors are logged, and requests are not.
var (
	tooLong   = fmt.Sprintf("a text is longer than %d bytes", maxText)
	badNumber = "a number is out of range"
)
