// Package logs keeps what workloads print.
//
// A workload appends to its own file, <id>.log, through a descriptor that it inherits (O_APPEND): between the workload and
// the disk there is nobody who could die. This package only watches. It promises:
//
//   - No line is lost, doubled or torn within the retained window, whoever is killed and whenever: at least maxBytes of the
//     newest are kept. What is behind is freed by punching holes once more than a quarter above that is on disk. The apparent
//     size stays the number of bytes ever written, so an offset names a byte for ever.
//   - Where the file system cannot punch holes nothing is freed, nothing is lost, and Health says so.
//   - An idle log costs nothing: one inotify descriptor and one goroutine serve all logs, a watch fires once, and it is armed
//     again when its log has come to rest. A log that moves is looked at every 20 ms (less often when hundreds move at once).
//   - Each look appends a time and an offset to <id>.idx: every byte before the offset was there at that time. Timestamps and
//     Since are as exact as these looks; while no operator runs there is one look, at the end of the gap. The index is bounded:
//     older looks are thinned out, newer ones are not. It may be lost or torn at its end without harm.
//   - <id>.run has the offset at which each run began, once there is a second one. A run begins with a new line, whatever the run before left behind.
//   - A window that begins in the middle of a line starts at the next one. Bytes are passed on as they are, NUL included, but
//     for the NULs of holes.
//   - A log that its workload truncated or removed is said to be so (Health). Reading goes on with what is left.
//
// The directory and the files are the operator's alone; a workload of another user has its descriptor and nothing else.
// Symbolic links in the directory are not followed. One process at a time may have a directory open.
package logs
