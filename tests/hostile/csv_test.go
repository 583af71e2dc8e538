package hostile

import (
	"fmt"
	"strings"

	"github.com/sagefleet/sagefleet/worker/engine/reader"
)

var csvClasses = []class{
	{"csv/long line", longLines},
	{"csv/columns", manyColumns},
	{"csv/open quote", openQuotes},
	{"csv/NUL", zeros},
	{"csv/UTF-16", wideTexts},
	{"csv/UTF-8", invalidTexts},
	{"csv/line ends", lineEnds},
	{"csv/quotes", strangeQuotes},
	{"csv/delimiters", onlyDelimiters},
	{"csv/newlines", manyNewlines},
	{"csv/shape", strangeShapes},
	{"csv/disguised", disguisedTexts},
}

const (
	csvHeader = "a,n,f\n"
	csvRow    = "x,1,2024-01-01\n"
	block     = 1 << 20 // what the reader takes at a time
)

func longLines() []specimen {
	var all []specimen
	for _, mib := range []int{2, 20, 40} {
		long := repeat(strings.Repeat("x", 1024), mib<<10)
		for name, data := range map[string]content{
			"header": long, "row": around(csvHeader, long, "\n"), "row that never ends": around(csvHeader+csvRow, long, ""), "quoted cell": around(csvHeader+`"`, long, `",1,2024-01-01`+"\n"),
		} {
			code := reader.CodeFieldTooLong
			if mib > 16 {
				code = reader.CodeRecordTooLong
			}
			all = append(all, specimen{name: fmt.Sprintf("%s of %d MiB", name, mib), data: data, exit: 2, code: code})
		}
	}
	return append(all,
		specimen{name: "cell of 1 MiB", data: around(csvHeader, repeat("x", block), ",1,2024-01-01\n")},
		specimen{name: "cell of 1 MiB and a byte", data: around(csvHeader, repeat("x", block+1), ",1,2024-01-01\n"), exit: 2, code: reader.CodeFieldTooLong},
		specimen{name: "15 long cells", data: around(csvHeader, repeat(strings.Repeat("x", block-1)+",", 15), "\n"), exit: 1, code: "structure"},
	)
}

func manyColumns() []specimen {
	var all []specimen
	for _, n := range []int{16_385, 100_000, 1_000_000} {
		all = append(all,
			specimen{name: fmt.Sprintf("header of %d", n), exit: 2, code: reader.CodeColumns, data: join(numbered(n, func(i int) string { return fmt.Sprintf("c%d,", i) }), text("\n"+csvRow))},
			specimen{name: fmt.Sprintf("empty header of %d", n), data: around("a", repeat(",", n), "\n"+csvRow), exit: 2, code: reader.CodeColumns},
			specimen{name: fmt.Sprintf("quoted header of %d", n), data: around(`"a"`, repeat(`,"a"`, n), "\n"+csvRow), exit: 2, code: reader.CodeColumns},
			specimen{name: fmt.Sprintf("row of %d", n), data: around(csvHeader, repeat("1,", n), "\n"+csvRow), exit: 1, code: "structure"},
		)
	}
	return append(all,
		specimen{name: "header of 16384", exit: 1, code: "structure", data: join(numbered(16_383, func(i int) string { return fmt.Sprintf("c%d,", i) }), text("c\n"))},
		specimen{name: "each row wider", exit: 1, code: "structure", data: join(text(csvHeader), numbered(1000, func(i int) string { return strings.Repeat("1,", i) + "\n" }))},
	)
}

func openQuotes() []specimen {
	rows := repeat(csvRow, 20_000)
	refused := map[string]content{
		"header": text(`"a,n,f` + "\n" + csvRow), "first row": text(csvHeader + `"x,1,2024-01-01`), "last byte": around(csvHeader, rows, `"`),
		"middle of a file": join(text(csvHeader), rows, text(`"`), rows), "after a doubled quote": text(csvHeader + `"x""`), "odd doubles": text(csvHeader + `"""` + "\n"),
		"only a quote": text(`"`), "three": text(`"""`),
	}
	var all []specimen
	for name, data := range refused {
		all = append(all, specimen{name: name, data: data, exit: 2, code: reader.CodeQuote})
	}
	return append(all,
		specimen{name: "20 MiB follow", data: around(csvHeader+`"`, repeat(csvRow, 20<<20/len(csvRow)), ""), exit: 2, code: reader.CodeRecordTooLong},
		specimen{name: "in every row", data: around(csvHeader, repeat(`"x,1,2024-01-01`+"\n", 1000), "")},
	)
}

func zeros() []specimen {
	row := func(before int) content {
		return join(text(csvHeader), repeat("x,1,2024-01-01\n", before), text("x\x00y,1,2024-01-01\n"), repeat(csvRow, 1000))
	}
	var all []specimen
	for name, data := range map[string]content{
		"first byte": text("\x00" + plainText), "last byte": text(plainText + "\x00"), "in a row": row(10), "in the third block": row(150_000),
		"only zeros": repeat("\x00", block), "in quotes": text(csvHeader + "\"\x00\",1,2024-01-01\n"), "at the end of a block": around(csvHeader, repeat("y", block-len(csvHeader)-1), "\x00\n"),
	} {
		all = append(all, specimen{name: name, data: data, exit: 2, code: reader.CodeEncoding})
	}
	return all
}

// wide is s with every ASCII character in size bytes.
func wide(s string, size int, little bool) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		zeros := strings.Repeat("\x00", size-1)
		if little {
			b.WriteString(string(c) + zeros)
		} else {
			b.WriteString(zeros + string(c))
		}
	}
	return b.String()
}

func wideTexts() []specimen {
	var all []specimen
	for name, data := range map[string]string{
		"little with BOM": "\xff\xfe" + wide(plainText, 2, true), "big with BOM": "\xfe\xff" + wide(plainText, 2, false),
		"little": wide(plainText, 2, true), "big": wide(plainText, 2, false), "only a BOM": "\xff\xfe", "only the other BOM": "\xfe\xff",
		"32 with BOM": "\xff\xfe\x00\x00" + wide(plainText, 4, true), "32": wide(plainText, 4, false), "Chinese": "\xff\xfe\x2d\x4e\x87\x65\x0a\x00",
		"large": "\xff\xfe" + wide(strings.Repeat(csvRow, 100_000), 2, true),
	} {
		all = append(all, specimen{name: name, data: text(data), exit: 2, code: reader.CodeEncoding})
	}
	return all
}

func invalidTexts() []specimen {
	const bom = "\xef\xbb\xbf"
	var all []specimen
	for name, bad := range map[string]string{
		"Latin-1": "a\xf1o", "lone continuation": "\x80", "overlong": "\xc0\xaf", "surrogate": "\xed\xa0\x80", "beyond Unicode": "\xf4\x90\x80\x80", "cut": "\xe2\x82", "FE FF": "x\xfe\xff",
	} {
		row := bad + ",1,2024-01-01\n"
		all = append(all,
			specimen{name: name, data: text(csvHeader + row), says: "Latin-1"},
			specimen{name: name + " in the third block", data: around(csvHeader, repeat(csvRow, 150_000), row), says: "Latin-1"},
			specimen{name: name + " after a BOM", data: text(bom + csvHeader + row), exit: 2, code: reader.CodeEncoding},
		)
	}
	return append(all,
		specimen{name: "cut at the end", data: text(csvHeader + "\xc3"), says: "Latin-1"},
		specimen{name: "in the header", data: text("a,n,f\xf1\n" + csvRow), exit: 1, code: "structure"},
		specimen{name: "character over two blocks", data: around(csvHeader, repeat("y", block-len(csvHeader)-1), "ñ"+",1,2024-01-01\n")},
		specimen{name: "two BOMs", data: text(bom + bom + plainText), exit: 1, code: "structure"},
		specimen{name: "only a BOM", data: text(bom), exit: 1, code: "structure"},
	)
}

func lineEnds() []specimen {
	return []specimen{
		{name: "mixed", data: text("a,n,f\r\nx,1,2024-01-01\ny,2,2024-01-02\r\n")},
		{name: "none at the end", data: text(strings.TrimSpace(plainText))},
		{name: "two returns", data: text(strings.ReplaceAll(plainText, "\n", "\r\r\n")), exit: 1},
		{name: "returns in cells", data: text(csvHeader + "x\ry,1,2024-01-01\n")},
		{name: "only returns", data: text(strings.ReplaceAll(plainText, "\n", "\r")), exit: 1, code: "structure"},
		{name: "a million returns", data: around("a,n,f", repeat("\r"+strings.TrimSpace(csvRow), 1_000_000), ""), exit: 2, code: reader.CodeColumns},
		{name: "line separators", data: text(csvHeader + "x\u2028y\u2029z\u0085,1,2024-01-01\n")},
		{name: "vertical tabs", data: text(csvHeader + "x\vy\fz,1,2024-01-01\n")},
		{name: "return at the end of a block", data: around(csvHeader+"x,1,2024-01-01\n", repeat(csvRow[:len(csvRow)-1]+"\r\n", 140_000), "")},
	}
}

func strangeQuotes() []specimen {
	row := func(a string) content { return text(csvHeader + a + ",1,2024-01-01\n") }
	return []specimen{
		{name: "middle", data: row(`x"y`)},
		{name: "end", data: row(`x"`)},
		{name: "after the closing one", data: row(`"x"y`)},
		{name: "after the closing one another", data: row(`"x"y"z"`)},
		{name: "blank before", data: row(` "x"`)},
		{name: "empty", data: row(`""`)},
		{name: "only doubled", data: row(`""""`)},
		{name: "backslash", data: row(`"x\"`)},
		{name: "a million doubled", data: around(csvHeader+`"`, repeat(`""`, 500_000), `",1,2024-01-01`+"\n")},
		{name: "delimiters inside", data: row(`",,,,,,"`)},
		{name: "curly", data: row("“x”")},
	}
}

func onlyDelimiters() []specimen {
	return []specimen{
		{name: "one row", data: text(",,\n"), exit: 1, code: "structure"},
		{name: "a header and 10^6 empty rows", data: around(csvHeader, repeat(",,\n", 1_000_000), "")},
		{name: "10^6 rows of too many", data: around(csvHeader, repeat(",,,,\n", 1_000_000), ""), exit: 1, code: "structure"},
		{name: "one more in every row", data: around(csvHeader, repeat("x,1,2024-01-01,\n", 1000), "")},
		{name: "no line end", data: repeat(",", 10_000), exit: 1, code: "structure"},
		{name: "other delimiter", data: text(strings.ReplaceAll(plainText, ",", ";")), exit: 1, code: "structure"},
		{name: "tabs", data: text(strings.ReplaceAll(plainText, ",", "\t")), exit: 1, code: "structure"},
	}
}

func manyNewlines() []specimen {
	return []specimen{
		{name: "only line ends", data: repeat("\n", 5_000_000), exit: 1, code: "structure"},
		{name: "only Windows line ends", data: repeat("\r\n", 2_000_000), exit: 1, code: "structure"},
		{name: "blank lines before the header", data: around("", repeat("\n", 5_000_000), plainText)},
		{name: "blank lines after", data: around(plainText, repeat("  \n", 3_000_000), "")},
		{name: "a million in one cell", data: around(csvHeader+`"`, repeat("\n", 1_000_000), `",1,2024-01-01`+"\n")},
		{name: "a million in cells", data: around(csvHeader, repeat("\""+strings.Repeat("\n", 100)+"\",1,2024-01-01\n", 10_000), "")},
		{name: "two million in one cell", data: around(csvHeader+`"`, repeat("\n", 2_000_000), `",1,2024-01-01`+"\n"), exit: 2, code: reader.CodeFieldTooLong},
		{name: "20 million in one cell", data: around(csvHeader+`"`, repeat("\n", 20_000_000), `",1,2024-01-01`+"\n"), exit: 2, code: reader.CodeRecordTooLong},
		{name: "wrong cells by the million", data: around(csvHeader, repeat("x,y,z\n", 1_000_000), ""), exit: 1, code: "type"},
	}
}

func strangeShapes() []specimen {
	return []specimen{
		{name: "empty", data: text(""), exit: 1, code: "structure"},
		{name: "blank", data: text("   "), exit: 1, code: "structure"},
		{name: "header only", data: text(csvHeader)},
		{name: "header twice", data: text(csvHeader + plainText), exit: 1, code: "type"},
		{name: "the same column twice", data: text("a,a,n,f\nx,y,1,2024-01-01\n"), exit: 1, code: "structure"},
		{name: "other case", data: text("A,N,F\nx,1,2024-01-01\n"), exit: 1, code: "structure"},
		{name: "empty names", data: text(",,\nx,1,2024-01-01\n"), exit: 1, code: "structure"},
		{name: "short rows", data: around(csvHeader, repeat("x\n", 1000), "")},
		{name: "one byte", data: text("a"), exit: 1, code: "structure"},
	}
}

func disguisedTexts() []specimen {
	var all []specimen
	for name, data := range map[string]content{
		"workbook": workbook(nil), "archive": archive(part{name: "c.csv", content: plainCSV}), "gzip": text("\x1f\x8b\x08\x00\x00\x00"),
		"picture": text("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"), "program": text("\x7fELF\x02\x01\x01\x00"), "noise": noise(2 * block),
	} {
		all = append(all, specimen{name: name, data: data, exit: 2, code: reader.CodeEncoding})
	}
	return append(all,
		specimen{name: "HTML", data: text("<html><script>alert(1)</script></html>\n"), exit: 1, code: "structure", payload: "<script>"},
		specimen{name: "JSON", data: text(`{"a": [1, 2, 3]}` + "\n"), exit: 1, code: "structure"},
		specimen{name: "PDF", data: text("%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"), exit: 1, code: "structure"},
	)
}
