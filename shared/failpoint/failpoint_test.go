//go:build failpoints && unix

package failpoint

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		list string
		ok   bool
	}{
		"nothing":         {"", true},
		"a name":          {"commit.before", true},
		"several":         {"commit.before,ack.before:2=stop,received=delay:5ms", true},
		"never hit":       {"commit.before:0", false},
		"no number":       {"commit.before:x", false},
		"no action":       {"commit.before=explode", false},
		"no duration":     {"commit.before=delay:soon", false},
		"every time":      {"commit.before:every=delay:5ms", true},
		"nothing counted": {"commit.before:=kill", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := parse(tt.list, ""); (err == nil) != tt.ok {
				t.Errorf("parse(%q): %v", tt.list, err)
			}
		})
	}
}

func TestTheNthHitActsOnce(t *testing.T) {
	t.Parallel()
	ps, err := parse("commit.before:2=error,received=delay:10ms", "")
	if err != nil {
		t.Fatal(err)
	}
	var taken []bool
	for range 3 {
		_, ok := ps.take(Committing)
		taken = append(taken, ok)
	}
	if taken[0] || !taken[1] || taken[2] {
		t.Errorf("taken %v, want only the second", taken)
	}
	a, _ := ps.take(Received)
	began := time.Now()
	if err := a.do(Received); err != nil || time.Since(began) < 10*time.Millisecond {
		t.Errorf("delayed %v, %v", time.Since(began), err)
	}
}

func TestEveryHitActs(t *testing.T) {
	t.Parallel()
	ps, err := parse("work.before:every=error", "")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if a, ok := ps.take(Working); !ok || !errors.Is(a.do(Working), ErrHit) {
			t.Errorf("hit %d did nothing", i+1)
		}
	}
}

func TestOneOfManyTakesAFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, string(Working)), []byte("error\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var took int
	for range 3 {
		ps, err := parse("", dir)
		if err != nil {
			t.Fatal(err)
		}
		if a, ok := ps.take(Working); ok {
			took++
			if err := a.do(Working); !errors.Is(err, ErrHit) {
				t.Errorf("failed with %v", err)
			}
		}
	}
	if took != 1 {
		t.Errorf("%d took it, want 1", took)
	}
}
