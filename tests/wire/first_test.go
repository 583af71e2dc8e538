package wire_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestEveryFormatHasItsFirstForm(t *testing.T) {
	for name := range messages {
		if _, err := os.Stat(filepath.Join("testdata", "first", name+".json")); err != nil {
			t.Error(err)
		}
	}
}

// What the first version wrote lies in queues and in storage. It must be read for
// ever, whole; -update leaves these files alone. New fields may come.
func TestTheFirstFormIsStillRead(t *testing.T) {
	files, err := filepath.Glob("testdata/first/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			v, err := messages[name](data)
			if err != nil {
				t.Fatal(err)
			}
			again, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			lost(t, name, document(t, data), document(t, again))
		})
	}
}

func document(t *testing.T, data []byte) (v any) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// lost reports what was written and is not read as it was.
func lost(t *testing.T, at string, written, is any) {
	t.Helper()
	fields, ok := written.(map[string]any)
	others, same := is.(map[string]any)
	if !ok || !same {
		if !reflect.DeepEqual(written, is) {
			t.Errorf("%s: %v is read as %v", at, written, is)
		}
		return
	}
	for name, value := range fields {
		lost(t, at+"."+name, value, others[name])
	}
}
