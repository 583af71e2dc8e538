package storage_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/storage"
)

func TestNormalURL(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ in, want string }{
		"directory":     {"file:///srv/sage", "file:///srv/sage"},
		"unclean":       {"file:///srv/../srv//sage/", "file:///srv/sage"},
		"escaped":       {"file:///srv/a%20b%3Fc", "file:///srv/a%20b%3Fc"},
		"bucket":        {"s3://bucket", "s3://bucket"},
		"bucket, slash": {"s3://bucket/", "s3://bucket"},
		"prefix":        {"s3://bucket/a/b/", "s3://bucket/a/b"},
		"parameters": {
			"s3://bucket/p?region=eu-central-1&path_style=1&sse_kms_key_id=k&endpoint=http://localhost:9000",
			"s3://bucket/p?endpoint=http%3A%2F%2Flocalhost%3A9000&path_style=true&region=eu-central-1&sse_kms_key_id=k",
		},
		"default parameter": {"s3://bucket?path_style=false", "s3://bucket"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := storage.NormalURL(tt.in)
			if err != nil || got != tt.want {
				t.Errorf("NormalURL(%q) = %q, %v, want %q", tt.in, got, err, tt.want)
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for name, rawURL := range map[string]string{
		"empty":               "",
		"path":                "/srv/sage",
		"relative":            "file:sage",
		"host":                "file://server/share",
		"scheme":              "gs://bucket",
		"directory parameter": "file:///srv?sync=no",
		"no bucket":           "s3:///prefix",
		"bucket with a port":  "s3://bucket:80/",
		"upper case bucket":   "s3://Bucket",
		"traversal":           "s3://bucket/a/../b",
		"empty element":       "s3://bucket/a//b",
		"unknown parameter":   "s3://bucket?regoin=x",
		"empty parameter":     "s3://bucket?region=",
		"doubled parameter":   "s3://bucket?region=a&region=b",
		"endpoint scheme":     "s3://bucket?endpoint=ftp://x",
		"endpoint password":   "s3://bucket?endpoint=http://me:hunter2@x",
		"path style":          "s3://bucket?path_style=maybe",
		"malformed query":     "s3://bucket?a;b",
		"fragment":            "s3://bucket#x",
		"password":            "s3://me:hunter2@bucket",
		"broken password":     "s3://me:hunter2@buck et",
		"no region":           "s3://bucket",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := storage.Open(t.Context(), rawURL)
			if fault.CodeOf(err) != storage.CodeURLInvalid || !fault.IsPermanent(err) {
				t.Fatalf("Open(%q) = %v, want a permanent %s", rawURL, err, storage.CodeURLInvalid)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error tells the password: %v", err)
			}
		})
	}
}

func TestOpenRefusesFile(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{name, filepath.Join(name, "below")} {
		if _, err := storage.Open(t.Context(), fileURL(path)); fault.CodeOf(err) != storage.CodeURLInvalid {
			t.Errorf("Open(%q) = %v, want %s", path, err, storage.CodeURLInvalid)
		}
	}
}

// A URL that is taken must survive being written and read again: it stands in
// configurations and is handed from process to process.
func FuzzNormalURL(f *testing.F) {
	for _, seed := range []string{
		"file:///srv/a%20b", "s3://bucket/p?region=r&endpoint=https://h:1&path_style=t&sse_kms_key_id=a/b", "s3://b%25cket/%2e%2e",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		once, err := storage.NormalURL(in)
		if err != nil {
			if fault.CodeOf(err) != storage.CodeURLInvalid {
				t.Fatalf("NormalURL(%q) = %v, want %s", in, err, storage.CodeURLInvalid)
			}
			return
		}
		if twice, err := storage.NormalURL(once); err != nil || twice != once {
			t.Fatalf("NormalURL(%q) = %q, which becomes %q, %v", in, once, twice, err)
		}
	})
}
