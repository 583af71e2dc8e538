package programs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Command is what a manifest or a Compose file says to a program.
type Command struct {
	File string // below the folder, such as k8s/base/gc.yaml
	Args []string
}

// Commands returns what the YAML files below dir say to the program of an image, such
// as sage: the args of containers, and the commands of services.
func Commands(dir, image string) ([]Command, error) {
	var found []Command
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".yaml" {
			return err
		}
		file, err := os.Open(filepath.Join(dir, path))
		if err != nil {
			return err
		}
		defer file.Close()
		for documents := yaml.NewDecoder(file); ; {
			var document any
			switch err := documents.Decode(&document); {
			case errors.Is(err, io.EOF):
				return nil
			case err != nil:
				return fmt.Errorf("%s: %w", path, err)
			}
			for _, args := range commandsIn(document, image) {
				found = append(found, Command{path, args})
			}
		}
	})
	return found, err
}

// commandsIn looks at every object in a document that has an image.
func commandsIn(document any, image string) (found [][]string) {
	switch d := document.(type) {
	case []any:
		for _, one := range d {
			found = append(found, commandsIn(one, image)...)
		}
	case map[string]any:
		name, _, _ := strings.Cut(fmt.Sprint(d["image"]), ":")
		for _, key := range []string{"args", "command"} {
			if list, ok := d[key].([]any); ok && name == "sagefleet/"+image {
				args := []string{}
				for _, arg := range list {
					args = append(args, fmt.Sprint(arg))
				}
				found = append(found, args)
			}
		}
		for _, one := range d {
			found = append(found, commandsIn(one, image)...)
		}
	}
	return found
}
