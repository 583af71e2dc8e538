package hostile

import (
	"fmt"
	"strings"

	"github.com/sagefleet/sagefleet/shared/spec"
)

var nameClasses = []class{
	{"name/file", fileNames},
	{"name/extension", extensions},
	{"name/config", configuredNames},
}

func fileNames() []specimen {
	names := map[string]string{
		"composed": "ñandú.csv", "decomposed": "n\u0303andu\u0301.csv", "right to left": "\u202evsc.exe.csv", "device": "CON.csv", "device with a number": "COM1.csv",
		"251 letters": strings.Repeat("x", 251) + ".csv", "251 bytes of ñ": strings.Repeat("ñ", 125) + "x.csv", "newline": "a\nb.csv", "escape": "a\x1b[31m.csv",
		"dash": "--out.csv", "percent": "%s%n%d.csv", "dollar": "$(touch x).csv", "backtick": "`touch x`.csv", "semicolon": "a;touch x;.csv", "quotes": `a"b'c.csv`,
		"blanks": "  .csv", "dot": "..csv", "backslash": `..\..\x.csv`, "zero width": "a\u200b.csv", "emoji": "👩‍👩‍👧‍👦.csv", "star": "*.csv", "tilde": "~.csv", "upper case": "A.CSV", "glob": "[a-z].csv",
	}
	var all []specimen
	for name, file := range names {
		all = append(all, specimen{name: name, file: file}, specimen{name: name + " of wrong data", file: file, data: text(csvHeader + "x,y,z\n"), exit: 1, code: "type", summary: true})
	}
	for i, payload := range payloads {
		if !strings.Contains(payload, "/") {
			all = append(all, specimen{name: fmt.Sprintf("HTML %d", i+1), file: payload + ".csv", payload: payload})
		}
	}
	return append(all, specimen{name: "HTML", file: "<img src=x onerror=alert(1)>.csv", payload: "<img"})
}

func extensions() []specimen {
	var all []specimen
	for _, file := range []string{"data", "data.txt", "data.csv.exe", "data.csv.gz", ".csv.", "data.CSVX", "data.tsv", "data.xlsm", "data.ods", "data.csv ", "data.\u0441sv", "data.rar"} {
		all = append(all, specimen{name: fmt.Sprintf("%q", file), file: file, exit: 2, code: spec.CodeSelectFormat})
	}
	return append(all,
		specimen{name: "hidden", file: ".csv"},
		specimen{name: "configuration", file: "data.yaml", data: text(plainConfig), exit: 2, code: "NO_INPUT"},
	)
}

// configuredNames are file names that a configuration asks for: none of them is
// ever looked for outside the archive.
func configuredNames() []specimen {
	var all []specimen
	for _, name := range []string{"../c.csv", "/etc/passwd", "../../../canary.csv", `..\canary.csv`, "*", "", ".", "..", "c.csv/", "\x01", strings.Repeat("x", 100_000), "C.CSV", "%s"} {
		s := specimen{name: fmt.Sprintf("%.30q", name), file: "data.zip", data: archive(part{name: "f/c.csv", content: plainCSV}), exit: 1, code: "missing_file",
			config: strings.Replace(plainConfig, "filename: c.csv", fmt.Sprintf("filename: %q", name), 1)}
		switch name {
		case "":
			s.exit, s.code = 2, spec.CodeMissingKey
		case "C.CSV":
			s.exit, s.code = 0, ""
		}
		all = append(all, s)
	}
	return all
}
