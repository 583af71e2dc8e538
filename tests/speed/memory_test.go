package speed

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"testing"
)

const (
	maxMemory = 100 << 20 // bytes resident, for a million rows
	maxGrowth = 1.3       // times the memory, for a file of any length
)

// TestMemory bounds what the worker holds: 100 MiB for a million rows, and hardly
// more for three times as many. BenchmarkTenMillionRows looks at ten times.
func TestMemory(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // no getrusage
	}
	debug.SetMemoryLimit(32 << 20) // Linux counts in a child what its parent had when it started
	one, three, wantOne, wantThree := millions(t)
	unique := run(t, speedYAML, one, wantOne)
	t.Logf("a million rows: %.1f MB", float64(unique.memory)/1e6)
	if unique.memory > maxMemory {
		t.Errorf("a million rows take %d bytes of memory, want at most %d", unique.memory, maxMemory)
	}
	config := withoutUnique(t)
	short, long := run(t, config, one, wantOne), run(t, config, three, wantThree)
	growth := float64(long.memory) / float64(short.memory)
	t.Logf("without unique: %.1f MB, three million %.1f MB, %.2f times", float64(short.memory)/1e6, float64(long.memory)/1e6, growth)
	if growth > maxGrowth {
		t.Errorf("three million rows take %.2f times the memory of a million, want at most %v", growth, maxGrowth)
	}
}

// millions writes the workload of one and of three million rows, of which the
// first is the beginning. Our figures are about the very bytes that the published
// ones are about.
func millions(t *testing.T) (one, three string, wantOne, wantThree counts) {
	t.Helper()
	dir, hash, rows := t.TempDir(), sha256.New(), newOrders()
	one, three = filepath.Join(dir, "one.csv"), filepath.Join(dir, "three.csv")
	short, err := os.Create(one)
	if err != nil {
		t.Fatal(err)
	}
	long, err := os.Create(three)
	if err != nil {
		t.Fatal(err)
	}
	err = rows.writeCSV(io.MultiWriter(short, long, hash), million)
	wantOne = counts{million, rows.bad}
	if got := hex.EncodeToString(hash.Sum(nil)); got != millionHash || rows.bad != millionErrors {
		t.Fatalf("a million rows have the hash %s and %d bad cells, want %s and %d", got, rows.bad, millionHash, millionErrors)
	}
	err = errors.Join(err, rows.writeCSV(long, 2*million), short.Close(), long.Close())
	if err != nil {
		t.Fatal(err)
	}
	return one, three, wantOne, counts{3 * million, rows.bad}
}
