package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// collectAt is how much the heap may grow over what is alive before it is collected, in percent. What a burst of work leaves between the
// objects that stay cannot be given back, so it must not grow as far as Go lets it by itself.
const collectAt = 50

// lean keeps the heap small, unless somebody says otherwise.
func lean() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectAt)
	}
}

// untidy is how much must have been allocated for tidying up to be worth its time.
const untidy = 8 << 20

// tidy is what to do whenever the reconcilers have come to rest: give back to the system what a burst of work left behind, and let go of
// the pages of the store's file that it looked at. After a few edits it does nothing, and between bursts it is not called.
func tidy(letGo func()) func() {
	before := uint64(0)
	return func() {
		if now := allocated(); now-before >= untidy {
			before = now
			runtime.GC() // what pools hold goes with the second one
			debug.FreeOSMemory()
			letGo()
		}
	}
}

// allocated is how many bytes were ever allocated.
func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
