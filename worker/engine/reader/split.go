package reader

import "bytes"

// recordsEnd returns how far data holds whole records and how many line ends
// that is. When last is set the end of data ends a record too, unless a quote is
// open there; otherwise a result of 0 asks for more data.
func recordsEnd(data []byte, delimiter byte, last bool) (end, lines int) {
	if bytes.IndexByte(data, '"') < 0 { // nearly every block of nearly every file
		end = bytes.LastIndexByte(data, '\n') + 1
		if last {
			end = len(data)
		}
		return end, bytes.Count(data[:end], []byte{'\n'})
	}
	for end < len(data) {
		n, l := recordEnd(data[end:], delimiter, last)
		if n == 0 {
			break
		}
		end += n
		lines += l
	}
	return end, lines
}

// recordEnd is recordsEnd for the first record only.
func recordEnd(data []byte, delimiter byte, last bool) (end, lines int) {
	i := 0
	for i < len(data) {
		if data[i] == '"' { // at the start of a cell: quoted
			n := quotedEnd(data[i:])
			if n == 0 {
				return 0, 0
			}
			lines += bytes.Count(data[i:i+n], []byte{'\n'})
			i += n
		}
		for i < len(data) && data[i] != delimiter && data[i] != '\n' {
			i++
		}
		if i == len(data) {
			break
		}
		i++
		if data[i-1] == '\n' {
			return i, lines + 1
		}
	}
	if last {
		return len(data), lines
	}
	return 0, 0
}

// quotedEnd returns the length of the quoted text that data starts with,
// including its quotes, or 0 when it has no end.
func quotedEnd(data []byte) int {
	i := 1
	for {
		n := bytes.IndexByte(data[i:], '"')
		if n < 0 {
			return 0
		}
		i += n + 1
		if i == len(data) || data[i] != '"' {
			return i
		}
		i++
	}
}

// blank reports whether a line has nothing but spaces: such a line is no row. It
// must say what the scanner's blankLine does, to which a second \r is a character.
func blank(line []byte, delimiter byte) bool {
	line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte{'\n'}), []byte{'\r'})
	return len(line) == 0 || delimiter != ' ' && len(bytes.Trim(line, " ")) == 0
}
