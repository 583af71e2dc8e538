package processor

// SummaryOf is summaryOf, for fuzzing.
var SummaryOf = summaryOf

// Captured passes writes through a capture and returns what it kept, and how many
// bytes it dropped.
func Captured(limit int64, writes ...string) (head, last string, cut int64) {
	c := capture{limit: limit}
	for _, w := range writes {
		_, _ = c.Write([]byte(w))
	}
	return string(c.head), string(c.last), c.cut()
}

// Expand is what becomes of a command's words.
func (c Command) Expand(values map[string]string) ([]string, error) { return c.expand(values) }
