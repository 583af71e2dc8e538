package parse_test

import (
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/worker/engine/parse"
)

func TestInteger(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		want int64
		ok   bool
	}{
		"0": {0, true}, "-12": {-12, true}, "+7": {7, true}, "007": {7, true}, "5.0": {5, true}, "5.": {5, true}, "-5.000": {-5, true},
		"1e3": {1000, true}, "1.5e1": {15, true}, "9223372036854775807": {math.MaxInt64, true},
		"-9223372036854775808": {math.MinInt64, true}, "9223372036854775807.0": {math.MaxInt64, true},
		"9223372036854775808": {0, false}, "1e300": {0, false}, "1.5": {0, false}, "": {0, false}, "-": {0, false}, ".": {0, false},
		"x7": {0, false}, "1,5": {0, false}, "1_000": {0, false}, "0x10": {0, false}, "nan": {0, false}, "--1": {0, false},
	}
	for text, tt := range tests {
		got, ok := parse.Integer([]byte(text))
		if ok != tt.ok || ok && got != tt.want {
			t.Errorf("Integer(%q) = %d, %t, want %d, %t", text, got, ok, tt.want, tt.ok)
		}
	}
}

func TestDecimalRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "-", ".", "-.", "nan", "NaN", "inf", "-Infinity", "0x1p3", "1_0", "1,5", "1.2.3", "1e400", "abc", "1e", " 1"} {
		if got, ok := parse.Decimal([]byte(text)); ok {
			t.Errorf("Decimal(%q) = %v, want a refusal", text, got)
		}
	}
}

// FuzzDecimal holds the fast path to strconv, bit for bit.
func FuzzDecimal(f *testing.F) {
	for _, s := range []string{"12", "-1.5", "1e3", ".5", "5.", "0.1", "123456789012345", "1234567890.12345", "99999999999999999999", "-0", "0.000000000000001"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := parse.Decimal([]byte(text))
		want, err := strconv.ParseFloat(text, 64)
		if err != nil || strings.ContainsAny(text, "xX_iInN") {
			if ok {
				t.Fatalf("Decimal(%q) = %v, strconv refuses it", text, got)
			}
			return
		}
		if !ok || math.Float64bits(got) != math.Float64bits(want) {
			t.Fatalf("Decimal(%q) = %v, %t, want %v", text, got, ok, want)
		}
	})
}

// FuzzInteger checks that whatever is accepted is the number that was written.
func FuzzInteger(f *testing.F) {
	for _, s := range []string{"12", "-1.0", "1e3", "9223372036854775807", "1.5", "+3.000"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := parse.Integer([]byte(text))
		if want, err := strconv.ParseInt(text, 10, 64); err == nil && (!ok || got != want) {
			t.Fatalf("Integer(%q) = %d, %t, want %d", text, got, ok, want)
		}
		if f, isNumber := parse.Decimal([]byte(text)); ok && (!isNumber || float64(got) != f) {
			t.Fatalf("Integer(%q) = %d but Decimal = %v, %t", text, got, f, isNumber)
		}
	})
}

func TestBool(t *testing.T) {
	t.Parallel()
	yes := []string{"true", "TRUE", "1", "sí", "SÍ", "Si", "verdadero", "Verdadero"}
	no := []string{"false", "False", "0", "no", "NO", "falso"}
	bad := []string{"", "quizas", "2", "verdaderos", "s", "yes"}
	for _, s := range yes {
		if v, ok := parse.Bool([]byte(s)); !ok || !v {
			t.Errorf("Bool(%q) = %t, %t", s, v, ok)
		}
	}
	for _, s := range no {
		if v, ok := parse.Bool([]byte(s)); !ok || v {
			t.Errorf("Bool(%q) = %t, %t", s, v, ok)
		}
	}
	for _, s := range bad {
		if v, ok := parse.Bool([]byte(s)); ok {
			t.Errorf("Bool(%q) = %t, want a refusal", s, v)
		}
	}
}

func TestDate(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		order parse.Order
		want  string // RFC 3339; empty is a refusal
		hint  parse.Hint
	}{
		"2024-01-02":                {want: "2024-01-02T00:00:00Z"},
		"2024-02-29":                {want: "2024-02-29T00:00:00Z"},
		"2024/02/29":                {want: "2024-02-29T00:00:00Z"},
		"20240615":                  {want: "2024-06-15T00:00:00Z"},
		"1900-03-01":                {want: "1900-03-01T00:00:00Z"},
		"2024-05-05 10:30:00":       {want: "2024-05-05T10:30:00Z"},
		"2024-05-05T10:30":          {want: "2024-05-05T10:30:00Z"},
		"2024-05-05T10:30:01.25Z":   {want: "2024-05-05T10:30:01.25Z"},
		"2024-05-05T00:30:00+02:00": {want: "2024-05-04T22:30:00Z"},
		"2024-05-05T00:30:00-0430":  {want: "2024-05-05T05:00:00Z"},
		"03/04/2024":                {want: "2024-03-04T00:00:00Z", hint: parse.Undecided},
		"3/4/2024":                  {order: parse.DayFirst, want: "2024-04-03T00:00:00Z", hint: parse.Undecided},
		"31/01/2024":                {order: parse.DayFirst, want: "2024-01-31T00:00:00Z", hint: parse.IsDay},
		"15-03-2024 08:00":          {order: parse.DayFirst, want: "2024-03-15T08:00:00Z", hint: parse.IsDay},
		"01/31/2024":                {want: "2024-01-31T00:00:00Z", hint: parse.IsMonth},
		"31/01/2024 as month first": {},
		"2023-02-29":                {}, "2024-13-01": {}, "2024-00-10": {}, "hola": {}, "": {}, "2024-1-1": {}, "31/31/2024": {}, "45/02/2024": {}, "02/45/2024": {},
		"1/2/24": {}, "1/2-2024": {}, "9999-12-31": {}, "2024-01-01T25:00": {}, "2024-01-01 10:30:00+99": {}, "1/2/3/2024": {},
	}
	for text, tt := range tests {
		ns, hint, ok := parse.Date([]byte(text), tt.order)
		if ok != (tt.want != "") {
			t.Errorf("Date(%q) accepted: %t", text, ok)
			continue
		}
		if got := time.Unix(0, ns).UTC().Format(time.RFC3339Nano); ok && (got != tt.want || hint != tt.hint) {
			t.Errorf("Date(%q) = %s, hint %d, want %s, hint %d", text, got, hint, tt.want, tt.hint)
		}
	}
}

// FuzzDate checks every accepted ISO date against the standard library.
func FuzzDate(f *testing.F) {
	for _, s := range []string{"2024-01-02", "2024/02/29", "20240615", "31/01/2024", "2024-05-05T10:30:00Z", "01.02.2024"} {
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, text string, dayFirst bool) {
		order := parse.MonthFirst
		if dayFirst {
			order = parse.DayFirst
		}
		ns, _, ok := parse.Date([]byte(text), order)
		if want, err := time.Parse(time.DateOnly, text); err == nil && want.Year() >= parse.MinYear && want.Year() <= parse.MaxYear {
			if !ok || ns != want.UnixNano() {
				t.Fatalf("Date(%q) = %d, %t, want %d", text, ns, ok, want.UnixNano())
			}
		}
		if y := time.Unix(0, ns).UTC().Year(); ok && (y < parse.MinYear-1 || y > parse.MaxYear+1) {
			t.Fatalf("Date(%q) is in the year %d", text, y)
		}
	})
}
