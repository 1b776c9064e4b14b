package main

import (
	"runtime/debug"
	"runtime/metrics"
)

// untidy is how much must have been allocated for tidying up to be worth its time.
const untidy = 8 << 20

// tidy is what to do whenever the reconcilers have come to rest: give back to the system what a burst of work left behind. After a few
// edits it does nothing, and between bursts it is not called.
func tidy() func() {
	before := uint64(0)
	return func() {
		if now := allocated(); now-before >= untidy {
			before = now
			debug.FreeOSMemory()
		}
	}
}

// allocated is how many bytes were ever allocated.
func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
