package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"mirroros.dev/mirroros/controllers/process/sandbox"
	"mirroros.dev/mirroros/specs"
)

// resolved is a template with every name looked up and every variable expanded, for one instance.
type resolved struct {
	Path       string
	Argv, Env  []string
	Dir        string
	Credential *syscall.Credential
	// StateDirectory is empty when the process has none.
	StateDirectory string
	// values are the variables, for handlers.
	values *variables
}

// resolver resolves templates on one host.
type resolver struct {
	// stateDir is the operator's; programs the directory of its own programs, first in the PATH of every process that declares none;
	// self the user that it runs as; zone the host's time zone.
	stateDir string
	programs string
	self     account
	zone     string
	// host is what it can confine programs by.
	host *sandbox.Host
}

// subject is what to resolve for.
type subject struct {
	process *specs.Process
	// dir is the directory of the manifest.
	dir     string
	id      string
	ordinal int32
	ports   []specs.InstancePort
	// gate is nil when there are none. begin and token are nil unless the instance starts now.
	gate  Gate
	begin func(account) *fault
	token func(ttl time.Duration) (string, *fault)
}

// resolve looks everything up that a start needs. It changes nothing, but for the tokens of an instance that starts now.
func (v *resolver) resolve(s subject) (*resolved, *fault) {
	who, f := v.credential(s.process.Spec.User, s.process.Spec.Group)
	if f != nil {
		return nil, f
	}
	out := &resolved{Credential: who.credential}
	if name := s.process.Spec.StateDirectory; name != "" {
		out.StateDirectory = v.stateDirectory(name)
	}
	if s.begin != nil {
		if f := s.begin(who); f != nil {
			return nil, f
		}
	}
	if out.values, f = v.environment(s, who, out.StateDirectory); f != nil {
		return nil, f
	}
	out.Env = out.values.environ()
	if out.Dir, f = workingDir(s, out.values); f != nil {
		return nil, f
	}
	if out.Argv, f = out.values.expandAll("command", slices.Concat(s.process.Spec.Command, s.process.Spec.Args)); f != nil {
		return nil, f
	}
	if out.Path, f = program(out.Argv[0], s.dir, out.values); f != nil {
		return nil, f
	}
	if _, f := v.confine(s, out, ""); f != nil {
		return nil, f
	}
	return out, tooBig(out.Argv, out.Env)
}

// workingDir resolves and checks the directory to start in.
func workingDir(s subject, values *variables) (string, *fault) {
	dir, f := values.expand("workingDir", s.process.Spec.WorkingDir)
	if f != nil {
		return "", f
	}
	dir = absolute(s.dir, dir)
	switch info, err := os.Stat(dir); {
	case err != nil:
		return "", cannot(dir, "the working directory %q: %s", dir, plain(err))
	case !info.IsDir():
		return "", cannot(dir, "the working directory %q is not a directory", dir)
	}
	return dir, nil
}

// absolute makes a path absolute that starts at a directory.
func absolute(dir, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, path)
}

// program finds the file to execute: by its path, or in the PATH of the process.
func program(name, dir string, values *variables) (string, *fault) {
	if strings.Contains(name, "/") {
		path := absolute(dir, name)
		if f := executable(path); f != nil {
			return "", f
		}
		return path, nil
	}
	path, _ := values.lookup("PATH")
	var denied *fault
	for _, d := range filepath.SplitList(path) {
		if !filepath.IsAbs(d) {
			continue // where an empty or relative entry starts would depend on who looks
		}
		file := filepath.Join(d, name)
		f := executable(file)
		if f == nil {
			return file, nil
		}
		if _, err := os.Lstat(file); err == nil && denied == nil {
			denied = f
		}
	}
	if denied != nil {
		return "", denied
	}
	return "", cannot("", "no program %q in the PATH of the process", name)
}

// executable checks that a file can be executed by somebody; whether by the process' user, exec tells.
func executable(path string) *fault {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return cannot(path, "no program %q", path)
	case err != nil:
		return cannot(path, "the program %q: %s", path, plain(err))
	case info.IsDir():
		return cannot(path, "the program %q is a directory", path)
	case info.Mode()&0o111 == 0:
		return cannot(path, "the program %q is not executable", path)
	}
	return nil
}

// cannot is a fault found before anything was tried; path is the file that may mend it.
func cannot(path, format string, args ...any) *fault {
	return &fault{Reason: specs.ReasonCannotStart, Message: fmt.Sprintf(format, args...), Early: true, Path: path}
}

// plain is an error without the path that the message has already.
func plain(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	if errors.Is(err, fs.ErrNotExist) {
		return "does not exist"
	}
	return err.Error()
}

// tooBig checks the kernel's limits for what a program is given: a quarter of the stack limit in all, 128 KiB a string.
func tooBig(argv, env []string) *fault {
	const oneString, pointer = 128 << 10, 8
	total := 0
	for _, list := range [][]string{argv, env} {
		for _, s := range list {
			if len(s) >= oneString {
				name, _, _ := strings.Cut(s[:64], "=")
				return cannot("", "an argument or variable of %d bytes (%s…) is over the kernel's limit of %d", len(s), safeName(name), oneString)
			}
			total += len(s) + 1 + pointer
		}
	}
	limit := argumentLimit()
	if total > limit {
		return cannot("", "arguments and environment have %d bytes, over the kernel's limit of %d", total, limit)
	}
	return nil
}

// safeName is the text when it is the name of a variable, else nothing: a message must not show a value.
func safeName(s string) string {
	if validName(s) {
		return s
	}
	return ""
}

// argumentLimit is what execve accepts under this process' stack limit, with room for what the kernel adds.
func argumentLimit() int {
	const least, most, room = 128 << 10, 6 << 20, 8 << 10
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_STACK, &l) != nil {
		return least
	}
	return int(min(max(l.Cur/4, least), most)) - room
}
