package processor

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/worker/engine/report"
)

const (
	maxOutputFiles = 1000
	maxOutputDepth = 8 // of the folder that a program makes for its files
)

// gathering takes the program's files, and says what it leaves.
type gathering struct {
	limit int64 // bytes, of all files
	room  int64 // what is left of it
	echo  func(name string, size int64) bool

	files   []report.File
	skipped []string
}

// gather returns the program's files and what it printed. Whatever the program has
// left in its folder is looked at without following links.
func (x Exec) gather(job Job, w workspace, end ending) ([]report.File, error) {
	g := gathering{limit: x.cfg.OutputLimit, room: x.cfg.OutputLimit, echo: echo(job, w)}
	err := g.open(w.out)
	texts, ok := logTexts[job.Language]
	if !ok {
		texts = logTexts["es"]
	}
	var notes strings.Builder
	for _, name := range g.skipped {
		fmt.Fprintf(&notes, texts.skipped, name)
	}
	g.log(report.OutputName, &end.stdout, texts.cut, "")
	g.log(report.ErrorName, &end.stderr, texts.cut, notes.String())
	return g.files, err
}

// echo recognises what the original puts beside its reports: its input. The fleet
// keeps that anyway, and a large one would not fit into a result.
func echo(job Job, w workspace) func(name string, size int64) bool {
	data := "data" + extension(job.Inputs[0].Name)
	return func(name string, size int64) bool {
		return name == "input.yaml" || name == data && size == w.dataBytes
	}
}

func (g *gathering) open(dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return outputFault("no readable folder", "the folder that it was started in")
	}
	defer root.Close()
	return g.collect(root, 0)
}

// collect takes the files of root or, when there is nothing but a folder in it, as
// with programs that make one for each execution, the files of that.
func (g *gathering) collect(root *os.Root, depth int) error {
	entries, err := list(root)
	if err != nil {
		return err
	}
	if len(entries) == 1 && entries[0].IsDir() && depth < maxOutputDepth {
		sub, err := root.OpenRoot(entries[0].Name())
		if err != nil {
			g.skipped = append(g.skipped, entries[0].Name()) // no permission
			return nil
		}
		defer sub.Close()
		return g.collect(sub, depth+1)
	}
	for _, entry := range entries {
		if err := g.take(root, entry.Name()); err != nil {
			return err
		}
	}
	return nil
}

func list(root *os.Root) ([]fs.DirEntry, error) {
	dir, err := root.Open(".")
	if err != nil {
		return nil, fmt.Errorf("collect: %w", err)
	}
	defer func() { _ = dir.Close() }() // only read from
	entries, err := dir.ReadDir(maxOutputFiles + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("collect: %w", err)
	}
	if len(entries) > maxOutputFiles {
		return nil, outputFault(fmt.Sprintf("more than %d files", maxOutputFiles), fmt.Sprintf("at most %d", maxOutputFiles))
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

// take reads one regular file. O_NONBLOCK keeps a FIFO from holding us up, should
// one have taken the file's place.
func (g *gathering) take(root *os.Root, name string) error {
	before, err := root.Lstat(name)
	if err != nil || !before.Mode().IsRegular() || !execution.IsFilename(name) {
		g.skipped = append(g.skipped, name)
		return nil
	}
	file, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		g.skipped = append(g.skipped, name) // no permission
		return nil
	}
	defer func() { _ = file.Close() }() // only read from
	info, err := file.Stat()
	switch {
	case err != nil:
		return fmt.Errorf("collect %q: %w", name, err)
	case !os.SameFile(before, info):
		g.skipped = append(g.skipped, name)
		return nil
	case g.echo(name, info.Size()):
		return nil
	}
	data, err := io.ReadAll(io.LimitReader(file, g.room+1))
	if err != nil {
		return fmt.Errorf("collect %q: %w", name, err)
	}
	if g.room -= int64(len(data)); g.room < 0 {
		return outputFault(fmt.Sprintf("more than %d bytes in its files", g.limit), fmt.Sprintf("at most %d, ENGINE_OUTPUT_LIMIT", g.limit))
	}
	g.files = append(g.files, report.File{Name: name, Data: data})
	return nil
}

// logText is what a log says of the run itself, as formats.
type logText struct{ cut, skipped string }

var logTexts = map[string]logText{
	"es": {"\n[sage: se omitieron %d bytes]\n", "[sage: no forma parte del resultado, por no ser un archivo regular y legible: %q]\n"},
	"en": {"\n[sage: %d bytes left out]\n", "[sage: not in the result, because it is no regular, readable file: %q]\n"},
}

// log adds what was printed, and notes, to the program's own file of that name.
func (g *gathering) log(name string, printed *capture, cut, notes string) {
	i := slices.IndexFunc(g.files, func(f report.File) bool { return f.Name == name })
	if i < 0 {
		i = len(g.files)
		g.files = append(g.files, report.File{Name: name})
	}
	var mark []byte
	if n := printed.cut(); n > 0 {
		mark = fmt.Appendf(nil, cut, n)
	}
	g.files[i].Data = slices.Concat(g.files[i].Data, printed.head, mark, printed.last, []byte(notes))
}
