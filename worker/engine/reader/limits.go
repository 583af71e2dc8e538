package reader

import (
	"github.com/sagefleet/sagefleet/shared/fault"
)

// Codes of the files that can't be read. None of them can be mended by a retry.
const (
	CodeEncoding      fault.Code = "INPUT_ENCODING"       // UTF-16, a NUL, or invalid UTF-8 after a BOM
	CodeQuote         fault.Code = "CSV_QUOTE_OPEN"       // a quote is never closed
	CodeDelimiter     fault.Code = "CSV_DELIMITER"        // a delimiter that can't be one
	CodeFieldTooLong  fault.Code = "FIELD_TOO_LONG"       // past Limits.Field
	CodeRecordTooLong fault.Code = "RECORD_TOO_LONG"      // past Limits.Record
	CodeColumns       fault.Code = "TOO_MANY_COLUMNS"     // past Limits.Columns
	CodeExcel         fault.Code = "EXCEL_UNREADABLE"     // not a workbook, or a damaged one
	CodeExcelOld      fault.Code = "EXCEL_97_UNSUPPORTED" // .xls
	CodeExcelDoctype  fault.Code = "EXCEL_DOCTYPE"        // XML that declares a document type
	CodeExcelTooLarge fault.Code = "EXCEL_TOO_LARGE"      // parts beside the sheets past what fits in memory
	CodeArchive       fault.Code = "ZIP_UNREADABLE"       // not an archive, or a damaged one
	CodeBomb          fault.Code = "ZIP_BOMB"             // past Limits.Ratio, Entries or Unpacked
	CodeEntryName     fault.Code = "ZIP_ENTRY_NAME"       // an entry that points out of the archive
	CodeNested        fault.Code = "ZIP_NESTED"           // an archive inside an archive
	CodeOverlap       fault.Code = "ZIP_OVERLAP"          // entries that share bytes
	CodeEncrypted     fault.Code = "ZIP_ENCRYPTED"        // an entry that needs a password
)

// Limits bound what one file may ask for. Each is a refusal with a code, before
// the memory is spent.
type Limits struct {
	Block    int   `env:"READER_BLOCK" envDefault:"262144"`            // bytes read at a time
	Field    int   `env:"READER_MAX_FIELD" envDefault:"1048576"`       // bytes of one cell
	Record   int   `env:"READER_MAX_RECORD" envDefault:"16777216"`     // bytes of one row
	Columns  int   `env:"READER_MAX_COLUMNS" envDefault:"16384"`       // columns of one file, as in Excel
	Entries  int   `env:"READER_MAX_ENTRIES" envDefault:"1000"`        // entries of one archive
	Ratio    int64 `env:"READER_MAX_RATIO" envDefault:"100"`           // unpacked bytes per packed byte...
	Free     int64 `env:"READER_RATIO_FREE" envDefault:"102400"`       // ...past this many unpacked bytes
	Unpacked int64 `env:"READER_MAX_UNPACKED" envDefault:"4294967296"` // unpacked bytes of one entry
}

// DefaultLimits are those of the env tags, for a caller without an environment.
func DefaultLimits() Limits {
	return Limits{
		Block: 1 << 18, Field: 1 << 20, Record: 16 << 20, Columns: 1 << 14,
		Entries: 1000, Ratio: 100, Free: 100 << 10, Unpacked: 4 << 30,
	}
}

func fail(code fault.Code, format string, args ...any) *fault.Error {
	return fault.New(code, format, args...).Permanent()
}
