package specs

import (
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	k8sjson "sigs.k8s.io/json"
	k8syaml "sigs.k8s.io/yaml"
)

// yamlWords are what YAML 1.1 reads as no text when they stand without quotes.
var yamlWords = func() map[string]any {
	m := map[string]any{"": nil, "~": nil}
	add := func(value any, words ...string) {
		for _, s := range words {
			m[s], m[strings.ToUpper(s)], m[strings.ToUpper(s[:1])+s[1:]] = value, value, value
		}
	}
	add(true, "y", "yes", "on", "true")
	add(false, "n", "no", "off", "false")
	add(nil, "null")
	return m
}()

var (
	numberStart = regexp.MustCompile(`^[-+]?\.?[0-9]|^[-+]?\.(inf|Inf|INF)$|^\.(nan|NaN|NAN)$`)
	decimal     = regexp.MustCompile(`^-?[1-9][0-9]{0,14}$|^0$`)
	timestamp   = regexp.MustCompile(`^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ].*)?$`)
)

const anyQuotes = yaml.SingleQuotedStyle | yaml.DoubleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle

// scalar is what YAML 1.1 reads in a scalar node: nil, bool, int64, float64 or string.
func scalar(n *yaml.Node) any {
	if n.Style&anyQuotes != 0 || n.Style&yaml.TaggedStyle != 0 && n.ShortTag() == "!!str" {
		return n.Value
	}
	if len(n.Value) <= 5 {
		if v, ok := yamlWords[n.Value]; ok {
			return v
		}
	}
	if len(n.Value) > 64 || n.Value[0] > '9' || !numberStart.MatchString(n.Value) {
		return n.Value
	}
	if decimal.MatchString(n.Value) {
		v, _ := strconv.ParseInt(n.Value, 10, 64)
		return v
	}
	data, err := k8syaml.YAMLToJSON([]byte("- " + n.Value))
	var v []any
	if err != nil || k8sjson.UnmarshalCaseSensitivePreserveInts(data, &v) != nil || len(v) != 1 {
		return n.Value
	}
	switch v[0].(type) {
	case int64, float64:
		return v[0]
	}
	return n.Value
}

// A leaf sets v, which is new, to what a scalar holds. It tells whether it did, and notes a fault when not.
type leaf = func(w *walker, n *yaml.Node, v reflect.Value) bool

// custom types have a text form of their own.
var custom = map[reflect.Type]leaf{
	reflect.TypeFor[metav1.Duration]():    (*walker).duration,
	reflect.TypeFor[resource.Quantity]():  (*walker).quantity,
	reflect.TypeFor[intstr.IntOrString](): (*walker).intOrString,
	reflect.TypeFor[metav1.Time]():        (*walker).time,
	reflect.TypeFor[metav1.MicroTime]():   (*walker).refuse,
}

func leafOf(k reflect.Kind) leaf {
	switch k {
	case reflect.String:
		return (*walker).text
	case reflect.Bool:
		return (*walker).boolean
	case reflect.Int32, reflect.Int64:
		return (*walker).integer
	}
	return nil
}

func (w *walker) refuse(n *yaml.Node, _ reflect.Value) bool {
	w.fault(n, "cannot be set in a manifest")
	return false
}

// text reads a string field. Only what YAML reads as text will do: `on`, 0644 and 3.10 would be surprises.
func (w *walker) text(n *yaml.Node, v reflect.Value) bool {
	switch x := scalar(n).(type) {
	case string:
		if n.Style == 0 && len(x) >= 8 && x[4] == '-' && timestamp.MatchString(x) {
			w.fault(n, "%s is a date to YAML; put it in quotes: %s", n.Value, quote(n.Value))
			return false
		}
		v.SetString(x)
		return true
	case nil:
		return w.noValue(n)
	case bool:
		w.fault(n, "%s is read as %t by YAML; put it in quotes: %s", n.Value, x, quote(n.Value))
	case float64:
		w.fault(n, "%s is read as the number %s by YAML; put it in quotes: %s", n.Value, strconv.FormatFloat(x, 'g', -1, 64), quote(n.Value))
	default:
		w.fault(n, "%s is read as the number %v by YAML; put it in quotes: %s", n.Value, x, quote(n.Value))
	}
	return false
}

func (w *walker) noValue(n *yaml.Node) bool {
	if n.Value == "" {
		w.fault(n, "has no value: write one (\"\" for empty text), or remove the line")
	} else {
		w.fault(n, "%s is read as no value by YAML; put it in quotes, or remove the line", n.Value)
	}
	return false
}

func (w *walker) boolean(n *yaml.Node, v reflect.Value) bool {
	switch x := scalar(n).(type) {
	case bool:
		v.SetBool(x)
		return true
	case nil:
		return w.noValue(n)
	}
	w.fault(n, "%s is not true or false", quote(n.Value))
	return false
}

func (w *walker) integer(n *yaml.Node, v reflect.Value) bool {
	switch x := scalar(n).(type) {
	case int64:
		if v.OverflowInt(x) {
			w.fault(n, "%d is too large", x)
			return false
		}
		v.SetInt(x)
		return true
	case nil:
		return w.noValue(n)
	case float64:
		if x == float64(int32(x)) {
			v.SetInt(int64(x))
			return true
		}
		w.fault(n, "%s is not a whole number, or too large", n.Value)
		return false
	}
	w.fault(n, "%s is not a whole number", quote(n.Value))
	return false
}

func (w *walker) duration(n *yaml.Node, v reflect.Value) bool {
	switch x := scalar(n).(type) {
	case nil:
		return w.noValue(n)
	case string:
		if d, err := time.ParseDuration(x); err == nil {
			v.Set(reflect.ValueOf(metav1.Duration{Duration: d}))
			return true
		}
	case int64:
		w.fault(n, "%s has no unit: write %ss for seconds", n.Value, n.Value)
		return false
	}
	w.fault(n, "%s is not a duration, such as 500ms, 30s, 5m or 1h30m", quote(n.Value))
	return false
}

// time reads a point in time, in whole seconds: that is what an object keeps of it.
func (w *walker) time(n *yaml.Node, v reflect.Value) bool {
	switch x := scalar(n).(type) {
	case nil:
		return w.noValue(n)
	case string:
		if t, err := time.Parse(time.RFC3339, x); err == nil && t.Nanosecond() == 0 && !strings.Contains(x, ".") {
			v.Set(reflect.ValueOf(metav1.NewTime(t.UTC())))
			return true
		}
	}
	w.fault(n, "%s is not a time with date, hour and zone, such as 2026-11-23T15:04:05Z", quote(n.Value))
	return false
}

func (w *walker) quantity(n *yaml.Node, v reflect.Value) bool {
	var s string
	switch x := scalar(n).(type) {
	case nil:
		return w.noValue(n)
	case string:
		s = x
	case float64:
		s = strconv.FormatFloat(x, 'f', -1, 64)
	default:
		s = fmt.Sprint(x)
	}
	q, err := resource.ParseQuantity(s)
	if err != nil || len(s) > 32 {
		w.fault(n, "%s is not a quantity, such as 512Mi, 500m or 400k", quote(n.Value))
		return false
	}
	v.Set(reflect.ValueOf(q))
	return true
}

func (w *walker) intOrString(n *yaml.Node, v reflect.Value) bool {
	switch x := scalar(n).(type) {
	case nil:
		return w.noValue(n)
	case string:
		v.Set(reflect.ValueOf(intstr.FromString(x)))
		return true
	case int64:
		if x == int64(int32(x)) {
			v.Set(reflect.ValueOf(intstr.FromInt32(int32(x))))
			return true
		}
	}
	w.fault(n, "%s is neither a whole number in range nor a name", quote(n.Value))
	return false
}
