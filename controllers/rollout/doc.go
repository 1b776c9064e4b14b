// Package rollout drives the applier of Stacks from wave to wave, and tells how far a change is as a Rollout.
//
// Promises:
//
//   - A wave is put in force when every object of the waves before it is ready as it was written, and not before. Every kind is judged alike,
//     by the conditions Ready and Stalled and observedGeneration; an object that somebody suspended is not waited for.
//   - A rollout fails when an object of it that is in force is stalled, or not ready within its progress deadline, before all were ready for a
//     moment. Where the Stack says so and something would be mended by it, the applier puts the revision before back; else it is held. It
//     finishes or is put back, never both.
//   - The applier alone writes declared objects. What is on its way is in its receipt, so a Rollout can be told anew after a crash, and
//     nothing is decided twice.
//   - Once all objects of a rollout were ready it is over: what happens to them later is no matter of it.
package rollout
