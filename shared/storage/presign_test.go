package storage_test

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/shared/storage"
	"github.com/sagefleet/sagefleet/shared/storage/storagetest"
)

func TestPresignedPutStoresOnce(t *testing.T) {
	t.Parallel()
	s, ok := storagetest.S3(t).(storage.Presigner)
	if !ok {
		t.Fatal("a bucket presigns nothing")
	}
	const text = "id\n1\n"
	sum := sha256.Sum256([]byte(text))
	p, err := s.PresignPut(t.Context(), "inputs/m/e1/a", hex.EncodeToString(sum[:]), int64(len(text)), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := url.Parse(p.URL)
	if err != nil {
		t.Fatal(err)
	}
	all := signed.RawQuery
	for name, values := range p.Header {
		all += "&" + name + "=" + values[0]
	}
	for _, want := range []string{"X-Amz-Signature=", "X-Amz-Expires=60", "If-None-Match=*", "Content-Length=5", "hecksum-Sha256="} {
		if !strings.Contains(strings.ReplaceAll(all, "checksum-sha256", "Checksum-Sha256"), want) {
			t.Errorf("%s is not in %s", want, all)
		}
	}
	for _, want := range []int{http.StatusOK, http.StatusPreconditionFailed} {
		r, err := http.NewRequestWithContext(t.Context(), p.Method, p.URL, strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = p.Header.Clone()
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("%s, want %d", answer.Status, want)
		}
	}
	body, err := s.Get(t.Context(), "inputs/m/e1/a")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = body.Close() }()
	if stored, err := io.ReadAll(body); err != nil || string(stored) != text {
		t.Errorf("stored %q, %v", stored, err)
	}
	if _, err := s.PresignPut(t.Context(), "../x", "00", 1, time.Minute); err == nil {
		t.Error("a key outside is presigned")
	}
	if _, ok := storagetest.Dir(t).(storage.Presigner); ok {
		t.Error("a directory presigns")
	}
}
