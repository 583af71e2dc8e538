package reader

import (
	"bytes"
	"errors"
	"io"
	"strings"
)

// markup reads the XML of workbooks in one pass, strictly: what isn't
// well-formed to its end is an error, since rows would be lost without a word. It
// knows UTF-8 only, no document types and no entities but the five of XML. What a
// token gives is valid until the next one.
type markup struct {
	in       io.Reader
	buf      []byte // read, but not consumed before pos
	pos      int
	eof      bool
	elements bool // there has been one
	closing  bool // the start that was given last is an end too

	name  []byte // of the element, without its prefix
	attrs []byte // of the start, checked
	text  []byte // decoded

	open    []byte // the names of the open elements, one after the other
	lengths []int
	decoded []byte
}

type token uint8

const (
	startToken token = iota + 1
	endToken
	textToken
	lastToken
)

const (
	markupRead = 64 << 10
	maxMarkup  = 16 << 20 // bytes of one token
)

var (
	errCut       = errors.New("it ends in the middle")
	errTokenSize = errors.New("one piece of it takes more than 16 MiB")
	errDirective = errors.New("it declares a document type")
	errCharacter = errors.New("there are bytes that XML can't have")
	errTag       = errors.New("a tag isn't written as XML has it")
	errCrossed   = errors.New("an element ends that isn't the one last begun")
	errEntity    = errors.New("an & begins nothing that XML knows")
	errCharset   = errors.New("it isn't UTF-8")
	errEmpty     = errors.New("it is empty")
)

func newMarkup(in io.Reader) *markup { return &markup{in: in} }

// next returns the next token.
func (m *markup) next() (token, error) {
	if m.closing {
		m.closing = false
		return endToken, nil
	}
	for {
		if m.pos == len(m.buf) {
			if err := m.fill(); err != nil {
				return 0, err
			}
		}
		switch {
		case m.pos == len(m.buf) && len(m.lengths) > 0:
			return 0, errCut
		case m.pos == len(m.buf) && !m.elements:
			return 0, errEmpty
		case m.pos == len(m.buf):
			return lastToken, nil
		case m.buf[m.pos] != '<':
			return textToken, m.characters()
		}
		if t, err := m.tag(); t != 0 || err != nil {
			return t, err
		}
	}
}

// fill reads more, and moves what isn't consumed to the front.
func (m *markup) fill() error {
	if m.eof {
		return nil
	}
	if m.pos > 0 {
		m.buf = m.buf[:copy(m.buf, m.buf[m.pos:])]
		m.pos = 0
	}
	if len(m.buf) > maxMarkup {
		return errTokenSize
	}
	if cap(m.buf)-len(m.buf) < markupRead {
		m.buf = append(make([]byte, 0, 2*cap(m.buf)+markupRead), m.buf...)
	}
	for range 100 {
		n, err := m.in.Read(m.buf[len(m.buf):cap(m.buf)])
		m.buf = m.buf[:len(m.buf)+n]
		if errors.Is(err, io.EOF) {
			m.eof = true
			return nil
		}
		if err != nil || n > 0 {
			return err
		}
	}
	return io.ErrNoProgress
}

// find returns where sep is, at least from bytes after the position.
func (m *markup) find(sep string, from int) (int, error) {
	for {
		if len(m.buf)-m.pos >= from {
			if i := bytes.Index(m.buf[m.pos+from:], []byte(sep)); i >= 0 {
				return m.pos + from + i, nil
			}
			from = max(from, len(m.buf)-m.pos-len(sep)+1)
		}
		if m.eof {
			return 0, errCut
		}
		if err := m.fill(); err != nil {
			return 0, err
		}
	}
}

// characters is the text before the next tag.
func (m *markup) characters() error {
	end, err := m.find("<", 0)
	if errors.Is(err, errCut) && len(m.lengths) == 0 { // after the last element
		end, err = len(m.buf), nil
	}
	if err != nil {
		return err
	}
	raw := m.buf[m.pos:end]
	m.pos = end
	if m.text, err = m.decode(raw); err == nil && bytes.Contains(raw, []byte("]]>")) {
		err = errTag
	}
	return err
}

// tag is whatever begins with <. It is no token when it has nothing to say.
func (m *markup) tag() (token, error) {
	for len(m.buf)-m.pos < len("<![CDATA[") && !m.eof {
		if err := m.fill(); err != nil {
			return 0, err
		}
	}
	rest := m.buf[m.pos:]
	switch {
	case bytes.HasPrefix(rest, []byte("<!--")):
		body, err := m.through("<!--", "-->")
		if err == nil && (bytes.Contains(body, []byte("--")) || bytes.HasSuffix(body, []byte("-"))) {
			err = errTag
		}
		return 0, err
	case bytes.HasPrefix(rest, []byte("<![CDATA[")):
		body, err := m.through("<![CDATA[", "]]>")
		m.text = body
		return textToken, err
	case bytes.HasPrefix(rest, []byte("<?")):
		body, err := m.through("<?", "?>")
		if err == nil {
			err = instruction(body)
		}
		return 0, err
	case bytes.HasPrefix(rest, []byte("<!")):
		return 0, errDirective
	case bytes.HasPrefix(rest, []byte("</")):
		body, err := m.through("</", ">")
		if err != nil {
			return 0, err
		}
		return endToken, m.end(bytes.TrimRight(body, " \t\r\n"))
	}
	return startToken, m.start()
}

// instruction looks at what is between <? and ?>, such as the declaration.
func instruction(body []byte) error {
	n := nameLength(body)
	if n == 0 {
		return errTag
	}
	if string(body[:n]) != "xml" {
		return nil
	}
	if err := attributes(body[n:]); err != nil {
		return err
	}
	if set := attribute(body[n:], "version"); set != nil && string(set) != "1.0" {
		return errTag
	}
	if set := attribute(body[n:], "encoding"); set != nil && !strings.EqualFold(string(set), "utf-8") {
		return errCharset
	}
	return nil
}

// through consumes all up to a closing, and returns what is between.
func (m *markup) through(opening, closing string) ([]byte, error) {
	end, err := m.find(closing, len(opening))
	if err != nil {
		return nil, err
	}
	body := m.buf[m.pos+len(opening) : end]
	m.pos = end + len(closing)
	return body, valid(body)
}

func (m *markup) end(name []byte) error {
	n := len(m.lengths)
	if n == 0 {
		return errCrossed
	}
	at := len(m.open) - m.lengths[n-1]
	if !bytes.Equal(m.open[at:], name) {
		return errCrossed
	}
	m.open, m.lengths = m.open[:at], m.lengths[:n-1]
	m.name = local(name)
	return nil
}

func (m *markup) start() error {
	end, err := m.startEnd()
	if err != nil {
		return err
	}
	body := m.buf[m.pos+1 : end]
	m.pos = end + 1
	if err := valid(body); err != nil {
		return err
	}
	if n := len(body); n > 0 && body[n-1] == '/' {
		m.closing = true
		body = body[:n-1]
	}
	n := nameLength(body)
	if n == 0 {
		return errTag
	}
	m.elements = true
	m.name, m.attrs = local(body[:n]), body[n:]
	if !m.closing {
		m.open = append(m.open, body[:n]...)
		m.lengths = append(m.lengths, n)
	}
	return attributes(m.attrs)
}

// attributes checks all that stand in a tag.
func attributes(rest []byte) error {
	for {
		name, _, after, err := cutAttribute(rest)
		if err != nil || name == nil {
			return err
		}
		rest = after
	}
}

// startEnd returns where the > of a start is: not one in an attribute's value.
func (m *markup) startEnd() (int, error) {
	var quote byte
	for i := 1; ; i++ {
		for m.pos+i >= len(m.buf) {
			if m.eof {
				return 0, errCut
			}
			if err := m.fill(); err != nil {
				return 0, err
			}
		}
		switch c := m.buf[m.pos+i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '>':
			return m.pos + i, nil
		case c == '"' || c == '\'':
			quote = c
		}
	}
}
