package engine_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/sagefleet/sagefleet/worker/processor"
)

func TestTry(t *testing.T) {
	dirs, _ := filepath.Glob("testdata/cases/*")
	for _, d := range dirs {
		var g struct {
			Errors, Warnings   int
			PE                 *int `json:"processor_errors"`
			PW                 *int `json:"processor_warnings"`
			Oddity             string
		}
		b, _ := os.ReadFile(d + "/golden.json")
		json.Unmarshal(b, &g)
		data, _ := filepath.Glob(d + "/data.*")
		cfg, _ := os.ReadFile(d + "/config.yaml")
		n := &processor.Native{}
		res, err := n.Process(t.Context(), processor.Job{Config: cfg, ConfigName: "config.yaml", Inputs: []processor.Input{{Name: filepath.Base(data[0]), Path: data[0]}}})
		mark := " "
		if res.Errors != g.Errors || res.Warnings != g.Warnings {
			mark = "D"
			if g.Oddity == "" {
				mark = "X"
			}
		}
		pe := -1
		if g.PE != nil {
			pe = *g.PE
		}
		fmt.Printf("%s %-32s ours %d/%d golden %d/%d proc %d %v err=%v\n", mark, filepath.Base(d), res.Errors, res.Warnings, g.Errors, g.Warnings, pe, res.Status, err)
		if mark != " " {
			for _, f := range res.Findings {
				fmt.Printf("      %+v\n", f)
			}
		}
	}
}
