package parse_test

import (
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/worker/engine/parse"
)

// TestNeighbours: short cells are read with the bytes after them, which mustn't
// matter; a cell at the end of its buffer has none.
func TestNeighbours(t *testing.T) {
	t.Parallel()
	cells := []string{
		"", "0", "7", ".", "-", "+", "-.", "1.", ".5", "-.5", "1..2", "1.2.3", "12:4", "1/2", "12345678", "-1234567", "123456789",
		"1234.567", "0.000001", ".0000001", "99999999", "-0", "0x10", "1e3", "1_0", "\x11", "\xb1", "1\x002", "3\xae5", "5.0", "5.00", "5.01",
		"true", "TRUE", "True", "false", "FaLsE", "fals", "trues", "t\x12ue", "no", "No", "sí", "SI", "1", "1.0",
	}
	for _, cell := range cells {
		alone := []byte(cell)
		alone = alone[:len(alone):len(alone)]
		for _, after := range []string{"\x00\x00\x00\x00\x00\x00\x00\x00", "12345678", "........", ",true\n,,", "\xff\xff\xff\xff\xff\xff\xff\xff"} {
			among := []byte(cell + after)[:len(cell)]
			same(t, parse.Decimal, alone, among, after)
			same(t, parse.Integer, alone, among, after)
			same(t, parse.Bool, alone, among, after)
		}
	}
}

func same[T comparable](t *testing.T, read func([]byte) (T, bool), alone, among []byte, after string) {
	t.Helper()
	want, ok := read(alone)
	if got, ok2 := read(among); got != want || ok2 != ok {
		t.Errorf("%q is %v, %v; before %q it is %v, %v", alone, want, ok, after, got, ok2)
	}
}

// TestYear: every day that nanoseconds reach, at its first and its last moment.
func TestYear(t *testing.T) {
	t.Parallel()
	last := time.Date(parse.MaxYear, 12, 31, 0, 0, 0, 0, time.UTC)
	for day := time.Date(parse.MinYear, 1, 1, 0, 0, 0, 0, time.UTC); !day.After(last); day = day.AddDate(0, 0, 1) {
		for _, ns := range []int64{day.UnixNano(), day.UnixNano() + int64(24*time.Hour) - 1} {
			if got := parse.Year(ns); got != int64(day.Year()) {
				t.Fatalf("Year(%v) = %d", time.Unix(0, ns).UTC(), got)
			}
		}
	}
}
