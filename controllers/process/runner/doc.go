// Package runner starts, adopts and ends processes on one host, so that killing the operator is a non-event. Linux only.
//
// At most once. A run is an instance and an attempt. Before it starts, a claim is written to StateDir/claims; then the process
// is cloned into a cgroup v2 directory of the run's own name. Whoever opens the state directory later sees by that directory
// whether the run took place, at whatever moment the operator died. Where no cgroup can be made, the child adds itself to the
// claim (mirrorguard exec) before it becomes the program, unless the claim was made void before. A second Start of the same
// attempt is refused.
//
// No exit code is lost. The operator reads how its child ended without reaping it, writes that into the claim, and only then
// reaps. The guardian, a subreaper above the operator, does the same with what a killed operator leaves. For a process that is
// neither's child, because an earlier guardian was killed, the kernel is asked through its pidfd (Linux 6.15). At each moment
// somebody has one that was opened before the process was reaped: the guardian gives the operator that it starts one of every
// process below it, the operator that becomes a guardian takes its own along (Hand), and a guardian keeps those. So an exit is
// not Known only when guardian and operator were away together, or on an older kernel.
//
// A pid alone is never an identity. Adoption opens a pidfd, then compares the pidfs inode (the start time where there is no
// pidfs) with the claim of the same boot. Signals go through the pidfd.
//
// A lost claim (a removed directory, an older state put back) makes no second copy: what runs is known again by its cgroup's name, or by
// the variable MIRROROS_CLAIM that mirrorguard exec gives it. Its note is lost. A program that writes over its first environment, to show a
// title in ps, or that nobody may look into, is known by its cgroup alone.
//
// Limits of memory, cpu and pids are those of the run's groups (package group). A process is cloned into the one of cgroup v2, and
// mirrorguard joins those of v1 before it becomes the program: there is no window. What a run has used at most, and whether the kernel
// killed for want of memory, is read when it ends and kept with its exit. What cannot be enforced is in Instance.Unmet, with why.
//
// The main process' exit is the instance's. Before it is told, what is left of its tree is killed: by cgroup.kill, else frozen and
// killed where the host has a freezer, else its process group and session, and the daemons that left both but have the instance's mark
// in their environment (Options.Mark).
//
// Nothing of the operator is inherited: not its environment, descriptors, ignored or blocked signals, raised limits, umask, or
// lowered oom_score_adj and nice. For that Open sets the umask of this process to 022, marks all its descriptors
// close-on-exec and catches the signals that it ignores. Nobody else in the process may call wait for any child.
//
// All waiting is done by one goroutine, Run, on one epoll instance; it is asleep while nothing ends. Methods may be called from
// any goroutine and block for at most the time of a fork and exec.
package runner
