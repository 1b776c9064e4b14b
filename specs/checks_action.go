package specs

import (
	"strings"

	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// action is one of several fields of which an object has exactly one.
type action struct {
	name  string
	there bool
	check func(at *field.Path)
}

// actions checks that there is exactly one, and each that is there.
func (v *checks) actions(at *field.Path, one string, all []action) {
	n := 0
	for _, a := range all {
		if !a.there {
			continue
		}
		if n++; n > 1 {
			v.add(field.Forbidden(at.Child(a.name), "there is another action already: write "+one))
		}
		a.check(at.Child(a.name))
	}
	if n == 0 {
		v.add(field.Required(at, one))
	}
}

// httpGet checks a request but for its port.
func (v *checks) httpGet(at *field.Path, a *HTTPGetAction) {
	if !strings.HasPrefix(a.Path, "/") || strings.ContainsAny(a.Path, " \r\n\x00") {
		v.invalid(at.Child("path"), a.Path, "must begin with / and have no spaces")
	}
	v.oneOf(at.Child("scheme"), a.Scheme, "HTTP", "HTTPS")
	for i, h := range a.HTTPHeaders {
		hat := at.Child("httpHeaders").Index(i)
		for _, m := range validation.IsHTTPHeaderName(h.Name) {
			v.invalid(hat.Child("name"), h.Name, "%s", m)
		}
		if strings.ContainsAny(h.Value, "\r\n\x00") {
			v.invalid(hat.Child("value"), h.Value, "must be one line")
		}
	}
}

// portNumber checks a port that is a number or missing; false when it is a name, which is still to be checked.
func (v *checks) portNumber(at *field.Path, port intstr.IntOrString, what string) bool {
	switch {
	case port.Type == intstr.String && port.StrVal != "":
		return false
	case port.Type == intstr.String || port.IntVal == 0:
		v.add(field.Required(at, what))
	case port.IntVal < 0 || port.IntVal > 65535:
		v.invalid(at, port.IntVal, "must be from 1 to 65535")
	}
	return true
}

// commandLine checks a command and its arguments.
func (v *checks) commandLine(at *field.Path, command []string) {
	if len(command) == 0 {
		v.add(field.Required(at, "write the program and its arguments as a list"))
		return
	}
	if strings.TrimSpace(command[0]) == "" {
		v.invalid(at.Index(0), command[0], "must name a program")
	}
	for i, a := range command {
		v.text(at.Index(i), a)
	}
}
