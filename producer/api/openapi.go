package api

import (
	_ "embed"
	"encoding/json"
	"net/http"

	"go.yaml.in/yaml/v3"
)

// document is written in YAML, which people read, and served in JSON.
//
//go:embed openapi.yaml
var document []byte

// documentJSON panics when the embedded document is no YAML, which a test would see.
func documentJSON() []byte {
	var v any
	if err := yaml.Unmarshal(document, &v); err != nil {
		panic("api: openapi.yaml: " + err.Error())
	}
	data, err := json.Marshal(v)
	if err != nil {
		panic("api: openapi.yaml: " + err.Error())
	}
	return data
}

// openapi is the description of all this.
func (a *API) openapi(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(a.document) // who asked is gone
	return nil
}
