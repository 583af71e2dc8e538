package parse

// The words true and false in lower case, as bytes after zeros. No other bytes
// than their letters become these by setting the bit of lower case.
const (
	isTrue  = '0'*(1+1<<8+1<<16+1<<24) | 't'<<32 | 'r'<<40 | 'u'<<48 | 'e'<<56
	isFalse = '0'*(1+1<<8+1<<16) | 'f'<<24 | 'a'<<32 | 'l'<<40 | 's'<<48 | 'e'<<56
)

// Bool reads true/false, 1/0, sí/no and verdadero/falso, in any case; si is
// accepted without its accent.
func Bool(text []byte) (value, ok bool) {
	if len(text) > len("verdadero") {
		return false, false
	}
	if w, ok := eight(text); ok { // what most programs write
		switch w | ' '*ones {
		case isTrue:
			return true, true
		case isFalse:
			return false, true
		}
	}
	var lower [len("verdadero")]byte
	for i, c := range text {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower[i] = c
	}
	switch string(lower[:len(text)]) {
	case "true", "1", "1.0", "si", "sí", "sÍ", "verdadero":
		return true, true
	case "false", "0", "0.0", "no", "falso":
		return false, true
	}
	return false, false
}
