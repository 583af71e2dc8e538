package storage_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"
)

// Objects around the size of a part, several at once, are read as they were written,
// also when an early part arrives last.
func TestS3Parts(t *testing.T) {
	t.Parallel()
	backend := startS3(t)
	slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("partNumber") == "1" {
			time.Sleep(50 * time.Millisecond)
		}
		backend.ServeHTTP(w, r)
	})
	s := open(t, s3URL(t, slow, ""))
	const part, small = 5 << 20, 64 << 10
	var all sync.WaitGroup
	for _, size := range []int{0, 1, small - 1, small, small + 1, part - 1, part, part + 1, 2 * part, 5*part + 1} {
		all.Go(func() {
			data := make([]byte, size)
			source := rand.NewChaCha8([32]byte{byte(size), byte(size >> 8)})
			_, _ = source.Read(data)
			key := fmt.Sprint("object-", size)
			info, err := s.Put(t.Context(), key, &struct{ io.Reader }{bytes.NewReader(data)})
			if sum := sha256.Sum256(data); err != nil || info.Size != int64(size) || info.SHA256 != hex.EncodeToString(sum[:]) {
				t.Errorf("%s: stored %+v: %v", key, info, err)
				return
			}
			body, err := s.Get(t.Context(), key)
			if err != nil {
				t.Errorf("%s: %v", key, err)
				return
			}
			defer body.Close()
			if got, err := io.ReadAll(body); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%s: read other bytes: %v", key, err)
			}
		})
	}
	all.Wait()
}

// An upload that fails, at its source or at the store, takes its parts away.
func TestS3FailedUploadsAreAborted(t *testing.T) {
	t.Parallel()
	backend := startS3(t)
	var mu sync.Mutex
	begun, aborted := 0, 0
	refuse := ""
	s := open(t, s3URL(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		mu.Lock()
		switch {
		case q.Has("uploads") && r.Method == http.MethodPost:
			begun++
		case q.Has("uploadId") && r.Method == http.MethodDelete:
			aborted++
		}
		refused := refuse != "" && q.Get("partNumber") == refuse
		mu.Unlock()
		if refused {
			answer(http.StatusForbidden, "AccessDenied")(w, r, nil)
			return
		}
		backend.ServeHTTP(w, r)
	}), ""))
	const part = 5 << 20
	broken := errors.New("the sender went away")
	for name, tt := range map[string]struct {
		refuse string
		data   io.Reader
	}{
		"source breaks in a later part":    {"", io.MultiReader(bytes.NewReader(make([]byte, 2*part+1)), failing{broken})},
		"store refuses the first part":     {"1", bytes.NewReader(make([]byte, 7*part))},
		"store refuses the last part":      {"3", bytes.NewReader(make([]byte, 2*part+1))},
		"source breaks at a part's border": {"", io.MultiReader(bytes.NewReader(make([]byte, part)), failing{broken})},
	} {
		mu.Lock()
		begun, aborted, refuse = 0, 0, tt.refuse
		mu.Unlock()
		if _, err := s.Put(t.Context(), "x", tt.data); err == nil || tt.refuse == "" && !errors.Is(err, broken) {
			t.Errorf("%s: %v", name, err)
		}
		mu.Lock()
		if begun != 1 || aborted != 1 {
			t.Errorf("%s: %d uploads begun, %d aborted", name, begun, aborted)
		}
		refuse = ""
		mu.Unlock()
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
