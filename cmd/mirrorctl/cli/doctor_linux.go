package cli

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// hostFindings are the checks of the kernel, limits and directories.
func hostFindings(o doctorOptions) []finding {
	return slices.Concat([]finding{checkCgroups(), checkLandlock(), checkSeccomp(), checkUserNamespaces(), checkPidfd(), checkClock(),
		checkInotify(o.manifests), checkFiles(), checkLinger()}, checkUnits(), checkState(o.state))
}

func read(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// checkCgroups looks for a cgroup v2 directory of our own in which others can be made.
func checkCgroups() finding {
	const without = "the operator works without; it finds the processes of an instance by session then"
	mount := ""
	for line := range strings.SplitSeq(read("/proc/self/mounts"), "\n") {
		if f := strings.Fields(line); len(f) > 2 && f[2] == "cgroup2" {
			mount = f[1]
			break
		}
	}
	if mount == "" {
		return warn("boot with systemd.unified_cgroup_hierarchy=1", "cgroup v2 is not mounted: "+without)
	}
	own := ""
	for line := range strings.SplitSeq(read("/proc/self/cgroup"), "\n") {
		if rest, ok := strings.CutPrefix(line, "0::"); ok {
			own = rest
		}
	}
	dir := filepath.Join(mount, own)
	controllers := read(filepath.Join(dir, "cgroup.controllers"))
	if unix.Access(dir, unix.W_OK) != nil || unix.Access(filepath.Join(dir, "cgroup.procs"), unix.W_OK) != nil {
		return warn("mirrorosd install makes a unit with Delegate=yes", "cgroup v2 is not delegated to this session (%s): %s", dir, without)
	}
	if controllers == "" {
		return warn("mirrorosd install makes a unit with Delegate=yes", "cgroup v2 is writable in %s but has no controllers: limits cannot be set", dir)
	}
	return ok("cgroup v2 delegated: %s", controllers)
}

func checkLandlock() finding {
	abi, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	switch errno {
	case 0:
		return ok("Landlock ABI %d", abi)
	case unix.EOPNOTSUPP:
		return warn("boot with lsm=landlock,…", "Landlock is off: file access cannot be confined")
	}
	return warn("", "this kernel has no Landlock: file access cannot be confined")
}

func checkSeccomp() finding {
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0, 0); errno == unix.ENOSYS {
		return warn("", "this kernel has no seccomp filters")
	}
	return ok("seccomp")
}

func checkUserNamespaces() finding {
	switch {
	case read("/proc/sys/user/max_user_namespaces") == "0":
		return warn("sysctl user.max_user_namespaces=15000", "user namespaces are off: networks cannot be isolated without root")
	case read("/proc/sys/kernel/unprivileged_userns_clone") == "0":
		return warn("sysctl kernel.unprivileged_userns_clone=1", "user namespaces are for root only")
	case read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1" && os.Geteuid() != 0:
		return warn("sysctl kernel.apparmor_restrict_unprivileged_userns=0", "AppArmor keeps user namespaces from ordinary users")
	}
	return ok("user namespaces")
}

func checkPidfd() finding {
	fd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return fail("use Linux 5.4 or later", "this kernel has no pidfds: %v", err)
	}
	_ = unix.Close(fd)
	return ok("pidfds")
}

func checkClock() finding {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	switch {
	case errors.Is(err, unix.EPERM):
		return finding{}
	case err != nil:
		return warn("", "cannot ask about the clock: %v", err)
	case state == unix.TIME_ERROR || t.Status&unix.STA_UNSYNC != 0:
		return warn("timedatectl set-ntp true", "the clock is not synchronised")
	}
	return ok("clock synchronised")
}

// checkInotify compares the kernel's limits with the directories that the operator would watch.
func checkInotify(manifests string) finding {
	watches, _ := strconv.Atoi(read("/proc/sys/fs/inotify/max_user_watches"))
	instances, _ := strconv.Atoi(read("/proc/sys/fs/inotify/max_user_instances"))
	n := 0
	if manifests != "" {
		n = countDirectories(manifests)
	}
	switch {
	case watches == 0 || instances == 0:
		return warn("", "cannot read the limits of inotify")
	case n > watches:
		return fail(fmt.Sprintf("sysctl fs.inotify.max_user_watches=%d", max(524288, 2*n)),
			"inotify: fs.inotify.max_user_watches is %d, %s has %d directories below it", watches, manifests, n)
	case 2*n > watches || watches < 8192:
		return warn(fmt.Sprintf("sysctl fs.inotify.max_user_watches=%d", max(524288, 4*n)),
			"inotify: fs.inotify.max_user_watches is %d, %d directories are to be watched", watches, n)
	case instances < 16:
		return warn("sysctl fs.inotify.max_user_instances=512", "inotify: fs.inotify.max_user_instances is %d", instances)
	}
	return ok("inotify: %d watches, %d directories", watches, n)
}

func checkFiles() finding {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return warn("", "cannot read the limit of open files: %v", err)
	}
	switch {
	case l.Max < 4096:
		return fail("ulimit -n 65536, or LimitNOFILE= in the unit", "open files are limited to %d; each instance needs 2 or 3", l.Max)
	case l.Max < 65536:
		return warn("ulimit -n 65536, or LimitNOFILE= in the unit", "open files are limited to %d: enough for about %d instances", l.Max, l.Max/4)
	}
	return ok("open files: %d", l.Max)
}

// checkLinger: the service manager of a user ends at logout, unless the user lingers.
func checkLinger() finding {
	if os.Geteuid() == 0 || read("/proc/1/comm") != "systemd" {
		return finding{}
	}
	u, err := user.Current()
	if err != nil {
		return finding{}
	}
	if _, err := os.Stat(filepath.Join("/var/lib/systemd/linger", u.Username)); err == nil {
		return ok("linger is on for %s", u.Username)
	}
	return fail("loginctl enable-linger "+u.Username, "linger is off for %s: the operator stops at logout", u.Username)
}

// checkUnits looks whether installed units leave the workloads running when they are stopped.
func checkUnits() (out []finding) {
	paths := []string{"/etc/systemd/system/mirrorosd.service"}
	if d, err := os.UserConfigDir(); err == nil {
		paths = append(paths, filepath.Join(d, "systemd/user/mirrorosd.service"))
	}
	for _, p := range paths {
		if text := read(p); text != "" {
			drop, _ := filepath.Glob(p + ".d/*.conf")
			for _, d := range drop {
				text += "\n" + read(d)
			}
			out = append(out, checkUnit(p, text))
		}
	}
	return out
}

func checkUnit(path, text string) finding {
	have := map[string]string{}
	for line := range strings.SplitSeq(text, "\n") {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(k, "#") && !strings.HasPrefix(k, ";") {
			have[strings.TrimSpace(k)] = strings.TrimSpace(v)
		}
	}
	again := "mirrorosd install --manifests DIR"
	delegate := strings.ToLower(have["Delegate"])
	switch {
	case have["KillMode"] != "process":
		return fail(again, "%s has KillMode=%s: stopping the operator would kill the workloads", path, orNone(have["KillMode"]))
	case delegate == "" || delegate == "no" || delegate == "false" || delegate == "0":
		return fail(again, "%s has no Delegate=yes: systemd may take the workloads' cgroups away", path)
	case have["OOMPolicy"] != "continue":
		return warn(again, "%s has OOMPolicy=%s: a workload out of memory takes the operator down", path, orNone(have["OOMPolicy"]))
	case have["TasksMax"] != "infinity":
		return warn(again, "%s has TasksMax=%s, which all workloads share", path, orNone(have["TasksMax"]))
	}
	return ok("%s: KillMode=process Delegate=%s", path, delegate)
}

func orNone(s string) string {
	if s == "" {
		return "(none)"
	}
	return s
}

// unsafe filesystems for the state: what is on them does not survive, or is shared.
var unsafeFilesystems = map[int64]string{unix.NFS_SUPER_MAGIC: "nfs", unix.SMB_SUPER_MAGIC: "cifs", unix.CIFS_SUPER_MAGIC: "cifs",
	unix.SMB2_SUPER_MAGIC: "cifs", unix.TMPFS_MAGIC: "tmpfs", unix.RAMFS_MAGIC: "ramfs"}

// checkState looks at the file system of the state directory, or of the nearest directory above it that is there.
func checkState(dir string) []finding {
	if dir == "" {
		return nil
	}
	at := dir
	for at != "/" {
		if _, err := os.Stat(at); err == nil || errors.Is(err, os.ErrPermission) {
			break
		}
		at = filepath.Dir(at)
	}
	var s unix.Statfs_t
	if err := unix.Statfs(at, &s); err != nil {
		return []finding{warn("", "cannot look at the state directory %s: %v", dir, err)}
	}
	free := int64(s.Bavail) * s.Bsize
	switch name := unsafeFilesystems[int64(s.Type)]; {
	case name == "tmpfs" || name == "ramfs":
		return []finding{warn("mirrorosd --state DIR on a disk", "state: %s is on %s and is lost at a reboot", dir, name)}
	case name != "":
		return []finding{fail("mirrorosd --state DIR on a local disk", "state: %s is on %s, where locks do not hold", dir, name)}
	case free < 64<<20:
		return []finding{fail("df -h "+at, "state: %s has %s free", dir, bytesText(free))}
	case free < 1<<30:
		return []finding{warn("df -h "+at, "state: %s has %s free", dir, bytesText(free))}
	}
	return []finding{ok("state: %s, %s free", dir, bytesText(free))}
}
