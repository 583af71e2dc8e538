package console

import (
	"embed"
	"encoding/json"
	"maps"
	"slices"

	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

//go:embed words/*.json
var catalogues embed.FS

// words are the texts of one language, by key.
type words struct {
	Code    string
	texts   map[string]string
	printer *message.Printer
}

// languages are those that there are texts in. The first is for whoever wants another.
var (
	languages = []string{"en", "es"}
	known     = loadWords()
	matcher   = language.NewMatcher([]language.Tag{language.English, language.Spanish})
)

func loadWords() map[string]*words {
	all := map[string]*words{}
	for _, code := range languages {
		w := &words{Code: code, printer: message.NewPrinter(language.MustParse(code))}
		data, err := catalogues.ReadFile("words/" + code + ".json")
		if err == nil {
			err = json.Unmarshal(data, &w.texts)
		}
		if err != nil {
			panic(err) // it is part of the program
		}
		all[code] = w
	}
	return all
}

// wordsFor returns the language that was chosen, or else the one that a browser
// likes best.
func wordsFor(chosen, accepted string) *words {
	if w, ok := known[chosen]; ok {
		return w
	}
	_, i := language.MatchStrings(matcher, accepted)
	return known[languages[i]]
}

// T is the text of a key with args in its verbs, numbers as the language writes them.
func (w *words) T(key string, args ...any) string {
	text, ok := w.texts[key]
	switch {
	case !ok:
		return key
	case len(args) == 0:
		return text
	}
	return w.printer.Sprintf(text, args...)
}

// N is T of key.one or key.other, for a count, which is the first argument.
func (w *words) N(key string, count int, args ...any) string {
	form := ".other"
	if count == 1 {
		form = ".one"
	}
	return w.T(key+form, append([]any{count}, args...)...)
}

// has reports whether there is a text for key.
func (w *words) has(key string) bool { _, ok := w.texts[key]; return ok }

func (w *words) keys() []string { return slices.Sorted(maps.Keys(w.texts)) }
