package inbox_test

import (
	"os"
	"testing"
	"time"
)

// An upload that hangs looks complete, but for who has the file open.
func TestWhoeverWritesIsWaitedFor(t *testing.T) {
	t.Parallel()
	s := newSite(t, "ventas")
	hangs, err := os.Create(s.path("ventas/hangs.csv"))
	s.must(err)
	_, err = hangs.WriteString("id\n1")
	s.must(err)
	s.run()
	s.write("ventas/a.csv", "id\n")
	s.eventually("ventas/processed", "a.csv")
	time.Sleep(5 * s.cfg.Settle)
	s.eventually("ventas/processed", "a.csv")
	_, err = hangs.WriteString("2\n")
	s.must(err)
	s.must(hangs.Close())
	s.eventually("ventas/processed", "a.csv", "hangs.csv")
	if r := s.submitted()["hangs.csv"]; len(r) != 1 || *r[0].Inputs[0].Size != 6 {
		t.Errorf("%+v", r)
	}
}
