package hostile

import (
	"fmt"
	"strings"

	"github.com/sagefleet/sagefleet/worker/engine/reader"
)

var workbookClasses = []class{
	{"xlsx/bomb", workbookBombs},
	{"xlsx/large parts", largeParts},
	{"xlsx/doctype", doctypes},
	{"xlsx/broken XML", brokenSheets},
	{"xlsx/shared strings", sharedStrings},
	{"xlsx/references", cellReferences},
	{"xlsx/missing parts", missingParts},
	{"xlsx/outside", outsideTargets},
	{"xlsx/disguised", disguisedWorkbooks},
	{"xlsx/archive", workbookArchives},
	{"xlsx/cells", strangeCells},
}

// The parts of a workbook.
const (
	partTypes    = "[Content_Types].xml"
	partRels     = "_rels/.rels"
	partWorkbook = "xl/workbook.xml"
	partBookRels = "xl/_rels/workbook.xml.rels"
	partSheet    = "xl/worksheets/sheet1.xml"
	partStrings  = "xl/sharedStrings.xml"
	partStyles   = "xl/styles.xml"
)

const (
	declaration = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` + "\n"
	sheetStart  = declaration + `<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>`
	sheetEnd    = `</sheetData></worksheet>`
	headRow     = `<row r="1"><c r="A1" t="inlineStr"><is><t>a</t></is></c><c r="B1" t="inlineStr"><is><t>n</t></is></c><c r="C1" t="inlineStr"><is><t>f</t></is></c></row>`
	plainRow    = `<row r="2"><c r="A2" t="s"><v>0</v></c><c r="B2"><v>1</v></c><c r="C2"><v>45292</v></c></row>`
	stringStart = declaration + `<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">`
	officeRels  = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
	packageRels = `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">`
)

var plainParts = []part{
	{name: partTypes, content: text(declaration + `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/><Override PartName="/xl/sharedStrings.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"/></Types>`)},
	{name: partRels, content: text(declaration + packageRels + `<Relationship Id="rId1" Type="` + officeRels + `/officeDocument" Target="xl/workbook.xml"/></Relationships>`)},
	{name: partWorkbook, content: text(declaration + `<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="` + officeRels + `"><sheets><sheet name="x" sheetId="1" r:id="rId1"/></sheets></workbook>`)},
	{name: partBookRels, content: bookRels("worksheets/sheet1.xml", "")},
	{name: partStyles, content: text(declaration + `<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"/>`)},
	{name: partStrings, content: text(stringStart + `<si><t>x</t></si></sst>`)},
	{name: partSheet, content: text(sheetStart + headRow + plainRow + sheetEnd)},
}

func bookRels(sheet, mode string) content {
	return text(declaration + packageRels +
		`<Relationship Id="rId1" Type="` + officeRels + `/worksheet" Target="` + sheet + `"` + mode + `/>` +
		`<Relationship Id="rId2" Type="` + officeRels + `/sharedStrings" Target="sharedStrings.xml"/>` +
		`<Relationship Id="rId3" Type="` + officeRels + `/styles" Target="styles.xml"/></Relationships>`)
}

// workbook is the plain one with other parts: nil leaves one out, a name that it
// doesn't have is added.
func workbook(changes map[string]content) content {
	var parts []part
	known := map[string]bool{}
	for _, p := range plainParts {
		known[p.name] = true
		if changed, ok := changes[p.name]; ok {
			p.content = changed
		}
		if p.content != nil {
			parts = append(parts, p)
		}
	}
	for name, c := range changes {
		if !known[name] {
			parts = append(parts, part{name: name, content: c})
		}
	}
	return archive(parts...)
}

func sheet(rows string) content { return with(partSheet, text(sheetStart+rows+sheetEnd)) }

func with(name string, c content) content { return workbook(map[string]content{name: c}) }

func workbooks(specimens ...specimen) []specimen {
	for i := range specimens {
		specimens[i].file = "data.xlsx"
	}
	return specimens
}

func workbookBombs() []specimen {
	var all []specimen
	for _, mib := range []int{1, 16, 64} {
		bomb := func(before, unit, after string) content {
			return around(before, repeat(strings.Repeat(unit, 100), mib<<20/(100*len(unit))), after)
		}
		all = append(all,
			specimen{name: fmt.Sprintf("rows of %d MiB", mib), exit: 2, code: reader.CodeBomb, data: with(partSheet, bomb(sheetStart+headRow, "<row/>", sheetEnd))},
			specimen{name: fmt.Sprintf("strings of %d MiB", mib), exit: 2, code: reader.CodeBomb, data: with(partStrings, bomb(stringStart, "<si><t/></si>", "</sst>"))},
		)
		if mib < 64 {
			all = append(all,
				specimen{name: fmt.Sprintf("styles of %d MiB", mib), exit: 2, code: reader.CodeBomb, data: with(partStyles, bomb("", " ", ""))},
				specimen{name: fmt.Sprintf("picture of %d MiB", mib), exit: 2, code: reader.CodeBomb, data: with("xl/media/image1.png", bomb("", "\x00", ""))},
			)
		}
	}
	return workbooks(all...)
}

// mixed is about as dense as a bomb may be: half of it doesn't repeat.
func mixed(i int) string { return fmt.Sprintf("%08x", uint32(i)*2654435761) }

// largeParts are within the limits of an archive, and take far more memory than
// their size once they are parsed.
func largeParts() []specimen {
	return workbooks(
		specimen{name: "strings just below what goes through a file", data: with(partStrings,
			around(stringStart, numbered(100_000, func(i int) string { return "<si><t>" + mixed(i) + "</t></si>" }), "</sst>"))},
		specimen{name: "strings of few bytes", data: with(partStrings,
			around(stringStart+"<si><t>x</t></si>", numbered(120_000, func(i int) string { return "<si><t>" + mixed(i)[:2] + "</t></si>" }), "</sst>"))},
		specimen{name: "strings through a file", data: with(partStrings,
			around(stringStart, numbered(165_000, func(i int) string { return "<si><t>" + mixed(i) + "</t></si>" }), "</sst>"))},
		specimen{name: "styles", exit: 2, code: reader.CodeExcelTooLarge, data: with(partStyles,
			around(`<styleSheet><numFmts>`, numbered(400_000, func(i int) string { return `<numFmt numFmtId="` + mixed(i) + `" formatCode="0"/>` }), "</numFmts></styleSheet>"))},
		specimen{name: "sheets", exit: 2, code: reader.CodeExcelTooLarge, data: with(partWorkbook,
			around(`<workbook><sheets>`, numbered(600_000, func(i int) string { return `<sheet name="` + mixed(i) + `" sheetId="1"/>` }), "</sheets></workbook>"))},
		specimen{name: "content types", exit: 2, code: reader.CodeExcelTooLarge, data: with(partTypes,
			around(`<Types>`, numbered(400_000, func(i int) string { return `<Override PartName="/` + mixed(i) + `" ContentType="x"/>` }), "</Types>"))},
		specimen{name: "relationships", exit: 2, code: reader.CodeExcelTooLarge, data: with(partBookRels,
			around(packageRels, numbered(600_000, func(i int) string { return `<Relationship Id="` + mixed(i) + `" Target="x"/>` }), "</Relationships>"))},
		specimen{name: "pictures", exit: 2, code: reader.CodeExcelTooLarge, data: with("xl/media/image1.png",
			join(noise(1<<20), repeat(strings.Repeat("\x00", 1<<20), 70)))},
		specimen{name: "blanks after the data", data: with(partSheet,
			around(sheetStart+headRow+plainRow, numbered(100_000, func(i int) string { return "<!--" + mixed(i) + "-->" }), sheetEnd))},
	)
}

func doctypes() []specimen {
	external := `<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>`
	variants := map[string]string{
		"external":    external,
		"network":     `<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">`,
		"parameter":   `<!DOCTYPE x [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;]>`,
		"laughs":      `<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;">]>`,
		"plain":       `<!DOCTYPE worksheet>`,
		"lower case":  `<!doctype worksheet>`,
		"far away":    "<!--" + strings.Repeat("far away ", 2_000) + "-->" + external,
		"after blank": strings.Repeat(" \n", 10_000) + external,
	}
	var all []specimen
	for name, doctype := range variants {
		entity := strings.ReplaceAll(headRow+plainRow, "<v>1</v>", "<v>&e;</v>")
		all = append(all, specimen{name: "sheet " + name, exit: 2, code: reader.CodeExcelDoctype,
			data: with(partSheet, text(declaration+doctype+strings.TrimPrefix(sheetStart, declaration)+entity+sheetEnd))})
	}
	for _, p := range plainParts[:len(plainParts)-1] {
		all = append(all, specimen{name: p.name, exit: 2, code: reader.CodeExcelDoctype, data: with(p.name, join(text(external), p.content))})
	}
	return workbooks(append(all, specimen{name: "picture", data: with("xl/media/image1.svg", text(`<?xml version="1.0"?><!DOCTYPE svg><svg/>`))})...)
}

func brokenSheets() []specimen {
	rows := func(row string) content { return sheet(headRow + row + strings.ReplaceAll(plainRow, `"2"`, `"3"`)) }
	variants := map[string]content{
		"cut in a tag":        with(partSheet, text(sheetStart+headRow+plainRow[:20])),
		"cut in a row":        with(partSheet, text(sheetStart+headRow+plainRow[:40])),
		"cut after a row":     with(partSheet, text(sheetStart+headRow+plainRow)),
		"empty":               with(partSheet, text("")),
		"no XML":              with(partSheet, text("a,n,f\nx,1,2\n")),
		"crossed tags":        rows(`<row r="2"><c r="A2"><v>1</c></v></row>`),
		"unknown entity":      rows(`<row r="2"><c r="A2"><v>&nope;</v></c></row>`),
		"bare ampersand":      rows(`<row r="2"><c r="A2"><v>a & b</v></c></row>`),
		"control character":   rows("<row r=\"2\"><c r=\"A2\"><v>a\x0bb</v></c></row>"),
		"invalid UTF-8":       rows("<row r=\"2\"><c r=\"A2\"><v>a\xff</v></c></row>"),
		"attribute no quotes": rows(`<row r=2><c r="A2"><v>1</v></c></row>`),
		"deep":                rows("<row r=\"2\">" + strings.Repeat("<c>", 5_000)),
		"unknown encoding":    with(partSheet, text(strings.Replace(sheetStart, "UTF-8", "klingon", 1)+headRow+plainRow+sheetEnd)),
		"workbook":            with(partWorkbook, text("<workbook><sheets><sheet")),
		"strings":             with(partStrings, text(stringStart+"<si><t>x</si></t></sst>")),
		"relationships":       with(partBookRels, text("<Relationships><Relationship")),
		"content types":       with(partTypes, text("<Types><Override")),
	}
	var all []specimen
	for name, data := range variants {
		all = append(all, specimen{name: name, data: data, exit: 2, code: reader.CodeExcel})
	}
	return workbooks(all...)
}

func sharedStrings() []specimen {
	row := func(cell string) string { return headRow + strings.Replace(plainRow, "<v>0</v>", cell, 1) }
	var all []specimen
	for _, index := range []string{"1", "99999999", "-1", "9223372036854775807"} {
		all = append(all, specimen{name: "index " + index, data: sheet(row("<v>" + index + "</v>")), exit: 2, code: reader.CodeExcel})
	}
	for _, index := range []string{"99999999999999999999", "x", "1.5"} {
		all = append(all, specimen{name: "no index " + index, data: sheet(row("<v>" + index + "</v>")), exit: 2, code: reader.CodeExcel})
	}
	return workbooks(append(all,
		specimen{name: "no index", data: sheet(row(""))},
		specimen{name: "none", data: workbook(map[string]content{partStrings: nil}), exit: 2, code: reader.CodeExcel},
		specimen{name: "empty part", data: with(partStrings, text("")), exit: 2, code: reader.CodeExcel},
		specimen{name: "count of 2^31", data: with(partStrings, text(strings.Replace(stringStart, "<sst", `<sst count="2147483647" uniqueCount="2147483647"`, 1)+"<si><t>x</t></si></sst>"))},
		specimen{name: "a string of 2 MiB", exit: 2, code: reader.CodeFieldTooLong, data: with(partStrings, around(stringStart+"<si><t>",
			numbered(250_000, mixed), "</t></si></sst>"))},
	)...)
}

func cellReferences() []specimen {
	cell := func(reference string) content {
		return sheet(headRow + `<row r="2"><c r="` + reference + `"><v>1</v></c></row>`)
	}
	row := func(number string) content { return sheet(headRow + `<row r="` + number + `"><c><v>1</v></c></row>`) }
	var all []specimen
	for _, reference := range []string{"XFE2", "ZZZZZZZZ2", "A99999999999999999999", "2", "A", "A-1", "А2", strings.Repeat("A", 1<<16)} {
		all = append(all, specimen{name: fmt.Sprintf("cell %.24s", reference), data: cell(reference), exit: 2, code: reader.CodeExcel})
	}
	for _, number := range []string{"1048577", "2147483647"} {
		all = append(all, specimen{name: "row " + number, data: row(number), exit: 2, code: reader.CodeExcel})
	}
	for _, number := range []string{"1048576", "0"} {
		all = append(all, specimen{name: "row " + number, data: row(number)})
	}
	for _, number := range []string{"99999999999999999999", "x", ""} {
		all = append(all, specimen{name: fmt.Sprintf("row %q", number), data: row(number), exit: 2, code: reader.CodeExcel})
	}
	return workbooks(append(all,
		specimen{name: "last column", data: cell("XFD2"), exit: 1, code: "structure"},
		specimen{name: "400,000 columns", exit: 2, code: reader.CodeColumns, data: with(partSheet,
			around(sheetStart+headRow+`<row r="2">`, numbered(400_000, func(i int) string { return "<c><v>" + mixed(i)[:4] + "</v></c>" }), `</row>`+sheetEnd))},
		specimen{name: "rows backwards", data: sheet(headRow + strings.ReplaceAll(plainRow, `2"`, `9"`) + plainRow), exit: 2, code: reader.CodeExcel},
		specimen{name: "the same row twice", data: sheet(headRow + plainRow + plainRow), exit: 2, code: reader.CodeExcel},
		specimen{name: "cells backwards", data: sheet(headRow + `<row r="2"><c r="B2"><v>1</v></c><c r="A2"><v>2</v></c></row>`), exit: 2, code: reader.CodeExcel},
		specimen{name: "no style", data: sheet(headRow + strings.Replace(plainRow, `<c r="B2">`, `<c r="B2" s="x">`, 1)), exit: 2, code: reader.CodeExcel},
		specimen{name: "10^5 times the same cell", exit: 2, code: reader.CodeExcel, data: with(partSheet,
			around(sheetStart+headRow+`<row r="2">`, numbered(100_000, func(i int) string { return `<c r="A2"><v>` + mixed(i) + "</v></c>" }), `</row>`+sheetEnd))},
	)...)
}

func missingParts() []specimen {
	var all []specimen
	for _, name := range []string{partRels, partWorkbook, partBookRels, partSheet} {
		all = append(all, specimen{name: name, data: workbook(map[string]content{name: nil}), exit: 2, code: reader.CodeExcel})
	}
	for _, name := range []string{partTypes, partStyles} {
		all = append(all, specimen{name: name, data: workbook(map[string]content{name: nil})})
	}
	return workbooks(append(all,
		specimen{name: "all", data: archive(), exit: 2, code: reader.CodeExcel},
		specimen{name: "sheets", data: with(partWorkbook, text(`<workbook><sheets/></workbook>`)), exit: 2, code: reader.CodeExcel},
		specimen{name: "rows", data: sheet(""), exit: 1, code: "structure"},
		specimen{name: "sheet data", data: with(partSheet, text(`<worksheet/>`)), exit: 1, code: "structure"},
	)...)
}

func outsideTargets() []specimen {
	var all []specimen
	for _, target := range []string{"../../../../etc/passwd", "/etc/passwd", "file:///etc/passwd", "http://127.0.0.1:9/sheet.xml", `..\..\canary.csv`, ""} {
		all = append(all, specimen{name: fmt.Sprintf("%q", target), data: with(partBookRels, bookRels(target, "")), exit: 2, code: reader.CodeExcel})
	}
	return workbooks(append(all,
		specimen{name: "external", data: with(partBookRels, bookRels("http://127.0.0.1:9/sheet.xml", ` TargetMode="External"`)), exit: 2, code: reader.CodeExcel},
		specimen{name: "itself", data: with(partBookRels, bookRels("workbook.xml", "")), exit: 1, code: "structure"},
	)...)
}

func disguisedWorkbooks() []specimen {
	variants := map[string]content{
		"empty": text(""), "CSV": plainCSV, "HTML": text("<html><table><tr><td>a</td></tr></table></html>"), "noise": noise(100_000),
		"encrypted or of Excel 97": join(text("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), noise(10_000)), "OpenDocument": archive(part{name: "content.xml", content: text("<x/>")}),
		"archive of a CSV": archive(part{name: "c.csv", content: plainCSV}),
	}
	var all []specimen
	for name, data := range variants {
		all = append(all, specimen{name: name, data: data, exit: 2, code: reader.CodeExcel})
	}
	return append(workbooks(all...),
		specimen{name: "xls", file: "data.xls", data: text("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), exit: 2, code: reader.CodeExcelOld},
		specimen{name: "workbook called xls", file: "data.XLS", data: workbook(nil), exit: 2, code: reader.CodeExcelOld},
	)
}

// workbookArchives are the tricks of archives, played with a workbook.
func workbookArchives() []specimen {
	parts := func(more ...part) content {
		return archive(append(plainParts[:len(plainParts):len(plainParts)], more...)...)
	}
	many := make([]part, 1001)
	for i := range many {
		many[i] = part{name: fmt.Sprintf("xl/media/%d.png", i)}
	}
	return workbooks(
		specimen{name: "slip", data: parts(part{name: "../../canary.csv", content: text("dead")}), exit: 2, code: reader.CodeEntryName},
		specimen{name: "absolute", data: parts(part{name: "DIR/canary.csv", content: text("dead")}), exit: 2, code: reader.CodeEntryName},
		specimen{name: "entries", data: parts(many...), exit: 2, code: reader.CodeBomb},
		specimen{name: "encrypted", data: directory(workbook(nil), func(_ int, record, _ []byte) { record[8] |= 1 }), exit: 2, code: reader.CodeEncrypted},
		specimen{name: "checksums", data: directory(workbook(nil), func(_ int, record, _ []byte) { record[16] ^= 1 }), exit: 2, code: reader.CodeExcel},
		specimen{name: "sheet twice", data: parts(part{name: partSheet, content: text("<worksheet/>")}), exit: 2, code: reader.CodeExcel},
		specimen{name: "sheet twice in two cases", data: parts(part{name: "xl/SharedStrings.xml", content: text("<sst/>")}), exit: 2, code: reader.CodeExcel},
		specimen{name: "macro", data: parts(part{name: "xl/vbaProject.bin", content: noise(1000)})},
	)
}

func strangeCells() []specimen {
	cell := func(c string) content {
		return sheet(headRow + strings.Replace(plainRow, `<c r="B2"><v>1</v></c>`, c, 1))
	}
	return workbooks(
		specimen{name: "formula", data: cell(`<c r="B2"><f>HYPERLINK("http://127.0.0.1:9")</f><v>1</v></c>`)},
		specimen{name: "formula without value", data: cell(`<c r="B2"><f>1+1</f></c>`)},
		specimen{name: "error value", data: cell(`<c r="B2" t="e"><v>#REF!</v></c>`), exit: 1, code: "type"},
		specimen{name: "1e400", data: cell(`<c r="B2"><v>1e400</v></c>`), exit: 1, code: "type"},
		specimen{name: "unknown type", data: cell(`<c r="B2" t="zz"><v>1</v></c>`)},
		specimen{name: "unknown style", data: cell(`<c r="B2" s="99999999"><v>1</v></c>`)},
		specimen{name: "negative style", data: cell(`<c r="B2" s="-1"><v>1</v></c>`)},
		specimen{name: "date of the year 10^9", data: sheet(headRow + strings.Replace(plainRow, "45292", "1e12", 1)), exit: 1, code: "type"},
		specimen{name: "negative date", data: sheet(headRow + strings.Replace(plainRow, "45292", "-1", 1)), exit: 1, code: "type"},
		specimen{name: "cell of 2 MiB", exit: 2, code: reader.CodeFieldTooLong,
			data: with(partSheet, around(sheetStart+headRow+`<row r="2"><c r="A2" t="inlineStr"><is><t>`, numbered(250_000, mixed), `</t></is></c></row>`+sheetEnd))},
		specimen{name: "payload", exit: 1, code: "type", payload: "<img src=x>", data: cell(`<c r="B2" t="inlineStr"><is><t>&lt;img src=x&gt;</t></is></c>`)},
	)
}
