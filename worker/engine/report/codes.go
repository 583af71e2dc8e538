package report

import (
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/spec"
	"github.com/sagefleet/sagefleet/worker/engine"
	"github.com/sagefleet/sagefleet/worker/engine/kernel"
	"github.com/sagefleet/sagefleet/worker/engine/reader"
)

// spanishCodes say what a coded error means; its own text, with the particulars,
// follows in parentheses.
var spanishCodes = map[fault.Code]string{
	reader.CodeEncoding:      "El archivo no es un texto legible",
	reader.CodeQuote:         "Hay unas comillas que no se cierran",
	reader.CodeDelimiter:     "El delimitador configurado no es válido",
	reader.CodeFieldTooLong:  "Una celda es demasiado larga",
	reader.CodeRecordTooLong: "Una fila es demasiado larga",
	reader.CodeColumns:       "El archivo tiene demasiadas columnas",
	reader.CodeExcel:         "El archivo de Excel no se puede leer",
	reader.CodeExcelOld:      "El formato .xls no se admite: guárdelo como .xlsx",
	reader.CodeExcelDoctype:  "El Excel declara un tipo de documento, lo que no se permite",
	reader.CodeExcelTooLarge: "El Excel es demasiado grande",
	reader.CodeArchive:       "El archivo ZIP no se puede leer",
	reader.CodeBomb:          "El ZIP se expande más de lo razonable",
	reader.CodeEntryName:     "El ZIP contiene un nombre de archivo no permitido",
	reader.CodeNested:        "El ZIP contiene otro ZIP",
	reader.CodeOverlap:       "El ZIP contiene archivos que se solapan",
	reader.CodeEncrypted:     "El ZIP está protegido con una contraseña",

	spec.CodeSelectFormat:     "Formato de archivo no soportado",
	spec.CodeSelectNone:       "La configuración no prevé este tipo de archivo",
	spec.CodeSyntax:           "El YAML no se puede leer",
	spec.CodeEncoding:         "El YAML no está en UTF-8",
	spec.CodeEmpty:            "La configuración está vacía",
	spec.CodeTooLarge:         "La configuración es demasiado grande",
	spec.CodeTooDeep:          "La configuración tiene demasiados niveles",
	spec.CodeUnknownCatalog:   "El paquete nombra un catálogo que no existe",
	spec.CodeDuplicateCatalog: "El paquete nombra dos veces un catálogo",
	spec.CodeDuplicateField:   "Dos campos tienen el mismo nombre",
	spec.CodeNotZIP:           "Un paquete con varios catálogos debe ser ZIP",
	spec.CodeCatalogZIP:       "Un catálogo no puede ser ZIP",
	spec.CodeMissingKey:       "Falta una clave de la configuración",
	spec.CodeUnknownKey:       "Una clave de la configuración no se conoce",
	spec.CodeDuplicateKey:     "Una clave de la configuración está repetida",
	spec.CodeWrongKind:        "Un valor de la configuración no es de la clase esperada",
	spec.CodeManyIssues:       "La configuración tiene más avisos de los que se listan",
	spec.CodeUnknownType:      "El tipo del campo no se conoce",
	spec.CodeUnknownSeverity:  "La severidad no se conoce",
	spec.CodeUnknownFormat:    "El formato de archivo no se conoce",
	spec.CodeQuotedBoolean:    "Un valor verdadero o falso está entre comillas",
	spec.CodeDelimiter:        "El delimitador no es válido",

	spec.CodeRuleSyntax:      "la expresión está mal escrita",
	spec.CodeRuleUnsupported: "la expresión usa algo que el lenguaje de reglas no tiene",
	spec.CodeRuleTooLarge:    "la expresión es demasiado grande",
	spec.CodeRuleColumn:      "la columna no existe",
	spec.CodeRuleCatalog:     "el catálogo no existe",
	spec.CodeRuleName:        "un nombre no se conoce",
	spec.CodeRuleFunction:    "una función no se conoce",
	spec.CodeRuleMethod:      "un método no se conoce",
	spec.CodeRuleArgument:    "un argumento no es el que se espera",
	spec.CodeRuleType:        "los tipos no son compatibles",
	spec.CodeRuleRegex:       "la expresión regular no se admite",
	spec.CodeRuleRows:        "se combinan filas que no se corresponden",
	spec.CodeRuleResult:      "el resultado no es verdadero ni falso",

	kernel.CodeValue:    "un valor no se puede convertir",
	kernel.CodeLength:   "las columnas no tienen el mismo número de filas",
	kernel.CodeTooLarge: "la regla genera textos demasiado grandes",
	kernel.CodeCompile:  "la expresión no se puede evaluar",
	engine.CodeNoTable:  "falta el archivo de un catálogo",
	engine.CodeTooLarge: "Una columna es demasiado grande",

	// Those of package processor, which imports this one.
	"NO_INPUT":        "No hay ningún archivo de datos",
	"INPUT_MISSING":   "Falta el archivo de datos",
	"REQUEST_FIELD":   "Un valor de la solicitud no es válido",
	"ENGINE_CONFIG":   "El programa no puede usar la configuración",
	"ENGINE_EXIT":     "El programa terminó de forma inesperada",
	"ENGINE_TIMEOUT":  "El programa superó el tiempo permitido",
	"ENGINE_MEMORY":   "El programa superó la memoria permitida",
	"ENGINE_OUTPUT":   "El programa dejó más archivos o datos de los permitidos",
	"ENGINE_ARGUMENT": "Un valor de la solicitud no se puede pasar al programa",
	"ENGINE_START":    "El programa no se pudo iniciar",
}
