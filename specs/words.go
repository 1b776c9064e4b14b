package specs

import (
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// nodeWord says what a node is, in a message.
func nodeWord(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
		switch scalar(n).(type) {
		case nil:
			return "empty"
		case bool:
			return "true or false (" + n.Value + ")"
		case int64, float64:
			return "the number " + n.Value
		}
		return "the text " + quote(n.Value)
	}
	return "nothing"
}

// typeWord says what a field of a type wants.
func typeWord(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[metav1.Duration]():
		return "a duration such as 30s"
	case reflect.TypeFor[resource.Quantity]():
		return "a quantity such as 512Mi"
	case reflect.TypeFor[intstr.IntOrString]():
		return "a number or a name"
	case reflect.TypeFor[metav1.Time](), reflect.TypeFor[metav1.MicroTime]():
		return "a time"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int32, reflect.Int64:
		return "a whole number"
	}
	return "text"
}

// example is a node's text inside a list, for a message.
func example(n *yaml.Node) string {
	if n.Kind == yaml.ScalarNode && len(n.Value) <= 40 {
		return n.Value
	}
	return "..."
}

// someNames lists a few names.
func someNames(names []string) string {
	if len(names) > 8 {
		return strings.Join(names[:8], ", ") + ", ..."
	}
	return strings.Join(names, ", ")
}
