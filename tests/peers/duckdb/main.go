// Command duckdb checks the published speed workload with DuckDB: the same types,
// the same rules, the same counts, in one pass over the file. It is a module of
// its own because it links DuckDB's C library.
package main

import (
	"database/sql"
	_ "embed"
	"fmt"
	"os"
	"strings"

	_ "github.com/duckdb/duckdb-go/v2"
)

//go:embed check.sql
var check string

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "duckdb:", err)
		os.Exit(2)
	}
}

func run() error {
	if len(os.Args) != 3 {
		return fmt.Errorf("usage: duckdb THREADS FILE")
	}
	db, err := sql.Open("duckdb", "?threads="+os.Args[1])
	if err != nil {
		return err
	}
	defer db.Close()
	var records, errors int
	file := "'" + strings.ReplaceAll(os.Args[2], "'", "''") + "'"
	if err := db.QueryRow(strings.ReplaceAll(check, "FILE", file)).Scan(&records, &errors); err != nil {
		return err
	}
	_, err = fmt.Printf("{\"records\":%d,\"errors\":%d}\n", records, errors)
	return err
}
