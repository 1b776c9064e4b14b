// Package stack keeps in force what the files of each Stack declare. It is the one applier: nothing else writes objects that a file
// declares.
//
// Promises:
//
//   - A set of files is applied whole or not at all. While it has faults, the last good set stays in force, and the status names every fault.
//   - An unchanged set does nothing at all: no object is written, none gets a new resourceVersion.
//   - Objects are written wave by wave, each wave as one transaction: what is referred to first, then by the annotation mirroros.dev/wave.
//     A wave that changes what is in force is written when somebody says that it is due (Advance); one that only makes new objects goes with
//     the one before. What is between two revisions is recorded, so an interrupted change goes on where it was. After a reboot it begins
//     anew from the last revision that was in force as a whole.
//   - A rollout that failed is put back (RollBack) in the reverse order of its waves. The contents that failed are held until they change or
//     somebody says Retry; later revisions go on without them.
//   - Revisions that were in force are kept and numbered. Undo puts one in force again; what the files hold then is held.
//   - Edits act at once. Removals wait until the files were quiet for a while, are counted together, and stop at the Stack's prune limit;
//     what they are bound to is a plan that somebody must name to agree. Only what the Stack made in force is ever removed. One does not
//     wait for quiet: where a new document in the same file has a port of the one that went, that one is succeeded. It counts as the others.
//   - Fields that a file sets are the file's; what others wrote into other fields stays.
//   - A plan names what it read. Apply makes the plan again and acts only when it is the same.
package stack
