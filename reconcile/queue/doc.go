// Package queue hands keys to workers: each key to one worker at a time, the most urgent first, some of them later.
//
// Promises:
//
//   - A key that is added while a worker has it is handed out once more after Done: no change is lost, and no key has two workers.
//   - A key that is added several times before it is handed out is handed out once, with the highest of the priorities.
//   - Higher priorities come first; within one, keys come in the order they were added.
//   - A key added for later is handed out then, at the earliest of the times asked for. Adding it at once does not take that back.
//   - No goroutine is behind a queue, and a timer runs only while some key waits for its time.
package queue
