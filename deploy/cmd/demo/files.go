package main

import (
	"bytes"
	"embed"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/sagefleet/sagefleet/producer"
)

//go:embed configs/*.yaml
var configs embed.FS

// kind is one sort of file that organisations send.
type kind struct {
	mailbox, config, file string
	rows                  func(r *rand.Rand, n int) []byte
}

var kinds = []kind{
	{"ventas", "ventas.yaml", "ventas.csv", ventas},
	{"clientes", "clientes.yaml", "clientes.csv", clientes},
	{"existencias", "existencias.yaml", "existencias.csv", existencias},
}

// submissions makes n deterministic submissions: most of them small, a few large,
// about a third with errors in the data.
func submissions(n int) ([]producer.Submission, error) {
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // reproducible, not secret
	all, run := make([]producer.Submission, n), newRun()
	for i := range all {
		rows := 200 + r.IntN(2_000)
		if i%10 == 0 {
			rows = 40_000
		}
		var err error
		if all[i], err = submission(r, fmt.Sprintf("%s-%04d", run, i+1), i, rows); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// submission makes one of so many rows. Its number decides what it is.
func submission(r *rand.Rand, id string, number, rows int) (producer.Submission, error) {
	k := kinds[number%len(kinds)]
	config, err := configs.ReadFile("configs/" + k.config)
	data := k.rows(r, rows)
	return producer.Submission{
		Mailbox: k.mailbox, ID: id, Sender: fmt.Sprintf("Distribuidora %d", 1+number%7), Method: "demo",
		Config: config, Files: []producer.File{{Name: k.file, Open: func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(data)), nil
		}}},
	}, err
}

// own makes n submissions of somebody's own files.
func own(n int, config string, data []string) ([]producer.Submission, error) {
	text, err := os.ReadFile(config)
	if err != nil {
		return nil, err
	}
	var files []producer.File
	for _, path := range data {
		if _, err := os.Stat(path); err != nil {
			return nil, err
		}
		files = append(files, producer.File{Name: filepath.Base(path), Open: func() (io.ReadCloser, error) {
			return os.Open(path)
		}})
	}
	all, run := make([]producer.Submission, n), newRun()
	for i := range all {
		all[i] = producer.Submission{Mailbox: "general", ID: fmt.Sprintf("%s-%04d", run, i+1), Method: "demo", Config: text, Files: files}
	}
	return all, nil
}

// newRun begins the ids of a burst, so that a directory can hold several.
func newRun() string { return "demo-" + time.Now().UTC().Format("20060102T150405") }

// faulty reports whether one of about every 300 rows gets an error.
func faulty(r *rand.Rand) bool { return r.IntN(300) == 0 }

func day(r *rand.Rand) string {
	return time.Date(2025, 1, 1+r.IntN(365), 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
}

func ventas(r *rand.Rand, n int) []byte {
	var b bytes.Buffer
	b.WriteString("codigo_venta,codigo_cliente,codigo_producto,fecha,cantidad,precio,total\n")
	for i := range n {
		quantity, price := 1+r.IntN(20), float64(100+r.IntN(50_000))/100
		code := fmt.Sprintf("V-%010d", i+1)
		total := float64(quantity) * price
		if faulty(r) {
			code = fmt.Sprintf("v%d", i)
		}
		if faulty(r) {
			total++
		}
		fmt.Fprintf(&b, "%s,C-%08d,P-%06d,%s,%d,%.2f,%.2f\n", code, r.IntN(5_000), r.IntN(900), day(r), quantity, price, total)
	}
	return b.Bytes()
}

func clientes(r *rand.Rand, n int) []byte {
	var b bytes.Buffer
	b.WriteString("codigo_cliente;nombre;email;limite_credito;credito_usado;activo;alta\n")
	for i := range n {
		limit := 1_000 + r.IntN(90_000)
		used := r.IntN(limit)
		email := fmt.Sprintf("contacto%d@empresa%d.example", i, r.IntN(500))
		if faulty(r) {
			email = "sin correo"
		}
		if faulty(r) {
			used = limit + 1
		}
		fmt.Fprintf(&b, "C-%08d;Compañía %d, S.A.;%s;%d.00;%d.00;%t;%s\n", i, i, email, limit, used, r.IntN(5) > 0, day(r))
	}
	return b.Bytes()
}

func existencias(r *rand.Rand, n int) []byte {
	var b bytes.Buffer
	for i := range n {
		stock := fmt.Sprint(r.IntN(10_000))
		if faulty(r) {
			stock = "agotado"
		}
		fmt.Fprintf(&b, "P-%06d|%s|%s|%s\n", i, []string{"NORTE", "SUR", "ESTE", "OESTE"}[r.IntN(4)], stock, day(r))
	}
	return b.Bytes()
}
