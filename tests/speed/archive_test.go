package speed

import (
	"archive/zip"
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/xuri/excelize/v2"
)

// How many rows the files of the archive have.
const (
	products   = 20_000
	customers  = 30_000
	warehouses = 100
	purchases  = 250_000
	deliveries = 200_000
	catalogs   = 4 + 3 + products + customers + warehouses + purchases + deliveries // all rows
)

// writeArchive writes seven catalogs that refer to one another. Two references
// lead nowhere, so that two of the rules fail.
func writeArchive(w io.Writer) error {
	archive := zip.NewWriter(w)
	zones := []string{"NORTE", "SUR", "ESTE", "OESTE"}
	states := []string{"N", "P", "C"}
	r := newMersenne(42)
	err := errors.Join(
		pack(archive, "zonas", "zona", len(zones), func(i int) string { return zones[i] }),
		pack(archive, "estados", "estado", len(states), func(i int) string { return states[i] }),
		pack(archive, "productos", "sku,precio", products, func(i int) string { return fmt.Sprintf("SKU-%06d,%d.5", i, 1+r.below(500)) }),
		pack(archive, "clientes", "cliente,zona", customers, func(i int) string { return fmt.Sprintf("%d,%s", 1000+i, zones[r.below(4)]) }),
		pack(archive, "almacenes", "almacen,zona", warehouses, func(i int) string { return fmt.Sprintf("%d,%s", i, zones[r.below(4)]) }),
		pack(archive, "pedidos", "id,cliente,sku,estado,cantidad", purchases, func(i int) string {
			product := r.below(products)
			if i == purchases/2 {
				product = products // which there isn't
			}
			return fmt.Sprintf("%d,%d,SKU-%06d,%s,%d", i, 1000+r.below(customers), product, states[r.below(3)], 1+r.below(20))
		}),
		pack(archive, "entregas", "pedido,almacen,fecha", deliveries, func(i int) string {
			warehouse := r.below(warehouses)
			if i == deliveries-1 {
				warehouse = warehouses
			}
			return fmt.Sprintf("%d,%d,2024-%02d-%02d", r.below(purchases), warehouse, 1+r.below(12), 1+r.below(28))
		}),
	)
	return errors.Join(err, archive.Close())
}

func pack(archive *zip.Writer, name, header string, rows int, row func(int) string) error {
	out, err := archive.Create(name + ".csv")
	if err != nil {
		return err
	}
	buffered := bufio.NewWriter(out)
	fmt.Fprintln(buffered, header)
	for i := range rows {
		fmt.Fprintln(buffered, row(i))
	}
	return buffered.Flush() // which has the first error of all writes
}

// writeWorkbook writes rows of the workload as Excel would: numbers as numbers,
// dates as days with a format.
func (o *orders) writeWorkbook(w io.Writer, rows int) (err error) {
	book := excelize.NewFile()
	defer func() { err = errors.Join(err, book.Close()) }()
	style, err := book.NewStyle(&excelize.Style{NumFmt: 14})
	if err != nil {
		return err
	}
	sheet, err := book.NewStreamWriter("Sheet1")
	if err != nil {
		return err
	}
	names := []any{"id", "sku", "cantidad", "precio", "total", "alta", "entrega", "activo", "estado", "zona"}
	if err := sheet.SetRow("A1", names); err != nil {
		return err
	}
	for i := range rows {
		row := o.next()
		cells := []any{
			row.id, row.sku, row.count, row.price, row.total,
			excelize.Cell{StyleID: style, Value: row.serial(row.day)}, excelize.Cell{StyleID: style, Value: row.serial(row.day + 1)},
			row.active, row.state, row.zone,
		}
		if err := sheet.SetRow(fmt.Sprintf("A%d", i+2), cells); err != nil {
			return err
		}
	}
	if err := sheet.Flush(); err != nil {
		return err
	}
	return book.Write(w)
}
