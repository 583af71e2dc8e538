package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// Without LEDGER_URL each command that reads the ledger says what to set.
func TestLedgerIsNotSet(t *testing.T) {
	t.Setenv("LEDGER_URL", "")
	for _, args := range [][]string{{"list"}, {"ledger", "status"}, {"ledger", "rebuild"}} {
		var out, errs strings.Builder
		if code := run(t.Context(), args, strings.NewReader(""), &out, &errs); code != exitFailed || !strings.Contains(errs.String(), "LEDGER_URL") {
			t.Errorf("%v: exit %d, %s", args, code, errs.String())
		}
	}
}

// A ledger that can't be opened is a failure that doesn't show its URL's password.
func TestLedgerURLIsNotShown(t *testing.T) {
	for _, url := range []string{"postgres://sage:hunter2@127.0.0.1:1/x?connect_timeout=1", "mysql://sage:hunter2@host/x", "sqlite://" + filepath.Join(t.TempDir(), "no\x00t")} {
		t.Setenv("LEDGER_URL", "env:LEDGER_FOR_TEST")
		if !strings.Contains(url, "\x00") {
			t.Setenv("LEDGER_FOR_TEST", url)
		} else {
			t.Setenv("LEDGER_FOR_TEST", "sqlite://relative/path")
		}
		var out, errs strings.Builder
		if code := run(t.Context(), []string{"ledger", "status"}, strings.NewReader(""), &out, &errs); code != exitFailed || strings.Contains(errs.String(), "hunter2") {
			t.Errorf("exit %d, %s", code, errs.String())
		}
	}
}
