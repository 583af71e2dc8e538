// Package images knows what the Dockerfile beside it makes.
package images

import (
	"bytes"
	_ "embed" // the Dockerfile
	"fmt"
	"path"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

//go:embed Dockerfile
var dockerfile []byte

// Image is one target of the Dockerfile that is meant to be run.
type Image struct {
	Target  string
	Program string // the name of the binary that it starts
}

// All returns the images, in the order of the Dockerfile.
func All() ([]Image, error) {
	stages, err := parse(dockerfile)
	if err != nil {
		return nil, err
	}
	var found []Image
	for _, s := range stages {
		for _, i := range s.instructions {
			if i.name == "ENTRYPOINT" {
				found = append(found, Image{s.name, path.Base(i.words[0])})
			}
		}
	}
	return found, nil
}

// stage is what one FROM begins.
type stage struct {
	name, from   string
	instructions []instruction
}

// instruction is a line of a Dockerfile, continued ones included.
type instruction struct {
	name  string
	line  int
	words []string
	flags []string
	exec  bool // a JSON array, so that no shell reads it
}

// parse returns the stages; what stands before the first is one without a name.
func parse(text []byte) ([]stage, error) {
	result, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("the Dockerfile: %w", err)
	}
	stages := []stage{{}}
	for _, node := range result.AST.Children {
		i := instruction{name: strings.ToUpper(node.Value), line: node.StartLine, flags: node.Flags, exec: node.Attributes["json"]}
		for word := node.Next; word != nil; word = word.Next {
			i.words = append(i.words, word.Value)
		}
		if i.name == "FROM" {
			s := stage{from: i.words[0]}
			if len(i.words) == 3 {
				s.name = i.words[2]
			}
			stages = append(stages, s)
		}
		stages[len(stages)-1].instructions = append(stages[len(stages)-1].instructions, i)
	}
	return stages, nil
}
