package ledger_test

import (
	"path/filepath"
	"testing"

	"github.com/sagefleet/sagefleet/shared/ledger"
)

// openSQLite returns an empty ledger in a file.
func openSQLite(t *testing.T) *ledger.Ledger {
	t.Helper()
	return open(t, sqliteURL(t))
}

// sqliteURL is that of an empty ledger in a file.
func sqliteURL(t *testing.T) string { return "sqlite://" + filepath.Join(t.TempDir(), "ledger.db") }

func open(t *testing.T, url string) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}
