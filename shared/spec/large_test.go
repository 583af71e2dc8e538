//go:build unix

package spec_test

import (
	"bytes"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/shared/spec"
)

// wide is a configuration of one catalog with that many fields and as many row
// rules; rule is the format of one, with the number of a field.
func wide(fields int, rule string) []byte {
	var b strings.Builder
	b.WriteString("sage_yaml: {name: n, description: d, version: '1', author: a}\n" +
		"catalogs:\n  c:\n    name: c\n    description: d\n    filename: c.csv\n    file_format: {type: CSV, delimiter: ',', header: true}\n    fields:\n")
	for i := range fields {
		fmt.Fprintf(&b, "      - {name: field_%d, type: entero}\n", i)
	}
	b.WriteString("    row_validation:\n")
	for i := range fields {
		fmt.Fprintf(&b, "      - {name: r%d, description: d, rule: \"%s\"}\n", i, fmt.Sprintf(rule, fields-1-i))
	}
	b.WriteString("packages:\n  p: {name: p, description: d, file_format: {type: CSV}, catalogs: [c]}\n")
	return []byte(b.String())
}

// flat is such a configuration on one line, as programs write it.
func flat(fields int, rule string) []byte {
	var b strings.Builder
	b.WriteString(`{"sage_yaml":{"name":"n","description":"d","version":"1","author":"a"},"catalogs":{"c":{"name":"c","description":"d",` +
		`"filename":"c.csv","file_format":{"type":"CSV","delimiter":",","header":true},"fields":[`)
	for i := range fields {
		fmt.Fprintf(&b, `{"name":"field_%d","type":"entero"},`, i)
	}
	b.WriteString(`],"row_validation":[`)
	for i := range fields {
		fmt.Fprintf(&b, `{"name":"r%d","description":"d","rule":"%s"},`, i, fmt.Sprintf(rule, fields-1-i))
	}
	b.WriteString(`]}},"packages":{"p":{"name":"p","description":"d","file_format":{"type":"CSV"},"catalogs":["c"]}}}`)
	return []byte(b.String())
}

var large = map[string]func(n int) []byte{
	"lines":           func(n int) []byte { return wide(n, "df['field_%d'] > 1") },
	"one line":        func(n int) []byte { return flat(n, "df['field_%d'] > 1") },
	"unknown columns": func(n int) []byte { return wide(n, "df['other_%d'] > 1") },
	"ñ on one line":   func(n int) []byte { return flat(n, "df['campo_ñ_%d'] > 1") },
}

// TestParseGrowsWithItsInput holds ten times the fields and rules to much less
// than a hundred times the work. It is the time of this process that counts, so
// that what else the machine does counts little.
func TestParseGrowsWithItsInput(t *testing.T) {
	for name, build := range large {
		t.Run(name, func(t *testing.T) {
			small, big := build(400), build(4000)
			var ratio float64
			for range 5 { // the collector and the caches have their say
				if ratio = float64(cpuOf(t, big)) / float64(min(cpuOf(t, small), cpuOf(t, small))); ratio < 20 {
					return
				}
			}
			t.Errorf("ten times the configuration took %.0f times as long", ratio)
		})
	}
}

// cpuOf is how long this process computed for reading data.
func cpuOf(t *testing.T, data []byte) time.Duration {
	t.Helper()
	before := cpu(t)
	spec.Parse("wide.yaml", data)
	return max(cpu(t)-before, time.Microsecond)
}

func cpu(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestPlacesOnLongLines looks for the carets far into a line, characters of
// several bytes before them.
func TestPlacesOnLongLines(t *testing.T) {
	data := flat(3000, "df['campo_ñ_%d'] > 1")
	_, issues := spec.Parse("flat.yaml", data)
	if len(issues) < 1000 {
		t.Fatalf("%d issues", len(issues))
	}
	for _, i := range issues[:1000] {
		if i.Code != spec.CodeRuleColumn {
			t.Fatalf("%v", i)
		}
		at := string([]rune(string(data))[i.Column-1:][:10])
		if at != "'campo_ñ_2" && at != "'campo_ñ_1" {
			t.Fatalf("%v points at %q", i, at)
		}
	}
}

func BenchmarkParseLarge(b *testing.B) {
	for name, build := range large {
		for _, n := range []int{900, 9000} {
			data := build(n)
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				b.SetBytes(int64(len(data)))
				b.ReportAllocs()
				for b.Loop() {
					spec.Parse("wide.yaml", data)
				}
			})
		}
	}
}

func BenchmarkPrint(b *testing.B) {
	data := flat(9000, "df['other_%d'] > 1")
	_, issues := spec.Parse("flat.yaml", data)
	for b.Loop() {
		var out bytes.Buffer
		if err := spec.Print(&out, data, issues, false); err != nil {
			b.Fatal(err)
		}
	}
}
