package main

import (
	"os"
	"runtime/debug"
)

// tune has the garbage collector keep the heap small, unless GOGC says otherwise. A bridge
// waits: with a thousand invocations under way it holds 30 MB and hardly makes garbage, but
// the collector would let that grow by as much as the heap and all stacks together.
func tune() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(15)
	}
}
