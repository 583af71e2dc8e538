package processor

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/spec"
	"github.com/sagefleet/sagefleet/worker/engine"
	"github.com/sagefleet/sagefleet/worker/engine/reader"
)

// CodeInputMissing is the code of a data file that isn't where it should be.
const CodeInputMissing fault.Code = "INPUT_MISSING"

// opened are the files of a job, by the catalog they belong to.
type opened struct {
	inputs  map[string]engine.Input
	extra   []string // files that belong to no catalog
	archive *reader.Archive
	spooled []string // temporary copies, to be removed
}

func (o *opened) close() {
	if o.archive != nil {
		_ = o.archive.Close() // only read from
	}
	for _, name := range o.spooled {
		_ = os.Remove(name) // a leftover in the temporary folder harms nobody
	}
}

// open finds the file of each catalog, among the inputs or in the archive.
func (n Native) open(selection spec.Selection, inputs []Input) (*opened, error) {
	limits := n.limits()
	o := &opened{inputs: map[string]engine.Input{}}
	data := inputs[0]
	if _, err := os.Stat(data.Path); data.Path != "" && errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(CodeInputMissing, "the file %s doesn't exist", data.Name).Permanent()
	}
	switch extension(data.Name) {
	case ".xls":
		return nil, fault.New(reader.CodeExcelOld, "%s is in the format of Excel 97", data.Name).
			Expecting(".xlsx").Advise("open it in a spreadsheet program and save it as .xlsx").Permanent()
	case ".zip":
		if err := o.unpack(selection, data, inputs[1:], limits); err != nil {
			o.close()
			return nil, err
		}
	default:
		catalog := selection.Catalogs[0]
		o.inputs[catalog.ID] = o.loose(catalog, data, limits)
		for _, input := range inputs[1:] {
			o.extra = append(o.extra, input.Name)
		}
	}
	return o, nil
}

func (n Native) limits() reader.Limits {
	if n.Limits == (reader.Limits{}) {
		return reader.DefaultLimits()
	}
	return n.Limits
}

// loose is a file by itself.
func (o *opened) loose(catalog *spec.Catalog, input Input, limits reader.Limits) engine.Input {
	return engine.Input{Name: input.Name, Open: func(latin1 bool) (reader.Source, error) {
		if catalog.Format != spec.Excel {
			file, err := input.open()
			if err != nil {
				return nil, err
			}
			return newCSV(catalog, file, latin1, limits)
		}
		path, err := o.path(input)
		if err != nil {
			return nil, err
		}
		return reader.OpenExcel(path, catalog.Name, catalog.Header, limits)
	}}
}

func (in Input) open() (io.ReadCloser, error) {
	if in.Path == "" {
		return io.NopCloser(bytes.NewReader(in.Data)), nil
	}
	return os.Open(in.Path)
}

// path is where input is, which is made so if it is only in memory.
func (o *opened) path(input Input) (string, error) {
	if input.Path != "" {
		return input.Path, nil
	}
	return o.spool(bytes.NewReader(input.Data))
}

func newCSV(catalog *spec.Catalog, in io.ReadCloser, latin1 bool, limits reader.Limits) (reader.Source, error) {
	source, err := reader.NewCSV(in, reader.Dialect{Delimiter: catalog.Delimiter, Header: catalog.Header, Latin1: latin1}, limits)
	if err != nil {
		_ = in.Close() // only read from
		return nil, err
	}
	return source, nil
}

// unpack finds the files of a package in its archive, then among the loose ones.
func (o *opened) unpack(selection spec.Selection, data Input, others []Input, limits reader.Limits) error {
	path, err := o.path(data)
	if err != nil {
		return err
	}
	if o.archive, err = reader.OpenArchive(path, limits); err != nil {
		return err
	}
	used := map[string]bool{}
	for _, catalog := range selection.Catalogs {
		name, err := o.archive.Find(catalog.Filename)
		if err != nil {
			return err
		}
		if name != "" {
			used[name] = true
			o.inputs[catalog.ID] = o.packed(catalog, name, limits)
			continue
		}
		i := slices.IndexFunc(others, func(in Input) bool { return strings.EqualFold(in.Name, catalog.Filename) })
		if i >= 0 {
			used[others[i].Name] = true
			o.inputs[catalog.ID] = o.loose(catalog, others[i], limits)
		}
	}
	for _, name := range o.archive.Names() {
		if !used[name] {
			o.extra = append(o.extra, name)
		}
	}
	for _, input := range others {
		if !used[input.Name] {
			o.extra = append(o.extra, input.Name)
		}
	}
	return nil
}

// packed is an entry of the archive. A workbook has to be copied out of it,
// since its parts are read in any order.
func (o *opened) packed(catalog *spec.Catalog, name string, limits reader.Limits) engine.Input {
	return engine.Input{Name: catalog.Filename, Open: func(latin1 bool) (reader.Source, error) {
		in, err := o.archive.Open(name)
		if err != nil {
			return nil, err
		}
		if catalog.Format != spec.Excel {
			return newCSV(catalog, in, latin1, limits)
		}
		defer in.Close()
		spooled, err := o.spool(in)
		if err != nil {
			return nil, err
		}
		return reader.OpenExcel(spooled, catalog.Name, catalog.Header, limits)
	}}
}

func (o *opened) spool(in io.Reader) (string, error) {
	out, err := os.CreateTemp("", "sage-*.xlsx")
	if err != nil {
		return "", err
	}
	o.spooled = append(o.spooled, out.Name())
	_, err = io.Copy(out, in)
	return out.Name(), errors.Join(err, out.Close())
}
