package simulate

import (
	"bytes"
	"compress/gzip"
	_ "embed" // recordings
	"encoding/csv"
	"fmt"
	"strconv"
	"sync"
)

// Recordings; testdata/SOURCES.md says where they are from.
var (
	//go:embed testdata/azure_llm_code_2023.csv.gz
	codeFile []byte
	//go:embed testdata/azure_llm_conv_2023.csv.gz
	convFile []byte

	traceCode = sync.OnceValue(func() []record { return parse(codeFile) })
	traceConv = sync.OnceValue(func() []record { return parse(convFile) })
)

type record struct {
	at    float64 // seconds
	units float64 // of size
}

// parse reads a recording of this package, so that what is wrong with it is a bug.
func parse(file []byte) []record {
	unzipped, err := gzip.NewReader(bytes.NewReader(file))
	if err != nil {
		panic(fmt.Errorf("recording: %w", err))
	}
	rows, err := csv.NewReader(unzipped).ReadAll()
	if err != nil {
		panic(fmt.Errorf("recording: %w", err))
	}
	records := make([]record, 0, len(rows))
	for _, row := range rows[1:] {
		at, errAt := strconv.ParseFloat(row[0], 64)
		units, errUnits := strconv.ParseFloat(row[1], 64)
		if errAt != nil || errUnits != nil {
			panic(fmt.Errorf("recording: %v", row))
		}
		records = append(records, record{at, units})
	}
	return records
}
