// Package svg makes drawings of the chart library part of pages whose policy forbids
// inline styles.
//
// The library writes a style on whatever has no class. A browser refuses that, but not
// the same said in attributes of their own.
package svg

import (
	"html/template"
	"regexp"
	"strings"
)

// Frame is how a drawing stands in its page.
type Frame struct {
	Class   string // of the drawing, for the page's stylesheet
	Label   string // what it says, for who doesn't see it
	Stretch bool   // it fills its box, whatever its shape
}

var (
	tags   = regexp.MustCompile(`<[^>]*>`)
	styles = regexp.MustCompile(`\s*style="([^"]*)"`)
)

// Inline returns the library's drawing as an element of a page, without styles.
func Inline(drawing []byte, f Frame) template.HTML {
	first := true
	text := tags.ReplaceAllStringFunc(string(drawing), func(tag string) string {
		if first {
			first = false
			return f.open(tag)
		}
		return styles.ReplaceAllStringFunc(tag, func(style string) string { return attributes(styles.FindStringSubmatch(style)[1]) })
	})
	return template.HTML(text) //nolint:gosec // the library has escaped its text, and open its own
}

// open is the first tag, with what the frame says in it.
func (f Frame) open(tag string) string {
	add := ` class="` + template.HTMLEscapeString(f.Class) + `" role="img" aria-label="` + template.HTMLEscapeString(f.Label) + `"`
	if f.Stretch {
		add += ` preserveAspectRatio="none"`
	}
	return strings.Replace(tag, "<svg", "<svg"+add, 1)
}

// attributes says a style as attributes.
func attributes(style string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(style, ";") {
		if name, value, ok := strings.Cut(part, ":"); ok {
			b.WriteString(" " + strings.TrimSpace(name) + `="` + strings.TrimSpace(value) + `"`)
		}
	}
	return b.String()
}
