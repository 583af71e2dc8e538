package main

import (
	"runtime"
	"testing"
)

func TestProcessors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ cores, slots, want int }{
		{1, 0, 2}, {2, 0, 4}, {2, 1, 3}, {2, 8, 8}, {2, 128, 8}, {16, 0, 32},
	} {
		if got := processors(tt.cores, tt.slots); got != tt.want {
			t.Errorf("processors(%d, %d) = %d, want %d", tt.cores, tt.slots, got, tt.want)
		}
	}
}

// What a worker sets for itself its environment can set otherwise.
func TestTuneLeavesWhatWasChosen(t *testing.T) {
	t.Setenv("GOMAXPROCS", "3")
	before := runtime.GOMAXPROCS(0)
	tune(8)()
	if now := runtime.GOMAXPROCS(0); now != before {
		t.Errorf("GOMAXPROCS became %d, was %d", now, before)
	}
}
