package main

import (
	"os"
	"runtime"
)

// ballast is how much the collector takes for in use that isn't. Executions of small
// files leave so little behind that it would run every few megabytes, for a quarter
// of the worker's time; this way it runs once for at least as many bytes. They are
// never written to, so they take no memory. Where much is in use it changes nothing.
const ballast = 32 << 20

// tune has the runtime do with a worker's slots what they are like, unless GOMAXPROCS
// or GOGC say otherwise: they wait for disks, and are done soon. The returned function
// ends it.
func tune(slots int) (release func()) {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(processors(runtime.GOMAXPROCS(0), slots))
	}
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	held := make([]byte, ballast)
	return func() { runtime.KeepAlive(held) }
}

// processors is how many threads may run Go code at once. One that syncs a file
// counts among them until the runtime notices that it waits, and what else could run
// meanwhile does not: so there is one more for each slot, within reason.
func processors(cores, slots int) int {
	if slots <= 0 {
		slots = cores
	}
	return cores + min(slots, 3*cores)
}
