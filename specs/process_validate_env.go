package specs

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func (v *processValidator) environment() {
	seen := map[string]bool{}
	for i, e := range v.s.Env {
		at := v.spec.Child("env").Index(i)
		switch {
		case e.Name == "":
			v.add(field.Required(at.Child("name"), ""))
		case seen[e.Name]:
			v.add(field.Duplicate(at.Child("name"), e.Name))
		default:
			for _, m := range validation.IsEnvVarName(e.Name) {
				v.invalid(at.Child("name"), e.Name, "%s", m)
			}
		}
		seen[e.Name] = true
		v.text(at.Child("value"), e.Value)
		if e.ValueFrom == nil {
			continue
		}
		if e.Value != "" {
			v.add(field.Forbidden(at.Child("valueFrom"), "there is a value already: write one of both"))
		}
		v.valueFrom(at.Child("valueFrom"), e.ValueFrom)
	}
	v.proxy()
	for i, e := range v.s.EnvFrom {
		at := v.spec.Child("envFrom").Index(i)
		v.fileSource(at, e.File)
		if e.Prefix != "" {
			for _, m := range validation.IsEnvVarName(e.Prefix) {
				v.invalid(at.Child("prefix"), e.Prefix, "%s", m)
			}
		}
	}
}

// valueFrom checks where a value comes from: exactly one of file and token.
func (v *processValidator) valueFrom(at *field.Path, from *EnvVarSource) {
	switch {
	case from.File != nil && from.Token != nil:
		v.add(field.Forbidden(at.Child("token"), "there is a file already: write one of both"))
	case from.Token != nil:
		v.tokenTTL(at.Child("token", "ttl"), from.Token.TTL)
	default:
		v.fileSource(at, from.File)
	}
}

// proxy checks the gate that the process reaches other hosts through.
func (v *processValidator) proxy() {
	if v.s.Proxy == nil {
		return
	}
	v.name(v.spec.Child("proxy", "gate"), v.s.Proxy.Gate, "the name of a Gate with routes of protocol CONNECT")
	for i, e := range v.s.Env {
		if slices.Contains(proxyVariables, e.Name) {
			v.invalid(v.spec.Child("env").Index(i).Child("name"), e.Name, "spec.proxy sets it: remove one of both")
		}
	}
}

func (v *checks) fileSource(at *field.Path, f *FileSource) {
	switch {
	case f == nil:
		v.add(field.Required(at.Child("file"), "write file: {path: PATH}"))
	case f.Path == "":
		v.add(field.Required(at.Child("file", "path"), ""))
	default:
		v.text(at.Child("file", "path"), f.Path)
	}
}

// variable is what is known of a variable before anything runs.
type variable struct {
	known bool
	// secret: its value comes by reference, or is made of one that does.
	secret bool
}

// references checks every $(NAME): it must name something that is there, and no secret where others can read it.
func (v *processValidator) references() {
	vars := v.builtin()
	for i, e := range v.s.Env {
		secret := e.ValueFrom != nil
		at := v.spec.Child("env").Index(i).Child("value")
		for _, name := range Variables(e.Value) {
			x := vars[name]
			if !x.known && len(v.s.EnvFrom) > 0 {
				x = variable{true, true} // it may be in one of the files
			}
			secret = secret || x.secret
			if !x.known {
				v.unknownVariable(at, name, vars)
			}
		}
		vars[e.Name] = variable{true, secret}
	}
	v.argumentReferences(v.spec.Child("command"), v.s.Command, vars)
	v.argumentReferences(v.spec.Child("args"), v.s.Args, vars)
	for _, name := range Variables(v.s.WorkingDir) {
		if name != VarVersion {
			v.invalid(v.spec.Child("workingDir"), v.s.WorkingDir, "$(%s) does not expand here; $(VERSION) does", name)
		}
	}
}

// builtin are the variables that need no declaration in env.
func (v *processValidator) builtin() map[string]variable {
	vars := map[string]variable{}
	for _, name := range baseVariables {
		vars[name] = variable{known: true}
	}
	for _, p := range v.s.Ports {
		vars[PortVariable(p.Name)], vars[VarPort] = variable{known: true}, variable{known: true}
	}
	for _, name := range gateVariables(v.s) {
		vars[name] = variable{known: true} // what it leads to is a reference
	}
	if v.s.Proxy != nil {
		for _, name := range proxyVariables {
			vars[name] = variable{known: true, secret: true} // a token is in it
		}
	}
	if v.s.StateDirectory != "" {
		vars[VarStateDirectory] = variable{known: true}
	}
	return vars
}

func (v *processValidator) argumentReferences(at *field.Path, args []string, vars map[string]variable) {
	for i, a := range args {
		for _, name := range Variables(a) {
			if len(v.faults) > maxFaults {
				return
			}
			switch x := vars[name]; {
			case x.secret:
				v.add(field.Forbidden(at.Index(i), "$("+name+") comes by reference, so it is a secret, and everybody on the host can read arguments: "+
					"let the program read it from its environment"))
			case x.known:
			case len(v.s.EnvFrom) > 0:
				v.add(field.Forbidden(at.Index(i), "no variable "+name+" is declared, and what envFrom reads is a secret that does not go into arguments"+
					DidYouMean(name, variableNames(vars))))
			default:
				v.unknownVariable(at.Index(i), name, vars)
			}
		}
	}
}

func (v *processValidator) unknownVariable(at *field.Path, name string, vars map[string]variable) {
	if len(v.faults) > maxFaults {
		return // a list of thousands has one mistake in all of it; searching what each may mean would take seconds
	}
	why := "there is no such variable"
	switch near := suggestion(name, variableNames(vars)); {
	case name == VarStateDirectory:
		why = "it needs spec.stateDirectory"
	case name == VarPort || strings.HasPrefix(name, VarPort+"_") && near == "":
		why = "no port of this name is in spec.ports"
	case v.declaresLater(name):
		why = "it stands further down, and only those before a variable expand in it"
	case near != "":
		why += ", did you mean $(" + near + ")?"
	default:
		why += "; write $$(" + name + ") for the text itself"
	}
	v.invalid(at, "$("+name+")", "%s", why)
}

func (v *processValidator) declaresLater(name string) bool {
	for _, e := range v.s.Env {
		if e.Name == name {
			return true
		}
	}
	return false
}

func variableNames(vars map[string]variable) []string {
	var names []string
	for n, x := range vars {
		if x.known {
			names = append(names, n)
		}
	}
	return names
}
