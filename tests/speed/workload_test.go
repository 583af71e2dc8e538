package speed

import (
	"bufio"
	"io"
	"strconv"
	"strings"
	"time"
)

// What the published workload of a million rows has.
const (
	million       = 1_000_000
	millionHash   = "7345e0a511aff76c954e504924caeaa194b017a301aa7d4d8dea7c3e3009f312"
	millionErrors = 3008 // sku 984, precio 981, estado 1,043
)

// order is a row of the workload.
type order struct {
	id               int
	sku              string
	count            int
	price, total     float64
	year, month, day int
	state, zone      string
	active           bool
}

// orders makes the rows of the published workload, the same ones every time.
type orders struct {
	random *mersenne
	last   int
	bad    int // cells that break a rule
}

func newOrders() *orders { return &orders{random: newMersenne(42)} }

func (o *orders) next() order {
	r := o.random
	o.last++
	row := order{id: o.last, count: 1 + r.below(20), active: o.last%2 == 1}
	price := cents(1 + (500-1)*r.float())
	row.year, row.month, row.day = 2020+r.below(6), 1+r.below(12), 1+r.below(27)
	maker := []string{"ABC", "XYZ", "QRS"}[r.below(3)]
	number := strconv.Itoa(r.below(1_000_000))
	row.sku = maker + "-" + strings.Repeat("0", 6-len(number)) + number
	if r.float() < .001 {
		row.sku = strings.ToLower(row.sku)
		o.bad++
	}
	row.price = price
	if r.float() <= .001 {
		row.price = -price
		o.bad++
	}
	if r.float() > .001 {
		row.state = []string{"N", "P", "C"}[r.below(3)]
	} else {
		row.state = "X"
		o.bad++
	}
	row.total = cents(float64(row.count) * price)
	row.zone = []string{"NORTE", "SUR", "ESTE", "OESTE"}[r.below(4)]
	return row
}

// cents is Python's round(v, 2).
func cents(v float64) float64 {
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(v, 'f', 2, 64), 64)
	if err != nil {
		panic(err) // what FormatFloat writes is a number
	}
	return rounded
}

const header = "id,sku,cantidad,precio,total,alta,entrega,activo,estado,zona\n"

// appendCSV writes a row as Python prints its values.
func (o order) appendCSV(b []byte) []byte {
	b = strconv.AppendInt(b, int64(o.id), 10)
	b = append(append(append(b, ','), o.sku...), ',')
	b = append(strconv.AppendInt(b, int64(o.count), 10), ',')
	b = append(appendFloat(b, o.price), ',')
	b = append(appendFloat(b, o.total), ',')
	b = append(o.appendDay(b, o.day), ',')
	b = append(o.appendDay(b, o.day+1), ',')
	if o.active {
		b = append(b, "True,"...)
	} else {
		b = append(b, "False,"...)
	}
	b = append(append(b, o.state...), ',')
	return append(append(b, o.zone...), '\n')
}

func appendFloat(b []byte, v float64) []byte {
	start := len(b)
	b = strconv.AppendFloat(b, v, 'f', -1, 64)
	if !strings.Contains(string(b[start:]), ".") {
		b = append(b, ".0"...)
	}
	return b
}

func (o order) appendDay(b []byte, day int) []byte {
	b = append(strconv.AppendInt(b, int64(o.year), 10), '-')
	b = append(b, byte('0'+o.month/10), byte('0'+o.month%10), '-')
	return append(b, byte('0'+day/10), byte('0'+day%10))
}

// writeCSV writes that many further rows.
func (o *orders) writeCSV(w io.Writer, rows int) error {
	buffered := bufio.NewWriterSize(w, 64<<10)
	if o.last == 0 {
		if _, err := buffered.WriteString(header); err != nil {
			return err
		}
	}
	var line []byte
	for range rows {
		line = o.next().appendCSV(line[:0])
		if _, err := buffered.Write(line); err != nil {
			return err
		}
	}
	return buffered.Flush()
}

// serial is a day as Excel counts them.
func (o order) serial(day int) int {
	date := time.Date(o.year, time.Month(o.month), day, 0, 0, 0, 0, time.UTC)
	return int(date.Sub(time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC)) / (24 * time.Hour))
}
