package runner

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"mirroros.dev/mirroros/controllers/process/runner/group"
)

// ownCgroup finds this process' cgroup v2 directory: on a unified host, or on a hybrid one beside the v1 hierarchies.
func ownCgroup() (string, error) {
	path := cgroupOf(os.Getpid())
	if path == "" || strings.HasPrefix(path, "/..") {
		return "", errors.New("this process is in no cgroup v2 that can be seen")
	}
	path = strings.TrimSuffix(path, "/"+group.Leaf) // where an operator before this one, or its guardian, made room
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	for line := range strings.SplitSeq(string(mounts), "\n") {
		left, right, _ := strings.Cut(line, " - ")
		f := strings.Fields(left)
		if !strings.HasPrefix(right, "cgroup2 ") || len(f) < 5 {
			continue
		}
		if root := f[3]; root != "/" {
			below, ok := strings.CutPrefix(path, root)
			if !ok {
				continue
			}
			path = below
		}
		return filepath.Join(group.Unescape(f[4]), path), nil
	}
	return "", errors.New("no cgroup v2 is mounted")
}

// cgroupName is this state directory's directory of cgroups. It follows the directory itself, not its path: two mount
// namespaces may have two state directories at one path.
func cgroupName(stateDir string) (string, error) {
	var st unix.Stat_t
	if err := unix.Stat(stateDir, &st); err != nil {
		return "", err
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%d:%d", st.Dev, st.Ino))
	return fmt.Sprintf("mirroros-%x", sum[:5]), nil
}

// makeCgroups makes the directory for the runs' cgroups and clones a process into it, to see whether that works.
func makeCgroups(below, stateDir string) (string, error) {
	name, err := cgroupName(stateDir)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(below, name)
	if err := os.Mkdir(dir, 0o755); err != nil && !os.IsExist(err) {
		return "", err
	}
	probe := filepath.Join(dir, "probe")
	if err := os.Mkdir(probe, 0o755); err != nil && !os.IsExist(err) {
		return "", err
	}
	defer os.Remove(probe)
	fd, err := unix.Open(probe, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	// The clone is done before the exec, and only the exec can say ENOENT.
	_, err = syscall.ForkExec("/proc/self/no-such-program", []string{"probe"}, &syscall.ProcAttr{
		Sys: &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: fd},
	})
	if !errors.Is(err, syscall.ENOENT) {
		os.Remove(probe)
		os.Remove(dir)
		return "", fmt.Errorf("cannot clone into %q: %w", dir, err)
	}
	return dir, nil
}

// makeCgroup makes the cgroup of one run and opens it. One that is left from a run that never began is replaced.
func makeCgroup(dir string) (int, error) {
	err := os.Mkdir(dir, 0o755)
	if os.IsNotExist(err) { // somebody removed the one that all are in
		err = os.MkdirAll(dir, 0o755)
	}
	if os.IsExist(err) {
		if populated(dir) {
			return -1, ErrTaken
		}
		group.Remove(dir)
		err = os.Mkdir(dir, 0o755)
	}
	if err != nil {
		return -1, err
	}
	return unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
}

// populated tells whether somebody lives in a cgroup or below. Zombies do not count.
func populated(dir string) bool {
	var buf [256]byte
	n, err := readInto(dir+"/cgroup.events", buf[:])
	return err == nil && strings.Contains(string(buf[:n]), "populated 1")
}

// everUsed tells whether anything ever ran in a cgroup: its processor time is counted from the clone on.
func everUsed(dir string) bool {
	var buf [2048]byte
	n, err := readInto(dir+"/cpu.stat", buf[:])
	if err != nil {
		return false
	}
	return !strings.Contains(string(buf[:n]), "usage_usec 0\n")
}

// inCgroup tells whether a path as /proc/PID/cgroup has it is in the directory of a run or below: by the two last names, which
// no other directory of the host has.
func inCgroup(path, dir string) bool {
	tail := "/" + filepath.Base(filepath.Dir(dir)) + "/" + filepath.Base(dir)
	return strings.HasSuffix(path, tail) || strings.Contains(path, tail+"/")
}
