// Package audit is the record of what was decided: JSON lines in chains, which anybody with the public key can verify without the programs
// that wrote them.
//
// # Chains
//
// One process writes one chain at a time: the operator one, each generation of the gate one of its own, so that two of them may write at
// once while one takes over from the other. Each record holds the SHA-256 of the line before it. A checkpoint, an Ed25519 signature over the
// head of the chain, closes each batch that was written at once, at the latest each second in which something was written. The head is kept
// apart too, so that a cut tail shows. The first record of a chain names all chains that there are, with their heads as they were then, so
// that a chain that was removed shows.
//
// # Promises
//
//   - What Write answered nil for is in the file, and with Options.Sync on the disk.
//   - A process that is killed loses nothing of that; half a line at the end of a chain is cut off by whoever opens the directory next, and
//     recorded.
//   - Verify reads files and the public key, nothing else, and tells the first thing that is wrong in each chain: a flipped byte, a cut tail,
//     a removed file, a swapped key.
//   - Old files go by age and size from the oldest on; the chain stays verifiable from a signed record of what went.
package audit
