package hostile

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/sagefleet/sagefleet/shared/fault"
)

// specimen is one hostile execution and what must become of it. The zero value of
// each field is the harmless choice, so that a specimen says what is wrong with it.
type specimen struct {
	name   string
	file   string  // what the data is called; data.csv
	data   content // plainCSV
	config string  // plainConfig

	exit    int
	code    fault.Code // a code, or the type of a finding, that report.json has
	payload string     // report.html must not have it as it stands
	says    string     // report.json has it
	summary bool       // print what people read instead of JSON
}

// class is a way of attacking. Its specimens are made when their turn comes.
type class struct {
	name      string
	specimens func() []specimen
}

// corpus is every class, by the part of the engine that has to withstand it.
var corpus = [][]class{archiveClasses, workbookClasses, configClasses, ruleClasses, csvClasses, valueClasses, nameClasses}

// content writes the bytes of a file or of a part of one. dir is a folder that a
// hostile name may aim at.
type content func(w io.Writer, dir string) error

func text(s string) content {
	return func(w io.Writer, _ string) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

func repeat(unit string, times int) content {
	return func(w io.Writer, _ string) error {
		out := bufio.NewWriterSize(w, 64<<10)
		for range times {
			if _, err := out.WriteString(unit); err != nil {
				return err
			}
		}
		return out.Flush()
	}
}

func join(parts ...content) content {
	return func(w io.Writer, dir string) error {
		for _, part := range parts {
			if err := part(w, dir); err != nil {
				return err
			}
		}
		return nil
	}
}

// around puts c between two texts.
func around(before string, c content, after string) content {
	return join(text(before), c, text(after))
}

// numbered writes one text for each number below n.
func numbered(n int, unit func(i int) string) content {
	return func(w io.Writer, _ string) error {
		out := bufio.NewWriterSize(w, 64<<10)
		for i := range n {
			if _, err := out.WriteString(unit(i)); err != nil {
				return err
			}
		}
		return out.Flush()
	}
}

// noise is bytes that don't compress, the same in every run.
func noise(n int) content {
	return func(w io.Writer, _ string) error {
		_, err := io.CopyN(w, rand.NewChaCha8([32]byte{}), int64(n))
		return err
	}
}

// bytesOf is content in memory.
func bytesOf(c content, dir string) ([]byte, error) {
	var b strings.Builder
	err := c(&b, dir)
	return []byte(b.String()), err
}

const plainText = "a,n,f\nx,1,2024-01-01\ny,2,2024-01-02\n"

var plainCSV = text(plainText)

var plainConfig = configWith("")

// configWith is a configuration for data of every format, with one more rule.
func configWith(rule string) string {
	return configOf("config", `{name: a, type: texto}, {name: n, type: entero}, {name: f, type: fecha}`, rule, "regla")
}

// configOf is a configuration of the given fields. What it quotes, it quotes as
// YAML and Go both do.
func configOf(name, fields, rule, description string) string {
	rules := ""
	if rule != "" {
		rules = fmt.Sprintf("\n    row_validation:\n      - {name: r, description: %s, rule: %s}", strconv.Quote(description), strconv.Quote(rule))
	}
	return fmt.Sprintf(`sage_yaml: {name: %s, description: d, version: "1", author: a}
catalogs:
  c:
    name: c
    description: d
    filename: c.csv
    file_format: {type: CSV, delimiter: ",", header: true}
    fields: [%s]%s
  x:
    name: x
    description: d
    filename: x.xlsx
    file_format: {type: EXCEL, header: true}
    fields: [%s]%s
packages:
  csv: {name: csv, description: d, file_format: {type: CSV}, catalogs: [c]}
  excel: {name: excel, description: d, file_format: {type: EXCEL}, catalogs: [x]}
  zip: {name: zip, description: d, file_format: {type: ZIP}, catalogs: [c]}
`, strconv.Quote(name), fields, rules, fields, rules)
}
