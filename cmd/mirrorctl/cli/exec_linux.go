package cli

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"mirroros.dev/mirroros/specs"
)

// execIn runs words as the instance's main process would. Signals of the terminal reach the command by themselves; SIGTERM is passed on.
func (c *command) execIn(i *specs.Instance, words []string) error {
	cmd, err := likeProcess(int(i.Status.PID), i.Name)
	if err != nil {
		return err
	}
	if cmd.Path, err = lookPath(words[0], cmd.Env, cmd.Dir); err != nil {
		return &exitError{127, err.Error()}
	}
	cmd.Args = words
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.In, c.Out, c.Err
	if err := cmd.Start(); err != nil {
		return &exitError{126, fmt.Sprintf("cannot run %q like %s: %v", words[0], i.Name, err)}
	}
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for s := range term {
			_ = cmd.Process.Signal(s)
		}
	}()
	err = cmd.Wait()
	signal.Stop(term)
	close(term)
	<-done
	var ended *exec.ExitError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &ended):
		return fmt.Errorf("cannot run %q like %s: %v", words[0], i.Name, err)
	case ended.ExitCode() < 0:
		return &exitError{code: 128 + int(ended.Sys().(syscall.WaitStatus).Signal())}
	}
	return &exitError{code: ended.ExitCode()}
}

// likeProcess is a command with the environment, directory and credentials of a process, which must be the instance's.
func likeProcess(pid int, instance string) (*exec.Cmd, error) {
	proc := fmt.Sprintf("/proc/%d/", pid)
	environ, err := os.ReadFile(proc + "environ")
	switch {
	case errors.Is(err, os.ErrPermission):
		return nil, &exitError{exitFalse, fmt.Sprintf("%s runs as another user: run mirrorctl exec as that user or root", instance)}
	case err != nil:
		return nil, &exitError{exitFalse, fmt.Sprintf("%s has just ended", instance)}
	}
	env := slices.DeleteFunc(strings.Split(string(environ), "\x00"), func(s string) bool { return s == "" })
	if !slices.Contains(env, specs.VarInstance+"="+instance) {
		return nil, &exitError{exitFalse, fmt.Sprintf("pid %d is not %s: it has just ended, or runs on another host", pid, instance)}
	}
	dir, err := os.Readlink(proc + "cwd")
	if err != nil {
		return nil, fmt.Errorf("cannot find the directory of %s: %v", instance, err)
	}
	status, err := os.ReadFile(proc + "status")
	if err != nil {
		return nil, &exitError{exitFalse, fmt.Sprintf("%s has just ended", instance)}
	}
	cred, err := parseCredential(string(status))
	if err != nil {
		return nil, fmt.Errorf("cannot find the user of %s: %v", instance, err)
	}
	cmd := &exec.Cmd{Env: env, Dir: dir}
	switch {
	case os.Geteuid() == 0:
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
	case int(cred.Uid) != os.Geteuid():
		return nil, &exitError{exitFalse, fmt.Sprintf("%s runs as uid %d: run mirrorctl exec as that user or root", instance, cred.Uid)}
	}
	return cmd, nil
}

// parseCredential reads the effective ids and the groups of /proc/PID/status.
func parseCredential(status string) (*syscall.Credential, error) {
	c := &syscall.Credential{}
	seen := 0
	for line := range strings.SplitSeq(status, "\n") {
		key, rest, _ := strings.Cut(line, ":")
		var ids []uint32
		if key == "Uid" || key == "Gid" || key == "Groups" {
			for _, f := range strings.Fields(rest) {
				id, err := strconv.ParseUint(f, 10, 32)
				if err != nil {
					return nil, fmt.Errorf("line %q: %v", line, err)
				}
				ids = append(ids, uint32(id))
			}
		}
		switch {
		case key == "Uid" && len(ids) > 1:
			c.Uid, seen = ids[1], seen+1
		case key == "Gid" && len(ids) > 1:
			c.Gid, seen = ids[1], seen+1
		case key == "Groups":
			c.Groups = ids
		}
	}
	if seen != 2 {
		return nil, errors.New("no Uid and Gid")
	}
	return c, nil
}

// lookPath finds a program as the process would: in its own PATH, or from its own directory.
func lookPath(word string, env []string, dir string) (string, error) {
	if strings.Contains(word, "/") {
		if !filepath.IsAbs(word) {
			word = filepath.Join(dir, word)
		}
		return word, nil
	}
	path := ""
	for _, e := range env {
		if v, ok := strings.CutPrefix(e, "PATH="); ok {
			path = v
		}
	}
	for _, d := range filepath.SplitList(path) {
		if !filepath.IsAbs(d) {
			d = filepath.Join(dir, d)
		}
		file := filepath.Join(d, word)
		if info, err := os.Stat(file); err == nil && !info.IsDir() && info.Mode()&0o111 != 0 {
			return file, nil
		}
	}
	return "", fmt.Errorf("no program %q in the PATH of the process (%s)", word, path)
}
