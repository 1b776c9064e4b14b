package specs

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/api/resource"
	k8sjson "sigs.k8s.io/json"
	k8syaml "sigs.k8s.io/yaml"
)

// words that YAML 1.1 reads as no text when they stand without quotes.
var yamlWords = map[string]any{}

func init() {
	for value, words := range map[any][]string{
		true: {"y", "yes", "on", "true"}, false: {"n", "no", "off", "false"}, nil: {"null"},
	} {
		for _, w := range words {
			yamlWords[w], yamlWords[strings.ToUpper(w)], yamlWords[strings.ToUpper(w[:1])+w[1:]] = value, value, value
		}
	}
	yamlWords[""], yamlWords["~"] = nil, nil
}

var (
	numberStart = regexp.MustCompile(`^[-+.]?[0-9.]`)
	timestamp   = regexp.MustCompile(`^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ].*)?$`)
)

// scalar is what YAML 1.1 reads in a scalar node: nil, bool, int64, float64 or string.
func scalar(n *yaml.Node) any {
	if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return n.Value
	}
	if n.Style&yaml.TaggedStyle != 0 && n.ShortTag() == "!!str" {
		return n.Value
	}
	if v, ok := yamlWords[n.Value]; ok {
		return v
	}
	if len(n.Value) > 64 || !numberStart.MatchString(n.Value) {
		return n.Value
	}
	data, err := k8syaml.YAMLToJSON([]byte("- " + n.Value))
	var v []any
	if err != nil || k8sjson.UnmarshalCaseSensitivePreserveInts(data, &v) != nil || len(v) != 1 {
		return n.Value
	}
	return v[0]
}

// text reads a string field. Only what YAML reads as text will do: `on`, 0644 and 3.10 would be surprises.
func (w *walker) text(n *yaml.Node, path string) any {
	switch v := scalar(n).(type) {
	case string:
		if n.Style == 0 && timestamp.MatchString(v) {
			w.fault(n, path, "%s is read as a date by YAML; put it in quotes: %s", n.Value, quote(n.Value))
			return nil
		}
		return v
	case nil:
		w.noValue(n, path)
	case bool:
		w.fault(n, path, "%s is read as %t by YAML; put it in quotes: %s", n.Value, v, quote(n.Value))
	default:
		w.fault(n, path, "%s is read as the number %v by YAML; put it in quotes: %s", n.Value, v, quote(n.Value))
	}
	return nil
}

func (w *walker) noValue(n *yaml.Node, path string) {
	if n.Value == "" {
		w.fault(n, path, "has no value: write one (\"\" for empty text), or remove the line")
		return
	}
	w.fault(n, path, "%s is read as no value by YAML; put it in quotes, or remove the line", n.Value)
}

func (w *walker) boolean(n *yaml.Node, path string) any {
	v := scalar(n)
	if b, ok := v.(bool); ok {
		return b
	}
	if v == nil {
		w.noValue(n, path)
	} else {
		w.fault(n, path, "%s is not true or false", shown(n))
	}
	return nil
}

func (w *walker) integer(n *yaml.Node, path string, bits int) any {
	switch v := scalar(n).(type) {
	case int64:
		if bits < 64 && v != v<<(64-bits)>>(64-bits) {
			w.fault(n, path, "%d is too large", v)
			return nil
		}
		return v
	case float64:
		if v == float64(int64(v)) && v < 1<<31 && v > -1<<31 {
			return int64(v)
		}
		w.fault(n, path, "%s is not a whole number in range", n.Value)
	case nil:
		w.noValue(n, path)
	default:
		w.fault(n, path, "%s is not a whole number", shown(n))
	}
	return nil
}

func (w *walker) duration(n *yaml.Node, path string) any {
	switch v := scalar(n).(type) {
	case string:
		if _, err := time.ParseDuration(v); err == nil {
			return v
		}
		w.fault(n, path, "%s is not a duration, such as 500ms, 30s, 5m or 1h30m", shown(n))
	case int64:
		if v == 0 {
			w.fault(n, path, "0 has no unit: write 0s")
		} else {
			w.fault(n, path, "%d has no unit: write %ds for seconds", v, v)
		}
	case nil:
		w.noValue(n, path)
	default:
		w.fault(n, path, "%s is not a duration, such as 500ms, 30s, 5m or 1h30m", shown(n))
	}
	return nil
}

func (w *walker) quantity(n *yaml.Node, path string) any {
	v := scalar(n)
	if v == nil {
		w.noValue(n, path)
		return nil
	}
	s := n.Value
	if _, isText := v.(string); !isText {
		s = fmt.Sprint(v)
		if f, ok := v.(float64); ok {
			s = strconv.FormatFloat(f, 'f', -1, 64)
		}
	}
	if _, err := resource.ParseQuantity(s); err != nil || len(s) > 32 {
		w.fault(n, path, "%s is not a quantity, such as 512Mi, 500m or 400k", shown(n))
		return nil
	}
	return s
}

func (w *walker) intOrString(n *yaml.Node, path string) any {
	switch v := scalar(n).(type) {
	case string:
		return v
	case int64:
		return w.integer(n, path, 32)
	case nil:
		w.noValue(n, path)
	default:
		w.fault(n, path, "%s is neither a whole number nor a name", shown(n))
	}
	return nil
}

func (w *walker) time(n *yaml.Node, path string) any {
	if _, err := time.Parse(time.RFC3339, n.Value); err != nil {
		w.fault(n, path, "%s is not a time, such as 2026-11-23T15:04:05Z", shown(n))
		return nil
	}
	return n.Value
}

// shown is a scalar's text for a message: in quotes, and not endless.
func shown(n *yaml.Node) string { return quote(n.Value) }

// quote puts a text in double quotes; a long one is cut.
func quote(s string) string {
	if r := []rune(s); len(r) > 80 {
		s = string(r[:77]) + "..."
	}
	data, err := json.Marshal(s)
	if err != nil || strings.ContainsAny(s, "<>&") {
		return strconv.Quote(s)
	}
	return string(data)
}
