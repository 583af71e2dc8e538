package storage_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// testStore is what every Store must do. open returns an empty one.
func testStore(t *testing.T, open func(t *testing.T) storage.Store) {
	for name, test := range map[string]func(t *testing.T, s storage.Store){
		"put and get":                  testPutGet,
		"put replaces":                 testPutReplaces,
		"put of a failing reader":      testPutFailingReader,
		"put streams":                  testPutStreams,
		"create is write-once":         testCreate,
		"create is exclusive":          testCreateRace,
		"missing objects":              testMissing,
		"stat":                         testStat,
		"list":                         testList,
		"list stops":                   testListStops,
		"delete":                       testDelete,
		"keys":                         testKeys,
		"cancelled":                    testCancelled,
		"cancelled while putting":      testCancelledPut,
		"the same URL, the same store": testURL,
	} {
		t.Run(name, func(t *testing.T) {
			test(t, open(t))
		})
	}
}

func testPutGet(t *testing.T, s storage.Store) {
	for name, data := range map[string]string{
		"empty": "", "small": "a;b\n1;2\n", "deep/er/and/deeper": "x", "ünïcode/ключ ?#%&+=.csv": "y",
	} {
		info, err := s.Put(t.Context(), name, strings.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		want := storage.Info{Key: name, Size: int64(len(data)), SHA256: sum([]byte(data))}
		if diff := cmp.Diff(want, info); diff != "" {
			t.Errorf("Put(%q) (-want +got):\n%s", name, diff)
		}
		if got := read(t, s, name); got != data {
			t.Errorf("Get(%q) = %q, want %q", name, got, data)
		}
	}
}

func testPutReplaces(t *testing.T, s storage.Store) {
	put(t, s, "k", strings.Repeat("old", 1000))
	// One that was opened before goes on reading what it opened.
	before, err := s.Get(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	defer before.Close()
	put(t, s, "k", "new")
	if got := read(t, s, "k"); got != "new" {
		t.Errorf("Get = %q after Put, want %q", got, "new")
	}
	old, err := io.ReadAll(before)
	if err != nil || string(old) != strings.Repeat("old", 1000) {
		t.Errorf("the earlier reader got %d bytes, %v, want all 3000 of the old object", len(old), err)
	}
}

func testPutFailingReader(t *testing.T, s storage.Store) {
	put(t, s, "k", "old")
	for name, size := range map[string]int64{"at once": 0, "in the first part": 1 << 10, "in a later part": 20 << 20} {
		broken := errors.New("broken")
		r := io.MultiReader(io.LimitReader(zeros{}, size), iotest.ErrReader(broken))
		if _, err := s.Put(t.Context(), "k", r); !errors.Is(err, broken) {
			t.Errorf("%s: Put = %v, want the reader's error", name, err)
		} else if code := fault.CodeOf(err); code != fault.Unclassified {
			t.Errorf("%s: Put = %v, want no code of the store", name, err)
		}
		if got := read(t, s, "k"); got != "old" {
			t.Errorf("%s: object is %q after a failed Put, want the old one", name, got)
		}
	}
}

func testPutStreams(t *testing.T, s storage.Store) {
	const size = 64 << 20
	random := rand.NewChaCha8([32]byte{1})
	hash := sha256.New()
	info, err := s.Put(t.Context(), "big", io.TeeReader(io.LimitReader(random, size), hash))
	if err != nil {
		t.Fatal(err)
	}
	want := hex.EncodeToString(hash.Sum(nil))
	if info.Size != size || info.SHA256 != want {
		t.Errorf("Put = %+v, want %d bytes with hash %s", info, size, want)
	}
	r, err := s.Get(t.Context(), "big")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	hash.Reset()
	if n, err := io.Copy(hash, r); n != size || err != nil {
		t.Fatalf("read %d bytes, %v", n, err)
	}
	if got := hex.EncodeToString(hash.Sum(nil)); got != want {
		t.Errorf("Get delivers hash %s, want %s", got, want)
	}
}

func testCreate(t *testing.T, s storage.Store) {
	ctx := t.Context()
	for _, key := range []string{"outcome", "shard/00/outcome", "shard/00/other"} {
		if err := s.Create(ctx, key, []byte("first")); err != nil {
			t.Fatal(err)
		}
		err := s.Create(ctx, key, []byte("second"))
		if !errors.Is(err, storage.ErrExists) || fault.CodeOf(err) != storage.CodeExists {
			t.Errorf("second Create(%q) = %v, want ErrExists", key, err)
		}
		if err := s.Sync(ctx, key); err != nil {
			t.Errorf("Sync(%q) = %v", key, err)
		}
		if got := read(t, s, key); got != "first" {
			t.Errorf("Get(%q) = %q, want the first", key, got)
		}
	}
	put(t, s, "was put", "x")
	if err := s.Create(ctx, "was put", nil); !errors.Is(err, storage.ErrExists) {
		t.Errorf("Create over a Put = %v, want ErrExists", err)
	}
	if err := s.Create(ctx, "empty", nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Create(ctx, "empty", []byte("x")); !errors.Is(err, storage.ErrExists) {
		t.Errorf("Create over an empty object = %v, want ErrExists", err)
	}
}

// Every round has new directories, so that making them is raced for too.
func testCreateRace(t *testing.T, s storage.Store) {
	const racers, rounds = 32, 8
	for round := range rounds {
		key := fmt.Sprintf("race/%d/outcome", round)
		var (
			wg     sync.WaitGroup
			wins   atomic.Int64
			losses atomic.Int64
			winner atomic.Pointer[string]
			start  = make(chan struct{})
		)
		for racer := range racers {
			wg.Go(func() {
				<-start
				data := strings.Repeat(fmt.Sprintf("racer %d;", racer), 500)
				switch err := s.Create(t.Context(), key, []byte(data)); {
				case err == nil:
					wins.Add(1)
					winner.Store(&data)
				case errors.Is(err, storage.ErrExists):
					losses.Add(1)
				default:
					t.Errorf("Create = %v", err)
				}
			})
		}
		close(start)
		wg.Wait()
		if wins.Load() != 1 || losses.Load() != racers-1 {
			t.Fatalf("%d won and %d lost, want 1 and %d", wins.Load(), losses.Load(), racers-1)
		}
		if got := read(t, s, key); got != *winner.Load() {
			t.Errorf("object is %.20q, want the winner's %.20q", got, *winner.Load())
		}
	}
}

func testMissing(t *testing.T, s storage.Store) {
	put(t, s, "a/b", "x")
	for _, key := range []string{"missing", "missing/too", "a", "a/b/c", "a/c"} {
		_, err := s.Get(t.Context(), key)
		if !errors.Is(err, storage.ErrNotFound) || fault.CodeOf(err) != storage.CodeNotFound {
			t.Errorf("Get(%q) = %v, want ErrNotFound", key, err)
		}
		if _, err := s.Stat(t.Context(), key); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("Stat(%q) = %v, want ErrNotFound", key, err)
		}
		if err := s.Delete(t.Context(), key); err != nil {
			t.Errorf("Delete(%q) = %v, want nil", key, err)
		}
	}
	if got := read(t, s, "a/b"); got != "x" {
		t.Errorf("a/b is %q", got)
	}
}

func testStat(t *testing.T, s storage.Store) {
	before := time.Now().Add(-2 * time.Second) // S3 counts in seconds
	put(t, s, "a/b", "12345")
	info, err := s.Stat(t.Context(), "a/b")
	if err != nil {
		t.Fatal(err)
	}
	if info.Modified.Before(before) || info.Modified.After(time.Now().Add(2*time.Second)) {
		t.Errorf("Modified = %v, want now", info.Modified)
	}
	want := storage.Info{Key: "a/b", Size: 5, Modified: info.Modified}
	if diff := cmp.Diff(want, info); diff != "" {
		t.Errorf("Stat (-want +got):\n%s", diff)
	}
}

func testList(t *testing.T, s storage.Store) {
	// In the order of their bytes: '-' and '.' come before '/', '0' after it.
	all := []string{"a-b", "a.csv", "a/b", "a/b.csv", "a/b0", "a0/x", "ab/c/d", "b", "ö"}
	for _, i := range rand.Perm(len(all)) {
		put(t, s, all[i], all[i])
	}
	for name, tt := range map[string]struct {
		prefix string
		want   []string
	}{
		"all":                  {"", all},
		"cut in an element":    {"a/b", []string{"a/b", "a/b.csv", "a/b0"}},
		"cut in a directory":   {"a", all[:7]},
		"directory":            {"ab/c/", []string{"ab/c/d"}},
		"nothing":              {"c/", nil},
		"below an object":      {"a/b/", nil},
		"unicode":              {"ö", []string{"ö"}},
		"a dot is only a name": {"a.", []string{"a.csv"}},
	} {
		if diff := cmp.Diff(tt.want, list(t, s, tt.prefix)); diff != "" {
			t.Errorf("%s: List(%q) (-want +got):\n%s", name, tt.prefix, diff)
		}
	}
	for _, key := range []string{"a/b", "ab/c/d", "b"} {
		if err := s.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"a-b", "a.csv", "a/b.csv", "a/b0", "a0/x", "ö"}
	if diff := cmp.Diff(want, list(t, s, "")); diff != "" {
		t.Errorf("after Delete (-want +got):\n%s", diff)
	}
	for info, err := range s.List(t.Context(), "a.") {
		if err != nil || info.Size != int64(len("a.csv")) || info.Modified.IsZero() {
			t.Errorf("List yields %+v, %v", info, err)
		}
	}
}

func testListStops(t *testing.T, s storage.Store) {
	for i := range 10 {
		put(t, s, fmt.Sprintf("d%d/k", i), "x")
	}
	var seen int
	for _, err := range s.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if seen++; seen == 3 {
			break
		}
	}
	if seen != 3 {
		t.Errorf("List yielded %d objects, want 3 and a stop", seen)
	}
}

func testDelete(t *testing.T, s storage.Store) {
	put(t, s, "a/b", "x")
	for range 2 {
		if err := s.Delete(t.Context(), "a/b"); err != nil {
			t.Errorf("Delete = %v", err)
		}
	}
	if _, err := s.Stat(t.Context(), "a/b"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("Stat after Delete = %v, want ErrNotFound", err)
	}
	if err := s.Create(t.Context(), "a/b", nil); err != nil {
		t.Errorf("Create after Delete = %v", err)
	}
}

func testCancelled(t *testing.T, s storage.Store) {
	put(t, s, "k", "x")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, getErr := s.Get(ctx, "k")
	_, putErr := s.Put(ctx, "k", strings.NewReader("y"))
	_, statErr := s.Stat(ctx, "k")
	var listErr error
	for _, listErr = range s.List(ctx, "") {
		break
	}
	for method, err := range map[string]error{
		"Get": getErr, "Put": putErr, "Stat": statErr, "List": listErr,
		"Create": s.Create(ctx, "new", nil), "Sync": s.Sync(ctx, "k"), "Delete": s.Delete(ctx, "k"),
	} {
		if !errors.Is(err, context.Canceled) || fault.CodeOf(err) != fault.Unclassified {
			t.Errorf("%s = %v, want context.Canceled and no code", method, err)
		}
	}
	if diff := cmp.Diff([]string{"k"}, list(t, s, "")); diff != "" {
		t.Errorf("after cancelled calls (-want +got):\n%s", diff)
	}
}

func testCancelledPut(t *testing.T, s storage.Store) {
	put(t, s, "k", "old")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r := io.MultiReader(io.LimitReader(zeros{}, 20<<20), readerFunc(func([]byte) (int, error) {
		cancel()
		return 0, nil
	}), zeros{})
	if _, err := s.Put(ctx, "k", r); !errors.Is(err, context.Canceled) {
		t.Errorf("Put = %v, want context.Canceled", err)
	}
	if got := read(t, s, "k"); got != "old" {
		t.Errorf("object is %.20q after a cancelled Put, want the old one", got)
	}
}

func testURL(t *testing.T, s storage.Store) {
	put(t, s, "k", "x")
	again := open(t, s.URL())
	if again.URL() != s.URL() {
		t.Errorf("URL = %q, want %q", again.URL(), s.URL())
	}
	if got := read(t, again, "k"); got != "x" {
		t.Errorf("Get = %q", got)
	}
}
