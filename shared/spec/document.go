package spec

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/sagefleet/sagefleet/shared/fault"
)

// Codes of configurations that can't be read as YAML at all.
const (
	CodeSyntax   fault.Code = "CONFIG_SYNTAX"
	CodeEncoding fault.Code = "CONFIG_ENCODING"
	CodeEmpty    fault.Code = "CONFIG_EMPTY"
	CodeTooLarge fault.Code = "CONFIG_TOO_LARGE"
	CodeTooDeep  fault.Code = "CONFIG_TOO_DEEP"
)

// MaxBytes is the largest configuration that is read.
const MaxBytes = 1 << 20

const (
	maxDepth = 64
	maxNodes = 200_000 // visited, so that what aliases repeat counts again
)

// readDocument returns the root of the only document in data.
func readDocument(data []byte) (*yaml.Node, *fault.Error) {
	if len(data) > MaxBytes {
		return nil, fault.New(CodeTooLarge, "the configuration has %d bytes", len(data)).Expecting("at most %d", MaxBytes)
	}
	if i := invalidByte(data); i >= 0 {
		before := lines(string(data[:i]))
		line, column := len(before), utf8.RuneCountInString(before[len(before)-1])+1
		return nil, fault.New(CodeEncoding, "byte %d of the configuration (0x%02x) isn't part of UTF-8 text", i, data[i]).
			Expecting("UTF-8").Advise("save the file again as UTF-8").At("", line, column)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	switch err := decoder.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, fault.New(CodeEmpty, "the configuration is empty").Expecting("the sections sage_yaml, catalogs and packages").At("", 1, 1)
	case err != nil:
		return nil, syntaxError(err, data)
	}
	switch err := decoder.Decode(&second); {
	case err == nil:
		return nil, fault.New(CodeSyntax, "a second document begins").Expecting("one document").At("", second.Line, max(second.Column, 1))
	case !errors.Is(err, io.EOF):
		return nil, syntaxError(err, data)
	}
	root := doc.Content[0]
	if node := tooDeep(root, 1); node != nil {
		return nil, fault.New(CodeTooDeep, "the configuration nests deeper than %d levels", maxDepth).
			Expecting("at most 6, as in catalogs, fields, validation_rules").At("", node.Line, node.Column)
	}
	return root, nil
}

// invalidByte returns the offset of the first byte that isn't text, or -1. A UTF-16
// file is noticed by its byte order mark or its zeros.
func invalidByte(data []byte) int {
	if i := bytes.IndexByte(data, 0); i >= 0 {
		return i
	}
	if utf8.Valid(data) {
		return -1
	}
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// parserError tells the library's parser errors, whose lines it counts from 0,
// from its scanner errors, whose lines it counts from 1.
var parserError = regexp.MustCompile(`did not find expected (node content|key|'-' indicator|',' or|<)`)

// syntaxError takes the line out of the library's text; it offers no other way.
func syntaxError(err error, data []byte) *fault.Error {
	lines := lines(string(data))
	line, text := 1, err.Error()
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		text = m[2]
		if n, err := strconv.Atoi(m[1]); err == nil {
			if parserError.MatchString(text) {
				n++
			}
			line = min(max(n, 1), len(lines))
		}
	}
	if strings.Contains(text, "tab character") { // found on a line further down than the one it names
		if i := slices.IndexFunc(lines[line-1:], indentedByTab); i > 0 {
			line += i
		}
	}
	return fault.New(CodeSyntax, "the YAML can't be read: %s", text).
		Expecting("valid YAML").Advise("look at this line and the one before: indentation, quotes and brackets").
		At("", line, suspect(lines[line-1]))
}

func indentedByTab(line string) bool { return strings.HasPrefix(strings.TrimLeft(line, " "), "\t") }

// suspect is the column of a line that is most likely wrong: the tab that YAML
// refuses as indentation, or else where the text begins. The library keeps the
// column to itself.
func suspect(line string) int {
	line = strings.TrimPrefix(line, "\ufeff")
	if strings.TrimSpace(line) == "" {
		return 1
	}
	return len(line) - len(strings.TrimLeft(line, " ")) + 1
}

// tooDeep returns the first node below the limit. Aliases aren't followed: what
// they repeat is bounded where it is read.
func tooDeep(node *yaml.Node, depth int) *yaml.Node {
	if depth > maxDepth {
		return node
	}
	for _, child := range node.Content {
		if deep := tooDeep(child, depth+1); deep != nil {
			return deep
		}
	}
	return nil
}
