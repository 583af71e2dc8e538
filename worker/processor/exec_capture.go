package processor

// capture keeps the beginning of a stream and the last bytes of it, and counts the
// rest. The writer is never held up: a program that prints too much goes on, and
// its time limit ends it if nothing else does.
type capture struct {
	limit int64
	head  []byte
	last  []byte // of what is not in head
	total int64
}

// maxLast is how much of the end is kept beyond the limit: the reason of a failure
// is there.
const maxLast = 4 << 10

func (c *capture) Write(p []byte) (int, error) {
	c.total += int64(len(p))
	room := min(c.limit-int64(len(c.head)), int64(len(p)))
	c.head = append(c.head, p[:room]...)
	rest := p[room:]
	c.last = append(c.last, rest[max(0, len(rest)-maxLast):]...)
	if extra := len(c.last) - maxLast; extra > 0 {
		c.last = append(c.last[:0], c.last[extra:]...)
	}
	return len(p), nil
}

// cut is how many bytes were dropped.
func (c *capture) cut() int64 { return c.total - int64(len(c.head)) - int64(len(c.last)) }

// tail is the end of the stream.
func (c *capture) tail() []byte {
	if len(c.last) > 0 {
		return c.last
	}
	return c.head[max(0, len(c.head)-maxLast):]
}
