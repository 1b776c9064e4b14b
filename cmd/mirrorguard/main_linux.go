// Command mirrorguard is the guardian of an operator and the exec helper of its workloads. It uses system calls only,
// starts in a millisecond and hardly ever changes.
//
//	mirrorguard run --state DIR [--settle DURATION] -- PROGRAM ARGS…
//
// It becomes a subreaper, starts PROGRAM (the operator) as its child and starts it again whenever it dies. What the operator
// leaves behind, living or dead, becomes the guardian's: it writes how each process ended to DIR/exits/PID-STARTTIME before it
// reaps it, so that no exit code is lost while there is no operator. It may be exec'ed in place by a program that already has
// children; they stay its children. Pidfds of other processes that the program left open are kept. Each operator is started with
// these and with one of each child: by them it can tell how a process ended when the guardian is killed next. It ends when the
// operator ends with 0, or with another code after it wrote to descriptor 3; workloads live on.
//
// It also holds the listening sockets that an operator leaves with it over descriptor 4, and gives them to the next one: whoever
// connects meanwhile waits instead of being refused. A program that becomes a guardian brings its own along by MIRROROS_SOCKETS.
//
//	mirrorguard exec [-j CGROUPFILE]… [-a BYTES] [-s SFD [-l LFD]] [-u UID:GID:GROUPS] [-d DIR] [-e FD] CLAIM STARTED -- PATH ARGV0 ARGS…
//
// It claims a run and becomes it: see claimAndExec.
//
//	mirrorguard tree [-u UID:GID:GROUPS] -- PATH ARGV0 ARGS…
//
// It runs a command and lets nothing outlive it: see tree.
package main

import "os"

func main() {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "run":
			os.Exit(run(os.Args[2:]))
		case "exec":
			os.Exit(claimAndExec(os.Args[2:]))
		case "tree":
			os.Exit(tree(os.Args[2:]))
		case "probe": // tells that it can be executed
			os.Exit(0)
		}
	}
	say("usage: mirrorguard run --state DIR -- PROGRAM ARGS… | mirrorguard exec CLAIM STARTED -- PATH ARGV0 ARGS…")
	os.Exit(2)
}

// say writes one line to stderr in one write.
func say(line string) { os.Stderr.WriteString("mirrorguard: " + line + "\n") }
