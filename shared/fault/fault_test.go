package fault_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sagefleet/sagefleet/shared/fault"
)

func TestIsPermanent(t *testing.T) {
	tests := map[string]struct {
		err  error
		want bool
	}{
		"nil":             {nil, false},
		"unmarked":        {io.ErrUnexpectedEOF, false},
		"marked":          {fault.Permanent(io.EOF), true},
		"wrapped":         {fmt.Errorf("parse: %w", fault.Permanent(io.EOF)), true},
		"coded":           {fault.New("X", "no"), false},
		"coded permanent": {fmt.Errorf("a: %w", fault.New("X", "no").Permanent()), true},
		"coded, marked":   {fault.Permanent(fault.New("X", "no")), true},
		"joined":          {errors.Join(io.EOF, fault.Permanent(io.EOF)), true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := fault.IsPermanent(tt.err); got != tt.want {
				t.Errorf("IsPermanent(%v) = %v, want %v", tt.err, got, tt.want)
			}
		})
	}
}

func TestPermanentKeepsNil(t *testing.T) {
	if err := fault.Permanent(nil); err != nil {
		t.Errorf("Permanent(nil) = %v", err)
	}
}

func TestErrorReadsAsOneLine(t *testing.T) {
	err := fault.New("CONFIG_TYPE", "unknown type %q", "string").
		At("config.yaml", 12, 7).Expecting("texto or decimal").Advise("correct the type")
	want := `config.yaml:12:7: unknown type "string"; expected texto or decimal; correct the type [CONFIG_TYPE]`
	if got := err.Error(); got != want {
		t.Errorf("Error() =\n%s, want\n%s", got, want)
	}
}

func TestNewKeepsTheCause(t *testing.T) {
	if err := fault.New("X", "open: %w", io.EOF); !errors.Is(err, io.EOF) {
		t.Errorf("%v does not wrap io.EOF", err)
	}
}

func TestDescribe(t *testing.T) {
	inner := fault.New("INPUT_MISSING", "no such file").Permanent()
	got := fault.Describe(fmt.Errorf("fetch %q: %w", "a.csv", inner))
	if got.Code != "INPUT_MISSING" || got.Message != `fetch "a.csv": no such file` || !fault.IsPermanent(got) {
		t.Errorf("Describe = %+v", got)
	}
	if got := fault.Describe(io.EOF); got.Code != fault.Unclassified || got.Message != "EOF" {
		t.Errorf("Describe(io.EOF) = %+v", got)
	}
	long := fault.Describe(fmt.Errorf("open %s: %w", strings.Repeat("ñ", 1<<20), inner))
	if n := len(long.Message); n > 5<<10 || !utf8.ValidString(long.Message) {
		t.Errorf("Describe kept %d bytes", n)
	}
	if fault.Describe(nil) != nil {
		t.Error("Describe(nil) is not nil")
	}
}
