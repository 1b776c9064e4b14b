package main

import (
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// How claimAndExec ends when it does not become the program.
const (
	exitTaken   = 250 // somebody else took the claim, or it was withdrawn
	exitNoClaim = 251 // the claim could not be written
	exitCannot  = 126 // claimed, but the program, its user or its directory cannot be used
	exitNotHere = 127 // claimed, but there is no such program
)

// execution is what `mirrorguard exec` was asked to do.
type execution struct {
	claim    string
	started  string   // the run's start time, unique in it
	joins    []string // files of cgroups to join
	memory   int64    // RLIMIT_AS; 0 is none
	sandbox  *sandbox
	doors    int // descriptor over which the sandbox' listening sockets go, -1 for none
	user     bool
	uid, gid int
	groups   []uint32
	dir      string
	mark     string // NAME=TEXT of a variable that says which run this is, "" for none
	errors   int    // descriptor for the reason of a failure, -1 for none
	path     string
	argv     []string
}

// claimAndExec claims a run and becomes it. The file CLAIM has the run's header, which ends with its unique start time STARTED.
// This process adds a line with its own pid, start time, pidfs inode and STARTED, and then reads what is behind the header: when
// its line is there before one that makes the run void, it has claimed. Additions to a file have one order for all. So whoever
// runs has claimed and whoever has claimed runs, at whatever moment the operator dies; and an operator that has made a claim
// void before anybody took it knows that nobody will run it later. A CLAIM of - is one that was made before. Then this process joins the
// cgroups, and takes on the limit, the user, the directory, the sandbox that descriptor SFD describes, and the program, which is given the
// variable NAME with its own pid before TEXT: by that a run is known again that has lost its claim. Sockets that it makes for the sandbox
// go over the socket LFD. What fails after the claim is written to FD as "STAGE ERRNO", stage one of join, limit, sandbox, user, dir, exec.
func claimAndExec(args []string) int {
	runtime.LockOSThread() // the user is changed for this thread alone, and it is the one that execs
	e, ok := parseExec(args)
	if !ok {
		say("usage: mirrorguard exec [-j CGROUPFILE]… [-a BYTES] [-s SFD [-l LFD]] [-u UID:GID:GROUPS] [-d DIR] [-e FD] [-m NAME=TEXT] CLAIM STARTED -- PATH ARGV0 ARGS…")
		return 2
	}
	if e.errors >= 0 {
		syscall.CloseOnExec(e.errors)
	}
	if e.claim != "-" {
		if code := e.take(); code != 0 {
			return code
		}
	}
	for _, file := range e.joins {
		if err := join(file); err != nil {
			errno, _ := err.(syscall.Errno)
			return e.fail("join", errno)
		}
	}
	if e.memory > 0 {
		if err := syscall.Setrlimit(syscall.RLIMIT_AS, &syscall.Rlimit{Cur: uint64(e.memory), Max: uint64(e.memory)}); err != nil {
			return e.fail("limit", err.(syscall.Errno))
		}
	}
	if e.sandbox != nil {
		err := e.sandbox.prepare()
		if err == 0 && e.doors >= 0 {
			err = e.sandbox.giveAway(e.doors)
		}
		if err != 0 {
			return e.fail("sandbox", err)
		}
	}
	if err := e.become(); err != 0 {
		return e.fail("user", err)
	}
	if e.dir != "" {
		if err := syscall.Chdir(e.dir); err != nil {
			return e.fail("dir", err.(syscall.Errno))
		}
	}
	if e.sandbox != nil {
		if err := e.sandbox.enter(); err != 0 {
			return e.fail("sandbox", err)
		}
	}
	err := syscall.Exec(e.path, e.argv, e.environ())
	errno, _ := err.(syscall.Errno)
	return e.fail("exec", errno)
}

// take adds this process to the claim, and looks whether it came in time.
func (e *execution) take() int {
	fd, err := syscall.Open(e.claim, syscall.O_RDWR|syscall.O_APPEND|syscall.O_CLOEXEC, 0)
	if err == syscall.ENOENT {
		return exitTaken
	}
	if err != nil {
		return exitNoClaim
	}
	defer syscall.Close(fd)
	pid := syscall.Getpid()
	s, ok := readStat(pid)
	line := "pid " + strconv.Itoa(pid) + " " + s.start + " " + strconv.FormatUint(pidfsInode(pid), 10) + " " + e.started + " ."
	n, err := syscall.Write(fd, []byte("\n"+line+"\n"))
	if !ok || err != nil || n != len(line)+2 {
		return exitNoClaim
	}
	data, ok := readAll(fd)
	if !ok {
		return exitNoClaim
	}
	_, behind, ok := strings.Cut(data, "\"started\":"+e.started+"}\n")
	for ok {
		var next string
		next, behind, ok = strings.Cut(behind, "\n")
		if next == line {
			return 0
		}
		if next == "void ." || strings.HasPrefix(next, "{") {
			break
		}
	}
	return exitTaken
}

// environ is the program's. The variable goes last, where it is the one that counts of two.
func (e *execution) environ() []string {
	env := syscall.Environ()
	if name, text, ok := strings.Cut(e.mark, "="); ok {
		env = append(env, name+"="+strconv.Itoa(syscall.Getpid())+" "+text)
	}
	return env
}

// join moves this process into a cgroup.
func join(file string) error {
	fd, err := syscall.Open(file, syscall.O_WRONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	_, err = syscall.Write(fd, []byte("0"))
	return err
}

// become changes the user of this thread.
func (e *execution) become() syscall.Errno {
	if !e.user {
		return 0
	}
	if err := setGroups(e.groups); err != 0 {
		return err
	}
	if _, _, err := syscall.RawSyscall(syscall.SYS_SETGID, uintptr(e.gid), 0, 0); err != 0 {
		return err
	}
	_, _, err := syscall.RawSyscall(syscall.SYS_SETUID, uintptr(e.uid), 0, 0)
	return err
}

// fail reports why the program could not be started.
func (e *execution) fail(stage string, errno syscall.Errno) int {
	if e.errors >= 0 {
		syscall.Write(e.errors, []byte(stage+" "+strconv.Itoa(int(errno))+"\n"))
	}
	if stage == "exec" && errno == syscall.ENOENT {
		return exitNotHere
	}
	return exitCannot
}

func parseExec(args []string) (*execution, bool) {
	e := &execution{errors: -1, doors: -1}
	for len(args) > 1 && args[0] != "-" && strings.HasPrefix(args[0], "-") {
		ok := true
		switch args[0] {
		case "-u":
			ok = e.parseUser(args[1])
		case "-j":
			e.joins = append(e.joins, args[1])
		case "-s":
			var fd int
			if fd, ok = number(args[1]); ok {
				e.sandbox, ok = readSandbox(fd)
			}
		case "-l":
			e.doors, ok = number(args[1])
		case "-a":
			var err error
			e.memory, err = strconv.ParseInt(args[1], 10, 64)
			ok = err == nil
		case "-d":
			e.dir = args[1]
		case "-m":
			e.mark = args[1]
		case "-e":
			e.errors, ok = number(args[1])
		default:
			ok = false
		}
		if !ok {
			return nil, false
		}
		args = args[2:]
	}
	if len(args) < 5 || args[2] != "--" {
		return nil, false
	}
	e.claim, e.started, e.path, e.argv = args[0], args[1], args[3], args[4:]
	return e, true
}

// parseUser reads UID:GID:GROUP,GROUP… with an empty list for no further groups.
func (e *execution) parseUser(s string) bool {
	part := strings.Split(s, ":")
	if len(part) != 3 {
		return false
	}
	var ok1, ok2 bool
	e.uid, ok1 = number(part[0])
	e.gid, ok2 = number(part[1])
	e.user = true
	if part[2] == "" {
		return ok1 && ok2
	}
	for _, g := range strings.Split(part[2], ",") {
		n, ok := number(g)
		if !ok {
			return false
		}
		e.groups = append(e.groups, uint32(n))
	}
	return ok1 && ok2
}

func number(s string) (int, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	return int(n), err == nil
}
