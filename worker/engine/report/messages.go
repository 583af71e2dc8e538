package report

import (
	"fmt"
	"strings"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/spec"
	"github.com/sagefleet/sagefleet/worker/engine"
)

// language is everything a report says in one language.
type language struct {
	code string

	title, findings, noFindings, notes, problems                  string
	records, errors, warnings, rate, duration, file, line, row    string
	value, field, rule, expected, found, status, listed, noteWord string
	severities                                                    map[spec.Severity]string
	statuses                                                      map[string]string

	finding  map[engine.Kind]string // with the name it is about, if it has one
	note     map[engine.NoteKind]string
	broken   string // rule, reason
	comma    string // for decimals
	badType  map[spec.FieldType]string
	tooMany  string
	tooFew   string
	differ   string
	columns  string // number
	missing  string // names
	extra    string // names
	started  string
	finished string
	meaning  func(fault.Code) string // of a coded error; its own text follows
}

var spanish = language{
	code: "es", title: "Informe de validación", findings: "Hallazgos", noFindings: "No se encontraron problemas.",
	notes: "Información", problems: "No se pudo validar", records: "Registros", errors: "Errores", warnings: "Advertencias",
	rate: "Tasa de éxito", duration: "Duración", file: "Archivo", line: "Línea", row: "Registro", value: "Valor", field: "Campo", rule: "Regla",
	expected: "Se esperaba", found: "Se encontró", status: "Estado", noteWord: "Nota",
	listed:     "se muestran las primeras %d de %d filas",
	severities: map[spec.Severity]string{spec.Error: "Error", spec.Warning: "Advertencia", spec.Message: "Mensaje"},
	statuses:   map[string]string{Success: "Éxito", Partial: "Parcial", Failed: "Fallido"},
	finding: map[engine.Kind]string{
		engine.MissingFile: "Falta el archivo «%s» del paquete", engine.EmptyFile: "El archivo está vacío: no tiene ni siquiera encabezado",
		engine.NearMiss: "La columna debe llamarse exactamente «%s»",
		engine.Surplus:  "La fila tiene más celdas que columnas; las que sobran se ignoran",
		engine.Trailing: "Todas las filas terminan con un delimitador de más; se acepta como una columna vacía",
		engine.Missing:  "Falta el valor del campo obligatorio «%s»", engine.Duplicate: "El valor del campo «%s» ya aparece en otra fila y debe ser único",
	},
	badType: map[spec.FieldType]string{
		spec.Decimal: "El campo «%s» debe ser un número decimal, por ejemplo 12.5", spec.Integer: "El campo «%s» debe ser un número entero",
		spec.Date: "El campo «%s» debe ser una fecha, por ejemplo 2024-12-31", spec.Boolean: "El campo «%s» debe ser verdadero o falso",
	},
	comma:  "; los decimales se escriben con punto, no con coma",
	broken: "No se pudo evaluar la regla «%s»: %s",
	note: map[engine.NoteKind]string{
		engine.NoteLatin1:     "El archivo no está en UTF-8: se leyó como Latin-1",
		engine.NoteDateOrder:  "Ninguna fecha del campo «%s» permite distinguir el día del mes (%d fechas): se leyeron como mes/día/año",
		engine.NoteShortRows:  "%d filas tienen menos celdas que columnas: las que faltan se consideran vacías",
		engine.NoteExtraFiles: "El paquete trae archivos que la configuración no menciona: %s",
	},
	tooMany: "Error de columnas: demasiadas columnas en el archivo", tooFew: "Error de columnas: faltan columnas en el archivo",
	differ: "Error de columnas: los nombres no coinciden con la configuración", columns: "%d columnas",
	missing: "faltan: %s", extra: "sobran: %s",
	started: "Inicio de la ejecución", finished: "Fin de la ejecución",
	meaning: fault.Code.Spanish,
}

var english = language{
	code: "en", title: "Validation report", findings: "Findings", noFindings: "No problems were found.",
	notes: "Information", problems: "Nothing could be validated", records: "Records", errors: "Errors", warnings: "Warnings",
	rate: "Success rate", duration: "Duration", file: "File", line: "Line", row: "Record", value: "Value", field: "Field", rule: "Rule",
	expected: "Expected", found: "Found", status: "Status", noteWord: "Note",
	listed:     "the first %d of %d rows are shown",
	severities: map[spec.Severity]string{spec.Error: "Error", spec.Warning: "Warning", spec.Message: "Message"},
	statuses:   map[string]string{Success: "Success", Partial: "Partial", Failed: "Failed"},
	finding: map[engine.Kind]string{
		engine.MissingFile: "The file %q of the package is missing", engine.EmptyFile: "The file is empty: it doesn't even have a header",
		engine.NearMiss: "The column must be called exactly %q",
		engine.Surplus:  "The row has more cells than columns; the surplus is ignored",
		engine.Trailing: "Every row ends with one delimiter too many; it is accepted as an empty column",
		engine.Missing:  "The required field %q is empty", engine.Duplicate: "The value of field %q stands in another row and must be unique",
	},
	badType: map[spec.FieldType]string{
		spec.Decimal: "The field %q must be a decimal number, such as 12.5", spec.Integer: "The field %q must be a whole number",
		spec.Date: "The field %q must be a date, such as 2024-12-31", spec.Boolean: "The field %q must be true or false",
	},
	comma:  "; decimals are written with a point, not with a comma",
	broken: "The rule %q could not be evaluated: %s",
	note: map[engine.NoteKind]string{
		engine.NoteLatin1:     "The file is not UTF-8: it was read as Latin-1",
		engine.NoteDateOrder:  "No date of field %q tells the day from the month (%d dates): they were read as month/day/year",
		engine.NoteShortRows:  "%d rows have fewer cells than columns: the missing ones count as empty",
		engine.NoteExtraFiles: "The package has files that the configuration doesn't mention: %s",
	},
	tooMany: "Column error: too many columns in the file", tooFew: "Column error: columns are missing in the file",
	differ: "Column error: the names are not those of the configuration", columns: "%d columns",
	missing: "missing: %s", extra: "not expected: %s",
	started: "Execution started", finished: "Execution finished", meaning: func(fault.Code) string { return "" },
}

// message says what a finding is about, once for all of its rows.
func (l *language) message(f *engine.Finding) string {
	switch {
	case f.Broken != nil:
		return fmt.Sprintf(l.broken, f.Rule.Name, l.fault(f.Broken))
	case f.Rule != nil && f.Rule.Description != "":
		return f.Rule.Description
	case f.Rule != nil:
		return f.Rule.Name
	}
	switch f.Kind {
	case engine.Columns:
		return l.columnMessage(f.Columns)
	case engine.Type:
		return fmt.Sprintf(l.badType[f.FieldType], f.Field)
	case engine.MissingFile:
		return fmt.Sprintf(l.finding[f.Kind], f.File)
	}
	format := l.finding[f.Kind]
	if strings.Contains(format, "%") {
		return fmt.Sprintf(format, f.Field)
	}
	return format
}

// rowMessage adds what only one of the rows shows.
func (l *language) rowMessage(f *engine.Finding, d *engine.Detail) string {
	if f.Kind == engine.Type && f.FieldType == spec.Decimal && strings.Contains(d.Value.Text, ",") {
		return l.message(f) + l.comma
	}
	return l.message(f)
}

func (l *language) columnMessage(diff *engine.ColumnDiff) string {
	switch {
	case diff.Found > diff.Expected:
		return l.tooMany
	case diff.Found < diff.Expected:
		return l.tooFew
	default:
		return l.differ
	}
}

// columnCounts returns what was expected and what was found, with the names that
// make the difference.
func (l *language) columnCounts(diff *engine.ColumnDiff) (expected, found string) {
	expected, found = fmt.Sprintf(l.columns, diff.Expected), fmt.Sprintf(l.columns, diff.Found)
	if len(diff.Missing) > 0 && len(diff.Extra) > 0 || diff.Expected == diff.Found {
		expected += l.names(l.missing, diff.Missing)
		found += l.names(l.extra, diff.Extra)
	}
	return expected, found
}

// maxNames is how many names of columns or files a message lists.
const maxNames = 10

// columnNames returns the names that make the difference, a line each.
func (l *language) columnNames(diff *engine.ColumnDiff) []string {
	var lines []string
	if len(diff.Missing) > 0 {
		lines = append(lines, fmt.Sprintf(l.missing, list(diff.Missing)))
	}
	if len(diff.Extra) > 0 {
		lines = append(lines, fmt.Sprintf(l.extra, list(diff.Extra)))
	}
	return lines
}

func (l *language) names(format string, names []string) string {
	if len(names) == 0 {
		return ""
	}
	return " (" + fmt.Sprintf(format, list(names)) + ")"
}

func list(names []string) string {
	text := strings.Join(names[:min(len(names), maxNames)], ", ")
	if len(names) > maxNames {
		text += ", …"
	}
	return text
}

// fault says what a coded error means in the language, then what it says itself:
// its text is in English and names the particulars.
func (l *language) fault(e *fault.Error) string {
	text := strings.TrimSpace(e.Error())
	if known := l.meaning(e.Code); known != "" {
		return known + " (" + text + ")"
	}
	return text
}

func (l *language) noteText(n *engine.Note) string {
	format := l.note[n.Kind]
	switch n.Kind {
	case engine.NoteDateOrder:
		return fmt.Sprintf(format, n.Field, n.Count)
	case engine.NoteShortRows:
		return fmt.Sprintf(format, n.Count)
	case engine.NoteExtraFiles:
		return fmt.Sprintf(format, list(n.Names))
	default:
		return format
	}
}
