package e2e

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// removeCgroups takes away what an operator that was killed could not: the directories of its cgroups, which nothing is in any more.
func (h *host) removeCgroups() {
	var st syscall.Stat_t
	if syscall.Stat(h.state, &st) != nil {
		return
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%d:%d", st.Dev, st.Ino)) // as the runner names it
	for _, parent := range cgroupParents() {
		var dirs []string
		_ = filepath.WalkDir(fmt.Sprintf("%s/mirroros-%x", parent, sum[:5]), func(path string, e fs.DirEntry, err error) error {
			if err == nil && e.IsDir() {
				dirs = append(dirs, path)
			}
			return nil
		})
		for _, dir := range slices.Backward(dirs) {
			_ = syscall.Rmdir(dir)
		}
	}
}

// cgroupParents are the directories of the cgroups that this process is in, in each hierarchy that is mounted.
func cgroupParents() (dirs []string) {
	own, _ := os.ReadFile("/proc/self/cgroup")
	mounts, _ := os.ReadFile("/proc/self/mounts")
	for m := range strings.Lines(string(mounts)) {
		f := strings.Fields(m)
		if len(f) < 3 || !strings.HasPrefix(f[2], "cgroup") {
			continue
		}
		for line := range strings.Lines(string(own)) {
			if _, path, ok := strings.Cut(strings.TrimSpace(line), "/"); ok {
				dirs = append(dirs, filepath.Join(f[1], path))
			}
		}
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}
