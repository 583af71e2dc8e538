package storage_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/sagefleet/sagefleet/shared/storage"
)

func TestMain(m *testing.M) {
	// For the SDK's default chain, which must not ask this machine for more.
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
		"AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE":           os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		os.Setenv(name, value)
	}
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ENDPOINT_URL"} {
		os.Unsetenv(name)
	}
	goleak.VerifyTestMain(m)
}

func open(t testing.TB, rawURL string) storage.Store {
	t.Helper()
	s, err := storage.Open(t.Context(), rawURL)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// testMemory puts an endless-looking object and fails when the heap grows with
// it. It must not run beside other tests, whose memory it would count.
func testMemory(t *testing.T, s storage.Store, size int64, limit uint64) {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	before, peak := stats.HeapAlloc, uint64(0)
	var reads int
	sample := readerFunc(func(p []byte) (int, error) {
		if reads++; reads%64 == 0 {
			runtime.GC()
			runtime.ReadMemStats(&stats)
			peak = max(peak, stats.HeapAlloc)
		}
		return zeros{}.Read(p)
	})
	if _, err := s.Put(t.Context(), "big", io.LimitReader(sample, size)); err != nil {
		t.Fatal(err)
	}
	if peak == 0 || peak > before+limit {
		t.Errorf("heap peaked at %d bytes over %d for an object of %d, want at most %d more", peak, before, size, limit)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func put(t testing.TB, s storage.Store, key, data string) {
	t.Helper()
	if _, err := s.Put(t.Context(), key, strings.NewReader(data)); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, s storage.Store, key string) string {
	t.Helper()
	r, err := s.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func list(t testing.TB, s storage.Store, prefix string) []string {
	t.Helper()
	var keys []string
	for info, err := range s.List(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, info.Key)
	}
	return keys
}

func sum(data []byte) string {
	h := sha256.Sum256(data)
	return hex.EncodeToString(h[:])
}
