package storage

// NormalURL parses a store's URL and writes it again, without opening anything.
func NormalURL(rawURL string) (string, error) {
	loc, err := parse(rawURL)
	if err != nil {
		return "", err
	}
	return loc.String(), nil
}
