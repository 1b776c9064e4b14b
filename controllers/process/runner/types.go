package runner

import (
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/go-logr/logr"

	"mirroros.dev/mirroros/controllers/process/runner/group"
)

// As Options.CgroupParent: make no cgroups, let every run claim itself through mirrorguard; NoCgroupV2 has those of version 1 made.
const (
	NoCgroup   = "none"
	NoCgroupV2 = "v1"
)

// Options says where the runner keeps its claims and what it may use.
type Options struct {
	// StateDir holds claims/ and exits/. One runner at a time may use it; the caller holds the lock.
	StateDir string
	// Guard is the absolute path of mirrorguard. It may be empty where cgroup v2 directories can be made.
	Guard string
	// CgroupParent is the cgroup v2 directory below which the runner makes its own; "" is the cgroup of this process; or NoCgroup,
	// or NoCgroupV2.
	CgroupParent string
	// Mark is the name of the environment variable that holds an instance's ID in each of its processes. Where there are no cgroups,
	// daemons that left their session are found by it. Default: they are not found.
	Mark string
	Log  logr.Logger
}

// Errors that callers may test. The kernel's reasons (ENOENT, EACCES, ENOEXEC, E2BIG …) can be tested with errors.Is as well.
var (
	// ErrTaken: this attempt of the instance was started before.
	ErrTaken = errors.New("this attempt was started before")
	// ErrRunning: the instance has a run that did not end yet.
	ErrRunning = errors.New("the instance is running")
	// ErrNotFound: the runner knows no such instance.
	ErrNotFound = errors.New("no such instance")
	// ErrEnded: the run has ended, there is nothing to signal.
	ErrEnded = errors.New("the run has ended")
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
	// Dir is the working directory, "/" when empty.
	Dir string
	// Credential to run as, with its supplementary groups; nil keeps the operator's.
	Credential *syscall.Credential
	// Limits of the whole run. They are in force before its program begins; what the host cannot enforce is in Instance.Unmet.
	Limits group.Limits
	// Sandbox that the program begins in; nil for none.
	Sandbox *Sandbox
	// Stdout and Stderr are one file, opened with O_APPEND by the caller, who closes it after Start. Stdin is /dev/null.
	Output uintptr
}

// Sandbox is what mirrorguard applies just before it becomes the program.
type Sandbox struct {
	// Text as mirrorguard exec -s reads it.
	Text []byte
	// NewNet: in network and IPC namespaces of its own, of the host's or, with NewUser, of a new user namespace.
	NewNet, NewUser bool
	// Doors is given the sockets that Text has it listen at, in that order, before the program begins; they are its own then. On an error
	// the program does not begin. Needed when there are any.
	Doors func([]*os.File) error
}

// Instance is one run as the runner knows it now.
type Instance struct {
	ID, Owner, Hash string
	Attempt         int
	Note            []byte

	// PID of the main process; 0 before it is known.
	PID int
	// Inode is that of a pidfd of the main process, and Cgroup the kernel's number of the run's cgroup, which is its directory's inode.
	// 0 where there is none.
	Inode, Cgroup uint64
	// Started is wall time. Boot is the boot clock's reading at the start, for ages that do not follow steps of the wall clock, and
	// StartedAwake that of the awake clock, for deadlines: [AwakeAt]. It is 0 when it is not known, or of another boot.
	Started      time.Time
	Boot         time.Duration
	StartedAwake time.Duration
	// Adopted: the run was started by an earlier operator.
	Adopted bool
	// Announced is when Announce was last called, and Stopping when Stop was first; zero before. Both survive the operator.
	Announced, Stopping           time.Time
	AnnouncedAwake, StoppingAwake time.Duration
	// Limits as they were asked for last, and what of them is not in force and why; nil when all is.
	Limits group.Limits
	Unmet  group.Unmet
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
	// At is wall time, Awake the awake clock's reading then; 0 when it is not known, or of another boot.
	At    time.Time
	Awake time.Duration
	// PeakMemory in bytes of all its processes together, and how many of them the kernel killed because they were at their limit; 0 for a
	// run without a group that counts.
	PeakMemory, OOMKills int64
}

// Capabilities is what this host gives, found by doing, once at Open.
type Capabilities struct {
	// CgroupV2 is the directory for instance cgroups, "" when none can be made.
	CgroupV2 string
	// CgroupKill: cgroup.kill works there.
	CgroupKill bool
	// How memory, cpu and pids of a run are limited, or why they are not.
	LimitMemory, LimitCPU, LimitPids string
	// PidfdInfo: PIDFD_GET_INFO tells exit codes. Pidfs: pidfd inodes are unique.
	PidfdInfo, Pidfs bool
	// Guardian: the parent is a guardian that records exits.
	Guardian bool
}
