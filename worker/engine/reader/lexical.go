package reader

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"
)

// attr returns the value of an attribute of the start, nil when it has none.
func (m *markup) attr(name string) []byte { return attribute(m.attrs, name) }

func attribute(rest []byte, name string) []byte {
	for {
		key, value, after, err := cutAttribute(rest)
		if err != nil || key == nil {
			return nil
		}
		if string(local(key)) == name {
			return value
		}
		rest = after
	}
}

// cutAttribute returns the first attribute and what follows; no name is the end.
func cutAttribute(text []byte) (name, value, rest []byte, err error) {
	trimmed := bytes.TrimLeft(text, " \t\r\n")
	if len(trimmed) == 0 {
		return nil, nil, nil, nil
	}
	n := nameLength(trimmed)
	if n == 0 {
		return nil, nil, nil, errTag
	}
	name = trimmed[:n]
	trimmed = bytes.TrimLeft(trimmed[n:], " \t\r\n")
	if len(trimmed) == 0 || trimmed[0] != '=' {
		return nil, nil, nil, errTag
	}
	trimmed = bytes.TrimLeft(trimmed[1:], " \t\r\n")
	if len(trimmed) == 0 || trimmed[0] != '"' && trimmed[0] != '\'' {
		return nil, nil, nil, errTag
	}
	end := bytes.IndexByte(trimmed[1:], trimmed[0])
	if end < 0 {
		return nil, nil, nil, errTag
	}
	value = trimmed[1 : 1+end]
	if bytes.IndexByte(value, '<') >= 0 {
		return nil, nil, nil, errTag
	}
	if bytes.IndexByte(value, '&') >= 0 {
		if value, err = (&markup{}).decode(value); err != nil {
			return nil, nil, nil, err
		}
	}
	return name, value, trimmed[end+2:], nil
}

// nameLength is how many bytes the name takes that text begins with. A name may
// have one prefix. Those that workbooks use are ASCII.
func nameLength(text []byte) int {
	colons, n := 0, 0
	for ; n < len(text); n++ {
		c := text[n]
		if n > 0 && c == ':' {
			colons++
			continue
		}
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_'
		if !letter && (n == 0 || c != '-' && c != '.' && (c < '0' || c > '9')) {
			break
		}
	}
	if colons > 1 || n > 0 && text[n-1] == ':' || n < len(text) && text[n] >= utf8.RuneSelf {
		return 0
	}
	return n
}

func local(name []byte) []byte { return name[bytes.IndexByte(name, ':')+1:] }

// decode replaces entities, and makes every line end one.
func (m *markup) decode(raw []byte) ([]byte, error) {
	if err := valid(raw); err != nil || bytes.IndexByte(raw, '&') < 0 && bytes.IndexByte(raw, '\r') < 0 {
		return raw, err
	}
	m.decoded = m.decoded[:0]
	for i := 0; i < len(raw); i++ {
		switch raw[i] {
		case '\r':
			if i+1 == len(raw) || raw[i+1] != '\n' {
				m.decoded = append(m.decoded, '\n')
			}
		case '&':
			n := bytes.IndexByte(raw[i:], ';')
			if n < 0 {
				return nil, errEntity
			}
			r, ok := entity(string(raw[i+1 : i+n]))
			if !ok {
				return nil, errEntity
			}
			m.decoded = utf8.AppendRune(m.decoded, r)
			i += n
		default:
			m.decoded = append(m.decoded, raw[i])
		}
	}
	return m.decoded, nil
}

func entity(name string) (rune, bool) {
	switch name {
	case "lt":
		return '<', true
	case "gt":
		return '>', true
	case "amp":
		return '&', true
	case "quot":
		return '"', true
	case "apos":
		return '\'', true
	}
	digits, numeric := strings.CutPrefix(name, "#")
	base := 10
	if hex, ok := strings.CutPrefix(digits, "x"); ok {
		digits, base = hex, 16
	}
	v, err := strconv.ParseUint(digits, base, 21)
	return rune(v), numeric && err == nil && allowed(rune(v))
}

// valid refuses what no XML may have, whatever it means.
func valid(text []byte) error {
	for i := 0; i < len(text); i++ {
		if c := text[i]; c < utf8.RuneSelf && (c >= ' ' || c == '\t' || c == '\n' || c == '\r') {
			continue
		}
		r, n := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && n == 1 || !allowed(r) {
			return errCharacter
		}
		i += n - 1
	}
	return nil
}

func allowed(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || ' ' <= r && r <= 0xd7ff || 0xe000 <= r && r <= 0xfffd || 0x10000 <= r && r <= utf8.MaxRune
}
