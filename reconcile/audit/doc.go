// Package audit is the record of what was decided: JSON lines in chains, which anybody with the public key can verify without the programs
// that wrote them.
//
// # Chains
//
// One process writes one chain at a time: the operator one, each generation of the gate one of its own, so that two of them may write at
// once while one takes over from the other. Each line holds the SHA-256 of the line before it. A checkpoint, an Ed25519 signature over all of
// itself and thereby over all before it, follows at most 250 ms after the first line that it signs; at rest nothing is written.
//
// A directory holds, and its key beside it signs:
//
//	<writer>-<UTC start>-<random>-0001.jsonl   the chain, in files of 64 MiB at most (less where little is kept); each begins and ends with
//	                                           a signed line, so each can be verified alone. Its writer holds a lock on the last one
//	<writer>-<UTC start>-<random>.head         a copy of the last checkpoint of a chain that is being written: a cut tail shows
//	chains.index                               all chains, how those ended that ended, and what retention took: a removed chain shows
//
// The first line of a chain names the chains that are being written then, and those that were found dead, with their heads; and what was
// wrong with them, which Verify tells for as long as that line is kept. Whoever opens a chain or removes files locks the directory for that.
//
// # Promises
//
//   - What Write answered nil for is in the file, and on the disk where its writer asked for that. Of many writers at once, all share one write,
//     and one sync when anyone among them asked.
//   - What Write answered an error for is not in the file, but where the process ended in that moment: a write that failed is taken away
//     again, for all that shared it, and the next one works when there is room.
//   - A process that is killed loses nothing of what it said was there. Whoever opens the directory next cuts off half a line, signs what was
//     not signed yet, and records both.
//   - A head is never ahead of the disk: no power cut makes an honest log look as if it had been cut.
//   - Verify reads files and the public key, nothing else, and tells the first thing that is wrong in each chain: a flipped byte, a removed,
//     inserted or moved line, a cut tail, a removed file or chain, a missing head, a swapped key. It may run beside writers.
//   - Old files go by age and size from the oldest on, each writer's by itself; a signed index says what went, and a record in the chain. A
//     clock that jumps ahead while a log is open removes nothing.
//
// # What it does not show
//
//   - Lines after the last checkpoint are chained, but nobody has signed that they are all. Until the next opener signs them, whoever can
//     write the files can cut them off or add to them: 250 ms of a process that was killed, at most, if the disk kept up.
//   - Whoever has the private key can write another history, and whoever can put the whole directory back to an older state that was valid
//     can hide what came after. Against both, keep Log.Head, or an excerpt, somewhere else.
package audit
