package reader

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// flat reads all tokens as one text, so that two readers can be compared.
func flat(in io.Reader) (string, error) {
	var all strings.Builder
	m := newMarkup(in)
	for {
		kind, err := m.next()
		if err != nil {
			return "", err
		}
		switch kind {
		case startToken:
			all.WriteString("<" + string(m.name) + ":" + string(m.attr("r")) + ">")
		case endToken:
			all.WriteString("</" + string(m.name) + ">")
		case textToken:
			all.Write(m.text)
		case lastToken:
			return all.String(), nil
		}
	}
}

// standard is flat for encoding/xml.
func standard(text string) (string, error) {
	var all strings.Builder
	decoder := xml.NewDecoder(strings.NewReader(text))
	elements := false
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) && elements {
			return all.String(), nil
		}
		if err != nil {
			return "", err
		}
		switch token := token.(type) {
		case xml.StartElement:
			elements = true
			value, set := "", false
			for _, a := range token.Attr {
				if a.Name.Local == "r" && !set {
					value, set = a.Value, true
				}
			}
			all.WriteString("<" + token.Name.Local + ":" + value + ">")
		case xml.EndElement:
			all.WriteString("</" + token.Name.Local + ">")
		case xml.CharData:
			all.Write(token)
		}
	}
}

var markups = []string{
	`<a/>`, `<?xml version="1.0" encoding="UTF-8"?><a r="1"><b>x</b></a>`, `<x:a x:r='2'>&lt;&amp;&#65;&#x42;&quot;&apos;&gt;</x:a>`, "<a>1\r\n2\r3</a>",
	`<a><![CDATA[<&]]></a>`, `<a><!-- x - y --></a>`, `<a r="a>b"/>`, `<a>ñ😀</a>` + "\n", `<a ></a >`, `<a r = "1" />`,
	``, `text`, `<a>`, `</a>`, `<a></b>`, `<a><b></a></b>`, `<a r=1/>`, `<a r/>`, `<a r="<"/>`, `<a>&nope;</a>`, `<a>&</a>`, `<a>& b;</a>`, `<a>&#0;</a>`,
	"<a>\x0b</a>", "<a>\xff</a>", `<a>]]></a>`, `<a><!-- -- --></a>`, `<a`, `<a><`, `< a/>`, `<1/>`, `<a/>&nope;`, `<a/><b/>`, `<a/></a>`,
	`<?xml version="1.0" encoding="klingon"?><a/>`, `<a r="&nope;"/>`, `<a r="1"r="2"/>`, `<a><![CDATA[x</a>`, `<a><!--x</a>`,
}

// TestMarkup: what we accept encoding/xml reads in the same way, and what it
// refuses we refuse, wherever the reads end.
func TestMarkup(t *testing.T) {
	t.Parallel()
	for _, text := range markups {
		compareMarkup(t, text)
		got, err := flat(strings.NewReader(text))
		slow, err2 := flat(iotest.OneByteReader(strings.NewReader(text)))
		if got != slow || (err == nil) != (err2 == nil) {
			t.Errorf("%q is %q, %v; byte by byte %q, %v", text, got, err, slow, err2)
		}
		if _, refused := standard(text); refused == nil && err != nil {
			t.Errorf("%q: %v, and encoding/xml reads it", text, err)
		}
	}
	if _, err := flat(strings.NewReader(`<!DOCTYPE a><a/>`)); !errors.Is(err, errDirective) {
		t.Errorf("a document type: %v", err)
	}
}

func compareMarkup(t *testing.T, text string) {
	t.Helper()
	got, err := flat(strings.NewReader(text))
	if err != nil {
		return
	}
	want, err := standard(text)
	if err != nil {
		t.Errorf("%q is %q, and encoding/xml says %v", text, got, err)
	} else if got != want {
		t.Errorf("%q is %q, encoding/xml has %q", text, got, want)
	}
}

func FuzzMarkup(f *testing.F) {
	for _, text := range markups {
		f.Add(text)
	}
	f.Fuzz(compareMarkup)
}
