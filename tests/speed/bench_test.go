package speed

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/sagefleet/sagefleet/worker/processor"
)

// What was published of the original and of DuckDB, on two cores of another
// machine, for where they can't be had.
const (
	publishedDuckDB = "1.1 s\t\t333 MB\tpublished, not measured here"
	publishedSmall  = "0.51 s\t\t80 MB\tpublished of the original, not measured here"
)

// BenchmarkMillionRows is the published workload, as a whole process.
func BenchmarkMillionRows(b *testing.B) {
	data, want := workload(b, million)
	contest(b, "1,000,000 rows, 69.3 MB", worker(b, speedYAML, data, want), pandas(b, "pandas_csv.py", data, want), duckDB(b, data, want))
}

// BenchmarkTenMillionRows has no field that is unique, so that no more need be
// remembered of more rows: ten times the rows are to take ten times the time and
// the same memory.
func BenchmarkTenMillionRows(b *testing.B) {
	config := withoutUnique(b)
	one, wantOne := workload(b, million)
	ten, wantTen := workload(b, 10*million)
	long, short := worker(b, config, ten, wantTen), worker(b, config, one, wantOne)
	long.name, short.name = "worker, 10,000,000", "worker, 1,000,000"
	contest(b, "without unique", short, long)
}

// BenchmarkTenRowsCold is a small file, as a whole process.
func BenchmarkTenRowsCold(b *testing.B) {
	data, want := workload(b, 10)
	contest(b, "10 rows, new process", worker(b, speedYAML, data, want), pandas(b, "pandas_csv.py", data, want),
		runner{name: "original", quote: publishedSmall})
}

// BenchmarkTenRowsWarm is the same file in a process that has seen its
// configuration: all of an execution but the moving of files. The original takes
// 41 ms, as published.
func BenchmarkTenRowsWarm(b *testing.B) {
	data, want := workload(b, 10)
	config, err := os.ReadFile(speedYAML)
	if err != nil {
		b.Fatal(err)
	}
	job := processor.Job{Config: config, ConfigName: "speed.yaml", Inputs: []processor.Input{{Name: "pedidos.csv", Path: data}}}
	b.ReportAllocs()
	for b.Loop() {
		result, err := processor.Native{}.Process(b.Context(), job)
		if got := (counts{result.Records, result.Errors}); err != nil || got != want {
			b.Fatalf("%+v, %v, want %+v", got, err, want)
		}
	}
}

// BenchmarkWorkbook is a workbook of the workload's first rows. Pandas only reads
// it; the worker checks it too.
func BenchmarkWorkbook(b *testing.B) {
	const rows = 100_000
	o := newOrders()
	data := create(b, "pedidos.xlsx", func(w io.Writer) error { return o.writeWorkbook(w, rows) })
	want := counts{rows, o.bad}
	config := changed(b, "type: CSV", "type: EXCEL")
	contest(b, "100,000 rows of XLSX", worker(b, config, data, want), pandas(b, "pandas_excel.py", data, counts{Records: rows}))
}

// BenchmarkArchive is seven files and the rules between them.
func BenchmarkArchive(b *testing.B) {
	data := create(b, "todo.zip", writeArchive)
	contest(b, "ZIP of 7 catalogs, "+strconv.Itoa(catalogs)+" rows", worker(b, "testdata/catalogs.yaml", data, counts{catalogs, 2}))
}

func worker(b *testing.B, config, data string, want counts) runner {
	return runner{name: "worker", run: func() usage { return run(b, config, data, want) }}
}

// pandas is one of the scripts of testdata, in the first Python that has pandas.
func pandas(b *testing.B, script, data string, want counts) runner {
	b.Helper()
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if exec.CommandContext(b.Context(), python, "-c", "import pandas, openpyxl").Run() != nil {
			continue
		}
		return runner{name: "pandas", run: func() usage {
			used, said := measure(b, python, filepath.Join("testdata", script), data)
			expect(b, said, want)
			return used
		}}
	}
	return runner{name: "pandas", quote: "no Python with pandas and openpyxl here (python3-pandas, python3-openpyxl)"}
}

// duckDB is a module of its own, since it takes a C library of 60 MB.
func duckDB(b *testing.B, data string, want counts) runner {
	b.Helper()
	binary := filepath.Join(b.TempDir(), "duckdb")
	if err := build(filepath.Join(root, "tests/peers/duckdb"), binary, "."); err != nil {
		b.Log(strings.TrimSpace(err.Error()))
		return runner{name: "DuckDB", quote: publishedDuckDB}
	}
	return runner{name: "DuckDB", run: func() usage {
		used, said := measure(b, binary, strconv.Itoa(threads), data)
		expect(b, said, want)
		return used
	}}
}
