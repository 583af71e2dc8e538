package parse

// Bool reads true/false, 1/0, sí/no and verdadero/falso, in any case; si is
// accepted without its accent.
func Bool(text []byte) (value, ok bool) {
	if len(text) > len("verdadero") {
		return false, false
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
