package runner

import (
	"syscall"
	"time"
)

// Spec is everything that starting one run of an instance needs. Nothing in it is looked up again: names are resolved,
// variables expanded, secrets read.
type Spec struct {
	// ID is the instance's name: it names its claim, cgroup and log. Letters, digits, '-', '.'; at most 200 bytes.
	ID string
	// Owner and Hash go into the claim and come back by adoption: the Process' name and its template hash.
	Owner, Hash string
	// Attempt counts the runs of this instance from 1. A run is claimed by ID and Attempt: it happens at most once.
	Attempt int
	// Note is kept with the claim, byte for byte, and comes back by adoption: what the owner must know of a run after a restart. At most 4 KiB, no secrets.
	Note []byte

	// Path is the absolute path of the program; Argv its arguments, the first one its name; Env its whole environment.
	Path string
	Argv []string
	Env  []string
	Dir  string
	// Credential to run as; nil keeps the operator's.
	Credential *syscall.Credential
	// Stdout and Stderr are one file, opened with O_APPEND by the caller, who closes it after Start. Stdin is /dev/null.
	Output uintptr
}

// Instance is one run as the runner knows it now.
type Instance struct {
	ID, Owner, Hash string
	Attempt         int
	Note            []byte

	// PID of the main process; 0 before it is known.
	PID int
	// Started is wall time. Boot is the boot clock's reading at the start, for ages that count awake time and survive clock steps.
	Started time.Time
	// Adopted: the run was started by an earlier operator.
	Adopted bool
	// Stopping is when Stop was first called, zero before; it survives the operator.
	Stopping time.Time
	// Exit is nil while the main process lives.
	Exit *Exit
	// Stray counts processes of its tree that could not be killed or left its cgroup.
	Stray int
}

// Exit is how a run ended.
type Exit struct {
	// Known is false when nobody could tell: the host went down, or guardian and operator died together.
	Known bool
	// Rebooted: the run belongs to an earlier boot.
	Rebooted bool
	// Code of a run that ended by itself; Signal of one that was ended.
	Code   int
	Signal syscall.Signal
	// Core: a core was dumped.
	Core bool
	// At is wall time.
	At time.Time
}

// Capabilities is what this host gives, found by doing, once at Open.
type Capabilities struct {
	// CgroupV2 is the directory for instance cgroups, "" when none can be made.
	CgroupV2 string
	// CgroupKill: cgroup.kill works there.
	CgroupKill bool
	// PidfdInfo: PIDFD_GET_INFO tells exit codes. Pidfs: pidfd inodes are unique.
	PidfdInfo, Pidfs bool
	// Guardian: the parent is a guardian that records exits.
	Guardian bool
}
