package storage_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// Together creates for many at once, each object twice, and shows in its system
// calls when a Create returned: it looks for a file called "returned-" and the key.
func TestDirTogether(t *testing.T) {
	t.Parallel()
	s := open(t, fileURL(t.TempDir()))
	const objects, dirs = 96, 4
	for _, want := range []error{nil, storage.ErrExists} {
		atOnce(objects, func(i int) {
			key := fmt.Sprintf("d%d/%d", i%dirs, i)
			if err := s.Create(t.Context(), key, []byte(key)); !errors.Is(err, want) {
				t.Errorf("Create %s = %v, want %v", key, err, want)
			}
			_, _ = os.Stat("returned-" + filepath.Base(key))
		})
	}
	for i := range objects {
		if key := fmt.Sprintf("d%d/%d", i%dirs, i); read(t, s, key) != key {
			t.Errorf("%s holds something else", key)
		}
	}
}

// atOnce calls f from n goroutines.
func atOnce(n int, f func(i int)) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for i := range n {
		wg.Go(func() { f(i) })
	}
}

// span is a system call: the lines of a trace at which it began and ended.
type span struct{ begin, end int }

// calls are what a trace says of a process that runs TestDirTogether.
type calls struct {
	written  map[string]int    // when the data of a temporary file was
	synced   map[string][]span // by path; that of everything has the path ""
	named    map[string][]span // by key
	source   map[span]string   // the temporary file of a naming
	folder   map[span]string   // the directory of a naming
	returned map[string][]int  // by key
	together int               // syncs of everything
}

var (
	unfinished = regexp.MustCompile(`^(\d+) +(.*) <unfinished \.\.\.>$`)
	resumed    = regexp.MustCompile(`^(\d+) +<\.\.\. \w+ resumed>(.*)$`)
	whole      = regexp.MustCompile(`^(\d+) +(\w+\(.*)$`)
	writeCall  = regexp.MustCompile(`^write\(\d+<(.*/\.sagefleet-tmp-\w+)>`)
	fsyncCall  = regexp.MustCompile(`^fsync\(\d+<(.*)>\) += 0`)
	syncfsCall = regexp.MustCompile(`^syncfs\(\d+<.*>\) += 0`)
	nameCall   = regexp.MustCompile(`^renameat2\(\d+<(.*?)>, "(\.sagefleet-tmp-\w+)", \d+<.*?>, "(\d+)", RENAME_NOREPLACE\) += (0|-1 EEXIST)`)
	statCall   = regexp.MustCompile(`^newfstatat\(AT_FDCWD.*?, "returned-(\d+)"`)
)

func readTrace(trace string) calls {
	c := calls{written: map[string]int{}, synced: map[string][]span{}, named: map[string][]span{},
		source: map[span]string{}, folder: map[span]string{}, returned: map[string][]int{}}
	begun := map[string]span{} // by thread; its text is in texts
	texts := map[string]string{}
	for i, line := range strings.Split(trace, "\n") {
		if m := unfinished.FindStringSubmatch(line); m != nil {
			begun[m[1]], texts[m[1]] = span{begin: i}, m[2]
		} else if m := resumed.FindStringSubmatch(line); m != nil {
			c.note(texts[m[1]]+m[2], span{begun[m[1]].begin, i})
		} else if m := whole.FindStringSubmatch(line); m != nil {
			c.note(m[2], span{i, i})
		}
	}
	return c
}

func (c *calls) note(text string, at span) {
	if m := writeCall.FindStringSubmatch(text); m != nil {
		c.written[m[1]] = at.end
	} else if m := fsyncCall.FindStringSubmatch(text); m != nil {
		c.synced[m[1]] = append(c.synced[m[1]], at)
	} else if syncfsCall.MatchString(text) {
		c.synced[""] = append(c.synced[""], at)
		c.together++
	} else if m := nameCall.FindStringSubmatch(text); m != nil {
		c.named[m[3]] = append(c.named[m[3]], at)
		c.source[at], c.folder[at] = m[1]+"/"+m[2], m[1]
	} else if m := statCall.FindStringSubmatch(text); m != nil {
		c.returned[m[1]] = append(c.returned[m[1]], at.begin)
	}
}

// durable reports whether a sync of path, or of everything, began after one line
// and ended before another.
func (c *calls) durable(path string, after, before int) bool {
	for _, s := range append(c.synced[path], c.synced[""]...) {
		if s.begin > after && s.end < before {
			return true
		}
	}
	return false
}

// No test can cut the power, but the system calls that survive it can be seen in
// order: whoever syncs, for itself or for many, no name is given to data that are
// not durable, and no Create returns, won or lost, before the name is.
func TestDirTogetherSyncs(t *testing.T) {
	t.Parallel()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("needs strace")
	}
	trace := filepath.Join(t.TempDir(), "trace")
	together := storage.GoesTogether(open(t, fileURL(filepath.Dir(trace))))
	var c calls
	for try := range 8 { // on a busy machine it may be that never enough are at it at once
		traced := exec.CommandContext(t.Context(), strace, "-f", "-y", "-s", "200", "-o", trace,
			"-e", "trace=write,fsync,syncfs,renameat2,newfstatat", os.Args[0], "-test.run=^TestDirTogether$")
		if out, err := traced.CombinedOutput(); err != nil {
			t.Skipf("needs the right to trace a process: %v: %s", err, out)
		}
		text, err := os.ReadFile(trace)
		if err != nil {
			t.Fatal(err)
		}
		c = readTrace(string(text))
		if len(c.named) != 96 {
			t.Fatalf("%d keys were named, want 96", len(c.named))
		}
		if !together || c.together > 0 {
			break
		}
		if try == 7 {
			t.Error("nobody went together")
		}
	}
	for key, namings := range c.named {
		returns := c.returned[key]
		if len(namings) != 2 || len(returns) != 2 {
			t.Fatalf("key %s: %d namings and %d returns, want 2 of each", key, len(namings), len(returns))
		}
		for i, naming := range namings {
			if temp := c.source[naming]; !c.durable(temp, c.written[temp], naming.begin) {
				t.Errorf("key %s: the name was given at line %d to data that were not durable", key, naming.begin+1)
			}
			if !c.durable(c.folder[naming], naming.end, returns[i]) {
				t.Errorf("key %s: Create returned at line %d before the name of line %d was durable", key, returns[i]+1, naming.end+1)
			}
		}
	}
	t.Logf("%d syncs of everything for %d creates", c.together, 2*len(c.named))
}

// A crash of the process leaves whole objects only, whatever the group was at.
func TestDirTogetherKilled(t *testing.T) {
	t.Parallel()
	const variable = "STORAGE_TEST_KILLED"
	size := 64 << 10
	if root := os.Getenv(variable); root != "" {
		s := open(t, fileURL(root))
		atOnce(16, func(i int) {
			for n := 0; ; n++ {
				object := strings.Repeat(string(rune('a'+i)), size)
				_ = s.Create(t.Context(), fmt.Sprintf("%d/%d", i%4, os.Getpid()<<32+i<<24+n), []byte(object))
			}
		})
	}
	root := t.TempDir()
	for round := range 6 {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestDirTogetherKilled$")
		cmd.Env = append(os.Environ(), variable+"="+root)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		s := open(t, fileURL(root))
		before := len(list(t, s, ""))
		for deadline := time.Now().Add(30 * time.Second); len(list(t, s, "")) < before+20+round*7; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Error("the process creates nothing")
				break
			}
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	s := open(t, fileURL(root))
	keys := list(t, s, "")
	for _, key := range keys {
		object := read(t, s, key)
		if len(object) != size || strings.Trim(object, object[:1]) != "" {
			t.Errorf("%s is torn: %d bytes", key, len(object))
		}
	}
	t.Logf("%d objects whole", len(keys))
}

// What goes wrong for one of a group is its own.
func TestDirTogetherFull(t *testing.T) {
	s := open(t, fileURL(smallDisk(t, "4m")))
	put(t, s, "d/taken/below", "x")
	put(t, s, "d/there", "x")
	atOnce(60, func(i int) {
		key, size, want := fmt.Sprintf("d/%d", i), 1<<10, fault.Code("")
		switch i % 6 {
		case 0:
			size, want = 8<<20, storage.CodeFull
		case 1:
			key, want = "d/taken", storage.CodeKeyConflict
		case 2:
			key, want = "d/there", storage.CodeExists
		}
		// A small file may find the disk full of a large one that is about to fail.
		err := s.Create(t.Context(), key, make([]byte, size))
		for want != storage.CodeFull && fault.CodeOf(err) == storage.CodeFull {
			err = s.Create(t.Context(), key, make([]byte, size))
		}
		switch {
		case want == "" && err != nil:
			t.Errorf("Create %s = %v", key, err)
		case want != "" && fault.CodeOf(err) != want:
			t.Errorf("Create %s = %v, want %s", key, err, want)
		}
	})
}
