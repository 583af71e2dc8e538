package spec

// Distance is the distance of two names, at most limit.
func Distance(a, b string, limit int) int {
	var d distance
	d.between([]rune("some other names"), []rune("before"), 3) // whatever they leave behind
	return d.between([]rune(a), []rune(b), limit)
}
