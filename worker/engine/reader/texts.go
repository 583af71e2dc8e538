package reader

import (
	"errors"
	"io"
	"os"
	"regexp"
	"strconv"
)

// texts are the shared strings of a workbook, by number. The first of them are
// held in memory and the others in a temporary file.
type texts struct {
	ends    []uint64 // of each text, in the bytes of all
	memory  []byte
	file    *os.File
	pending []byte // of the file, not written yet
	written uint64
}

const (
	maxTexts  = 16 << 20 // bytes in memory
	textChunk = 256 << 10
)

// add makes text the next one.
func (t *texts) add(text []byte) error {
	t.ends = append(t.ends, t.size()+uint64(len(text)))
	if t.file == nil && len(t.memory)+len(text) <= maxTexts {
		t.memory = append(t.memory, text...)
		return nil
	}
	if t.file == nil {
		var err error
		if t.file, err = os.CreateTemp("", "sage-texts-*"); err != nil {
			return err
		}
	}
	t.pending = append(t.pending, text...)
	if len(t.pending) < textChunk {
		return nil
	}
	return t.flush()
}

func (t *texts) flush() error {
	if len(t.pending) == 0 {
		return nil
	}
	n, err := t.file.Write(t.pending)
	t.written += uint64(n)
	t.pending = t.pending[:0]
	return err
}

func (t *texts) size() uint64 {
	if n := len(t.ends); n > 0 {
		return t.ends[n-1]
	}
	return 0
}

// appendTo appends text i, which has to be there.
func (t *texts) appendTo(dst []byte, i int) ([]byte, error) {
	var start uint64
	if i > 0 {
		start = t.ends[i-1]
	}
	end, held := t.ends[i], uint64(len(t.memory))
	if end <= held {
		return append(dst, t.memory[start:end]...), nil
	}
	n := len(dst)
	dst = append(dst, make([]byte, end-start)...)
	_, err := t.file.ReadAt(dst[n:], int64(start-held))
	if errors.Is(err, io.EOF) {
		err = nil // the last text
	}
	return dst, err
}

// close removes the file.
func (t *texts) close() {
	if t.file != nil {
		_ = t.file.Close() // only read from
		_ = os.Remove(t.file.Name())
	}
}

// readTexts reads the part of the shared strings.
func readTexts(m *markup) (t *texts, err error) {
	t = &texts{}
	var text []byte
	for {
		kind, err := m.next()
		switch {
		case err != nil:
			return t, err
		case kind == lastToken:
			err := t.flush()
			return t, err
		case kind == startToken && string(m.name) == "si":
			if text, err = m.richText(text[:0]); err != nil {
				return t, err
			}
			if err := t.add(text); err != nil {
				return t, err
			}
		}
	}
}

// richText appends the text of an element that has just begun: of its runs, and
// not how it is pronounced.
func (m *markup) richText(dst []byte) ([]byte, error) {
	start, depth, spoken := len(dst), 1, 0
	inText := false
	for depth > 0 {
		kind, err := m.next()
		switch {
		case err != nil:
			return dst, err
		case kind == startToken:
			depth++
			inText = string(m.name) == "t"
			if string(m.name) == "rPh" && spoken == 0 {
				spoken = depth
			}
		case kind == endToken:
			if depth == spoken {
				spoken = 0
			}
			depth--
			inText = false
		case inText && spoken == 0:
			if dst = append(dst, m.text...); len(dst)-start > maxMarkup {
				return dst, errTokenSize
			}
		}
	}
	return unescape(dst, start), nil
}

// escaped is how Excel writes characters that XML can't have: _x000D_.
var escaped = regexp.MustCompile(`_x[0-9a-fA-F]{4}_`)

func unescape(dst []byte, start int) []byte {
	if !escaped.Match(dst[start:]) {
		return dst
	}
	plain := escaped.ReplaceAllFunc(dst[start:], func(code []byte) []byte {
		v, err := strconv.ParseUint(string(code[2:6]), 16, 16)
		if err != nil {
			return code
		}
		return []byte(string(rune(v)))
	})
	return append(dst[:start], plain...)
}
