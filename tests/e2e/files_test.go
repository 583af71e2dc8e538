package e2e

import (
	"bytes"
	_ "embed"
	"fmt"
	"io"

	"github.com/sagefleet/sagefleet/producer"
)

// pedidos is a configuration with rules over fields and rows.
//
//go:embed testdata/pedidos.yaml
var pedidos []byte

// orders returns a CSV file for pedidos with the given number of rows, of which
// the first ones have exactly one error each.
func orders(rows, errors int) []byte {
	var b bytes.Buffer
	b.WriteString("codigo,fecha,cantidad,precio,total\n")
	for i := range rows {
		quantity, cents := 1+i%20, 100+i*37%50_000
		if i < errors {
			quantity = 0
		}
		fmt.Fprintf(&b, "P-%09d,2026-%02d-%02d,%d,%d.%02d,%d.%02d\n", i, 1+i%12, 1+i%28, quantity,
			cents/100, cents%100, quantity*cents/100, quantity*cents%100)
	}
	return b.Bytes()
}

// submission asks for data to be put through pedidos.
func submission(mailbox, id string, data []byte) producer.Submission {
	return producer.Submission{Mailbox: mailbox, ID: id, Sender: "Distribuidora 7", Method: "e2e", Config: pedidos,
		Files: []producer.File{{Name: "pedidos.csv", Open: func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(data)), nil
		}}}}
}
