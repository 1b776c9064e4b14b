package process

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"mirroros.dev/mirroros/specs"
)

// defaultPath is the PATH of every process that declares none, after the operator's own programs.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// maxValueFile bounds a file that a value or an environment is read from.
const maxValueFile = 1 << 20

// variables are an environment in its order, with what of it must not be shown.
type variables struct {
	names  []string
	values map[string]string
	secret map[string]bool
}

func (v *variables) set(name, value string, secret bool) {
	if _, ok := v.values[name]; !ok {
		v.names = append(v.names, name)
	}
	v.values[name] = value
	if secret {
		v.secret[name] = true
	} else {
		delete(v.secret, name)
	}
}

func (v *variables) lookup(name string) (string, bool) {
	s, ok := v.values[name]
	return s, ok
}

func (v *variables) environ() []string {
	out := make([]string, len(v.names))
	for i, n := range v.names {
		out[i] = n + "=" + v.values[n]
	}
	return out
}

// expand replaces variables in a text that others can see; a secret in it is refused.
func (v *variables) expand(field, text string) (string, *fault) {
	out, secret, f := v.expandValue(field, text)
	if f == nil && secret != "" {
		return "", cannot("", "%s uses $(%s), which is a secret: everybody on the host can read arguments", field, secret)
	}
	return out, f
}

// expandValue replaces variables in a text and names a secret that went into it.
func (v *variables) expandValue(field, text string) (out, secret string, f *fault) {
	out, err := specs.Expand(text, func(name string) (string, bool) {
		if v.secret[name] {
			secret = name
		}
		return v.lookup(name)
	})
	if err != nil {
		return "", "", cannot("", "%s: %s", field, err)
	}
	return out, secret, nil
}

func (v *variables) expandAll(field string, texts []string) ([]string, *fault) {
	out := make([]string, len(texts))
	for i, t := range texts {
		var f *fault
		if out[i], f = v.expand(field, t); f != nil {
			return nil, f
		}
		if strings.IndexByte(out[i], 0) >= 0 {
			return nil, cannot("", "%s holds a NUL byte", field)
		}
	}
	if len(out) == 0 || out[0] == "" {
		return nil, cannot("", "%s is empty", field)
	}
	return out, nil
}

// path is the PATH of a process that declares none.
func (v *resolver) path() string {
	if v.programs == "" {
		return defaultPath
	}
	return v.programs + ":" + defaultPath
}

// environment puts together what the program gets: fixed variables, ports, files, and what is declared, later ones winning.
// Nothing of it is the operator's own.
func (v *resolver) environment(s subject, who account, stateDirectory string) (*variables, *fault) {
	spec := &s.process.Spec
	env := &variables{values: make(map[string]string, 16+len(spec.Env)), secret: map[string]bool{}}
	for _, kv := range [][2]string{{"PATH", v.path()}, {"HOME", who.home}, {"USER", who.name}, {"LOGNAME", who.name},
		{"LANG", "C.UTF-8"}, {"TZ", v.zone}, {specs.VarProcess, s.process.Name}, {specs.VarInstance, s.id},
		{specs.VarOrdinal, strconv.Itoa(int(s.ordinal))}, {specs.VarVersion, spec.Version}} {
		env.set(kv[0], kv[1], false)
	}
	if stateDirectory != "" {
		env.set(specs.VarStateDirectory, stateDirectory, false)
	}
	for i, p := range s.ports {
		number := strconv.Itoa(int(p.Port))
		if i == 0 {
			env.set(specs.VarPort, number, false)
		}
		env.set(specs.PortVariable(p.Name), number, false)
	}
	if f := v.gateVariables(env, s); f != nil {
		return nil, f
	}
	for _, from := range spec.EnvFrom {
		if f := env.addFile(s.dir, from); f != nil {
			return nil, f
		}
	}
	for _, e := range spec.Env {
		if f := env.declare(s, e); f != nil {
			return nil, f
		}
	}
	return env, nil
}

// declare adds one declared variable.
func (v *variables) declare(s subject, e specs.EnvVar) *fault {
	if e.ValueFrom != nil && e.ValueFrom.Token != nil {
		return v.tokenVariable(s, e)
	}
	if e.ValueFrom == nil || e.ValueFrom.File == nil {
		value, secret, f := v.expandValue("env "+e.Name, e.Value)
		if f == nil {
			v.set(e.Name, value, secret != "")
		}
		return f
	}
	data, f := readValue(s.dir, e.ValueFrom.File)
	if f != nil {
		return f
	}
	data = bytes.TrimSuffix(bytes.TrimSuffix(data, []byte("\n")), []byte("\r"))
	if bytes.IndexByte(data, 0) >= 0 {
		return cannot(absolute(s.dir, e.ValueFrom.File.Path), "the file %q for env %s holds a NUL byte", e.ValueFrom.File.Path, e.Name)
	}
	v.set(e.Name, string(data), true)
	return nil
}

// addFile adds the variables of a file of NAME=value lines.
func (v *variables) addFile(dir string, from specs.EnvFromSource) *fault {
	if from.File == nil {
		return nil
	}
	data, f := readValue(dir, from.File)
	if f != nil {
		return f
	}
	for i, line := range strings.Split(string(data), "\n") {
		line = strings.TrimSuffix(line, "\r")
		if t := strings.TrimSpace(line); t == "" || t[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if name = from.Prefix + strings.TrimSpace(name); !ok || !validName(name) || strings.IndexByte(value, 0) >= 0 {
			return cannot(absolute(dir, from.File.Path), "line %d of the environment file %q is not NAME=value", i+1, from.File.Path)
		}
		v.set(name, value, true)
	}
	return nil
}

func validName(s string) bool {
	return s != "" && !(s[0] >= '0' && s[0] <= '9') && !slices.ContainsFunc([]byte(s), func(c byte) bool {
		return !(c == '_' || c == '-' || c == '.' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z')
	})
}

// readValue reads a file that holds values; never a device or a pipe, which could hold the operator up.
func readValue(dir string, src *specs.FileSource) ([]byte, *fault) {
	path := absolute(dir, src.Path)
	data, err := readRegular(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && src.Optional:
		return nil, nil
	case err != nil:
		return nil, cannot(path, "the file %q: %s", src.Path, plain(err))
	}
	return data, nil
}

func readRegular(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("is not a regular file")
	case info.Size() > maxValueFile:
		return nil, errors.New("has over 1 MiB")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxValueFile))
}

// hostZone is the time zone of the host, by name.
func hostZone() string {
	target, err := filepath.EvalSymlinks("/etc/localtime")
	if _, name, ok := strings.Cut(target, "/zoneinfo/"); err == nil && ok {
		return name
	}
	return "UTC"
}
