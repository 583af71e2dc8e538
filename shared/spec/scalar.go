package spec

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/sagefleet/sagefleet/shared/fault"
)

// Codes of values that mean nothing.
const (
	CodeUnknownType     fault.Code = "CONFIG_UNKNOWN_TYPE"
	CodeUnknownSeverity fault.Code = "CONFIG_UNKNOWN_SEVERITY"
	CodeUnknownFormat   fault.Code = "CONFIG_UNKNOWN_FORMAT"
	CodeQuotedBoolean   fault.Code = "CONFIG_QUOTED_BOOLEAN"
	CodeDelimiter       fault.Code = "CONFIG_DELIMITER"
)

func isNull(node *yaml.Node) bool {
	return node.Kind == yaml.ScalarNode && node.Tag == "!!null"
}

// quoted shortens what a message repeats.
func quoted(s string) string {
	const most = 60
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most]) + "…"
	}
	return strconv.Quote(s)
}

// text returns a scalar as it is written: 1.0 and yes are texts where text is
// expected, whatever YAML takes them for.
func (o object) text(key string) string {
	node := o.get(key)
	if node == nil {
		return ""
	}
	if node.Kind != yaml.ScalarNode {
		o.r.report(Error, node, fault.New(CodeWrongKind, "%s of %s is %s", key, o.what, kindOf(node)).Expecting("a text"))
		return ""
	}
	return node.Value
}

// requiredText is text that can't be empty.
func (o object) requiredText(key, example string) string {
	node := o.require(key, example)
	if node == nil {
		return ""
	}
	value := o.text(key)
	if node.Kind == yaml.ScalarNode && strings.TrimSpace(value) == "" {
		o.r.report(Error, node, fault.New(CodeMissingKey, "%s of %s is empty", key, o.what).Expecting("%s: %s", key, example))
	}
	return value
}

// statedText is text whose key has to stand there, if only with nothing after it.
func (o object) statedText(key, example string) string {
	if o.entries[key].key == nil {
		o.require(key, example)
	}
	return o.text(key)
}

// booleans are those of YAML 1.1, which PyYAML reads. The library knows only
// true and false.
var booleans = map[string]bool{
	"true": true, "yes": true, "on": true, "1": true,
	"false": false, "no": false, "off": false, "0": false,
}

// boolean reads true, yes, on, 1 and their opposites. Python takes any text in
// quotes for true; we take its meaning, and say so.
func (o object) boolean(key string) bool {
	node := o.get(key)
	if node == nil {
		return false
	}
	value, ok := booleans[strings.ToLower(node.Value)]
	if node.Kind != yaml.ScalarNode || !ok {
		o.r.report(Error, node, fault.New(CodeWrongKind, "%s of %s is %s", key, o.what, kindOf(node)).Expecting("true or false"))
		return false
	}
	if node.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
		o.r.report(Warning, node, fault.New(CodeQuotedBoolean, "%s of %s is a text in quotes", key, o.what).
			Expecting("%s: %t", key, value).Advise("it is read as %t", value))
	}
	return value
}

// choice reads one of the names of an enumeration, in any case, and returns its
// number; 0 when it is none of them.
func (o object) choice(key string, node *yaml.Node, names []string, code fault.Code) int {
	if node == nil {
		return 0
	}
	if node.Kind == yaml.ScalarNode {
		for i, name := range names {
			if name != "" && strings.EqualFold(name, strings.TrimSpace(node.Value)) {
				return i
			}
		}
	}
	known := names[1:] // an enumeration begins with 1
	e := fault.New(code, "%s of %s is %s", key, o.what, kindOf(node)).Expecting("one of %s", strings.Join(known, ", "))
	if near := meant(node.Value, known); near != "" {
		e = e.Advise("did you mean %s?", near)
	}
	o.r.report(Error, node, e)
	return 0
}

// synonyms are what people write who know other tools.
var synonyms = map[string]string{
	"string": "texto", "str": "texto", "text": "texto", "varchar": "texto", "char": "texto", "cadena": "texto",
	"int": "entero", "integer": "entero", "long": "entero", "number": "decimal", "numero": "decimal", "número": "decimal",
	"float": "decimal", "double": "decimal", "numeric": "decimal", "money": "decimal",
	"date": "fecha", "datetime": "fecha", "timestamp": "fecha", "bool": "booleano", "boolean": "booleano",
	"xlsx": "EXCEL", "xls": "EXCEL", "txt": "CSV", "tsv": "CSV",
	"fatal": "error", "critical": "error", "advertencia": "warning", "warn": "warning", "info": "message", "mensaje": "message",
}

func meant(name string, known []string) string {
	if other, ok := synonyms[fold(name)]; ok {
		for _, k := range known {
			if k == other {
				return k
			}
		}
	}
	return nearest(name, known)
}
