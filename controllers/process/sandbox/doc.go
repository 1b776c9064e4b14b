// Package sandbox says what a process may do at each level, finds out what of that this host can enforce, and writes it down for the
// exec helper (mirrorguard exec -s), which applies it with system calls alone just before it becomes the program. There is no window:
// nothing of the program runs before. All of it is inherited by what the program starts, and none can be taken off again.
//
// The levels; each has all of the one before it.
//
// None: nothing is blocked.
//
// Restricted: no_new_privs (nothing gets more rights by executing it, such as sudo), no capabilities, also not for root, and Landlock for
// files. To be read and executed are the system's programs, libraries and public settings ([SystemPaths]), the program itself,
// workingDir, configFiles and readOnlyPaths; to be written are readWritePaths, the state directory and the own log; nothing else can be
// opened, listed, made or removed. Processes outside cannot be traced, nor their memory or environment read. NOT blocked: any network,
// unix sockets (a Docker socket among them), signals to processes of the same user, the existence and size of any file (stat), the
// command lines of other processes, executing what it has written.
//
// Strict: besides, TCP connections only to the ports of connectTCP, at any address; no UDP (and so no DNS), no raw, netlink, vsock or
// other sockets, no Multipath TCP and Fast Open, which Landlock does not see; no io_uring, bpf, ptrace, mounts, namespaces, kernel
// modules and keys (seccomp); no signals to, and no abstract unix sockets of, processes outside, where the kernel has Landlock 6. NOT
// blocked: unix sockets with a path, System V's and POSIX' queues, semaphores and memory, listening, stat, command lines, executing what it
// has written.
//
// Isolated: besides, a network of its own in which there is only loopback, nothing shared by System V's and POSIX' means, and no unix
// sockets at all but pairs: nothing of the host is reachable, whatever the protocol. NOT blocked: stat, command lines, executing what it has written.
//
// What these words claim is tested by the package attack, as root and as an ordinary user; `mirrorctl sandbox probe LEVEL` runs the same
// on a host. Sources: landlock(7), seccomp(2), capabilities(7), user_namespaces(7), network_namespaces(7),
// ipc_namespaces(7).
package sandbox
