package probe

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Exec runs a command and succeeds when it exits with 0. All that it has started is killed when the time is over, and when the command
// itself has ended: by Side, and without one only its own process group. Standard input is /dev/null. One that cannot be started is Unknown.
type Exec struct {
	// Command and its arguments, without a shell. A program without a slash is looked up in the PATH of Env.
	Command []string
	// Env is the whole environment.
	Env []string
	// Dir to run in.
	Dir string
	// Credential to run as; nil keeps ours.
	Credential *syscall.Credential
	// Side makes the place where one command runs; nil where there is none.
	Side func() (Side, error)
}

// Side is where a command runs, so that nothing of it outlives it.
type Side interface {
	// Prepare has the command started there: by its attributes, or by words that come before its path and arguments, of which the first
	// is executed instead and has the file reasons as descriptor 3.
	Prepare(*syscall.SysProcAttr) (words []string, reasons *os.File, err error)
	// Kill ends all that runs there, of the command with that pid.
	Kill(pid int) error
	// Close ends what is left, and answers why the command could not be executed, if it could not.
	Close() error
}

// group is the place of a command that has no other.
type group struct{}

func (group) Prepare(*syscall.SysProcAttr) ([]string, *os.File, error) { return nil, nil, nil }
func (group) Kill(pid int) error                                       { return killGroup(pid) }
func (group) Close() error                                             { return nil }

// afterKill is how long output may be waited for once the command is dead, or was to be: something that left its group may hold the pipe.
const afterKill = 500 * time.Millisecond

func (e *Exec) run(ctx context.Context) Result {
	if len(e.Command) == 0 {
		return Result{Unknown, "cannot run the command: it is empty"}
	}
	path, err := e.look()
	if err != nil {
		return Result{Unknown, "cannot run the command: " + err.Error()}
	}
	var out head
	cmd := exec.CommandContext(ctx, path)
	cmd.Args, cmd.Env, cmd.Dir = e.Command, append([]string{}, e.Env...), e.Dir
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: e.Credential}
	cmd.WaitDelay = afterKill
	err, failed := e.runIn(cmd)
	if failed != nil {
		return Result{Unknown, "cannot run the command: " + reason(failed)}
	}
	return e.judge(ctx, err, out.String())
}

// runIn runs a command in its place, and answers how it ended, or why it did not even begin.
func (e *Exec) runIn(cmd *exec.Cmd) (ended, failed error) {
	var side Side = group{}
	if e.Side != nil {
		var err error
		if side, err = e.Side(); err != nil {
			return nil, err
		}
	}
	cmd.Cancel = func() error { return side.Kill(cmd.Process.Pid) }
	words, reasons, err := side.Prepare(cmd.SysProcAttr)
	if len(words) > 0 {
		cmd.Args = slices.Concat(words, []string{cmd.Path}, cmd.Args)
		cmd.Path, cmd.ExtraFiles = words[0], []*os.File{reasons}
	}
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		_ = side.Close()
		return nil, err
	}
	ended = wait(cmd, side)
	if errors.Is(ended, exec.ErrWaitDelay) {
		ended = nil // it exited with 0 and left its output open
	}
	return ended, side.Close()
}

func (e *Exec) judge(ctx context.Context, err error, output string) Result {
	var exit *exec.ExitError
	switch {
	case err == nil && ctx.Err() == nil:
		return Result{Success, output}
	case ctx.Err() != nil:
		return Result{Failure, output}
	case errors.As(err, &exit):
		return Result{Failure, strings.TrimRight(fmt.Sprintf("%s: %s", exit.ProcessState, output), ": \n")}
	}
	return Result{Unknown, "cannot run the command: " + reason(err)}
}

// killGroup kills the process group that the command leads.
func killGroup(pid int) error {
	if err := syscall.Kill(-pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}

// look finds the program as its own environment would.
func (e *Exec) look() (string, error) {
	name := e.Command[0]
	if strings.Contains(name, "/") {
		if !filepath.IsAbs(name) && e.Dir != "" {
			name = filepath.Join(e.Dir, name)
		}
		return name, nil
	}
	path := ""
	for _, kv := range e.Env {
		if v, ok := strings.CutPrefix(kv, "PATH="); ok {
			path = v
		}
	}
	for _, dir := range filepath.SplitList(path) {
		file := filepath.Join(dir, name)
		if !filepath.IsAbs(file) {
			file = filepath.Join(e.Dir, file)
		}
		if st, err := os.Stat(file); err == nil && st.Mode().IsRegular() && st.Mode().Perm()&0o111 != 0 {
			return file, nil
		}
	}
	return "", fmt.Errorf("%q: %w in its PATH", name, fs.ErrNotExist)
}

// head keeps the beginning of what is written to it and takes the rest as well, so that the command is never held up.
type head struct {
	mu sync.Mutex
	b  []byte
}

func (h *head) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.b = append(h.b, p[:min(len(p), maxOutput+1-len(h.b))]...)
	return len(p), nil
}

func (h *head) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return string(h.b)
}
