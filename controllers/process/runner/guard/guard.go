// Package guard is the operator's side of its guardian, the program mirrorguard.
//
// An operator that is not guarded calls Exec: it becomes mirrorguard, which starts it again as its child. A guarded operator
// calls Watch: when its guardian dies, Watch calls back, and the operator calls Exec again. It then becomes the new guardian
// with the same pid, so the processes that it had started stay its children, and a new operator adopts what runs.
// An operator that ends with 0 takes its guardian along. One that ends with another code is started again, unless it called End.
package guard

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// variable names the environment variable by which mirrorguard tells its pid to the operator.
const variable = "MIRROROS_GUARD"

// socketsVariable tells the guardian that this process becomes which sockets it brings along, as FD:NAME, separated by spaces.
const socketsVariable = "MIRROROS_SOCKETS"

// Options says what to guard.
type Options struct {
	// State is the operator's state directory: exit records go below it.
	State string
	// Guard is the path of mirrorguard; Find gives it when empty.
	Guard string
	// Program and Args are the operator's executable and its arguments without its name. This process' own when Program is empty.
	Program string
	Args    []string
	// Sockets are listening sockets, by name, that the guardian is to hold. They must stay open until Exec returns.
	Sockets map[string]int
	// Settle: an operator that lived longer did not fail to start. A second when zero.
	Settle time.Duration
}

// Find gives the path of mirrorguard: beside this program's executable, else in PATH.
func Find() (string, error) {
	self, err := Self()
	if err == nil {
		beside := filepath.Join(filepath.Dir(self), "mirrorguard")
		if i, err := os.Stat(beside); err == nil && i.Mode().IsRegular() {
			return beside, nil
		}
	}
	path, err := exec.LookPath("mirrorguard")
	if err != nil {
		return "", fmt.Errorf("cannot find mirrorguard: it is neither beside %q nor in PATH", self)
	}
	return filepath.Abs(path)
}

// Self is the path of this program's executable; of its successor when it was replaced.
func Self() (string, error) {
	self, err := os.Executable()
	return strings.TrimSuffix(self, " (deleted)"), err
}

// command gives mirrorguard's path and its arguments.
func (o Options) command() (string, []string, error) {
	path, program, args := o.Guard, o.Program, o.Args
	var err error
	if path == "" {
		if path, err = Find(); err != nil {
			return "", nil, err
		}
	}
	if program == "" {
		if program, err = Self(); err != nil {
			return "", nil, fmt.Errorf("cannot find the path of this program: %v", err)
		}
		args = os.Args[1:]
	}
	argv := []string{"mirrorguard", "run", "--state", o.State}
	if o.Settle > 0 {
		argv = append(argv, "--settle", o.Settle.String())
	}
	return path, append(append(argv, "--", program), args...), nil
}

// environ is this process' environment without the word of an earlier guardian.
func environ() []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, variable+"=") && !strings.HasPrefix(v, socketsVariable+"=") {
			env = append(env, v)
		}
	}
	return env
}
