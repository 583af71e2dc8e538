package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/queue"
)

const codeNoLetter fault.Code = "NO_DEAD_LETTER"

func noLetter(err error, mailbox, name string) error {
	if !errors.Is(err, queue.ErrNoLetter) {
		return err
	}
	return fault.New(codeNoLetter, "mailbox %s has no dead letter %s", mailbox, name).Advise("see `sage dead list --all`")
}

// headerLines are the headers that came with a message or were put on it, without
// the server's own.
func headerLines(h nats.Header) []string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if !strings.HasPrefix(name, "Nats-") {
			lines = append(lines, name+": "+strings.Join(h[name], ", "))
		}
	}
	return lines
}

// indented is data, made readable if it is JSON.
func indented(data []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, data, "", "  ") != nil {
		return string(data)
	}
	return b.String()
}

type deadExportCommand struct {
	letterFlags
	To string `placeholder:"DIR" type:"path" help:"Folder for one file per message; made if it is missing. Otherwise JSON lines are printed."`
}

// Help explains what is written.
func (deadExportCommand) Help() string {
	return `Prints one line of JSON for each letter, with the message's headers and payload. With --to, each payload is ` +
		`written as it came to a file of its own, <mailbox>.<execution>.<generation>, and the lines without payload to letters.jsonl. ` +
		`An event tells who saw each, before it is shown; the identity console can't publish any.

	sage dead export --since 24h >dead.jsonl
	sage dead export --code INPUT_MISSING --to dead

Exit codes:

	0  whatever was found
	2  wrong usage, or a system failure`
}

// Run exports dead letters.
func (c deadExportCommand) Run(ctx context.Context, a *app) error {
	nc, js, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer nc.Close()
	letters, err := a.viewed(ctx, js, queue.Letters(ctx, js, c.filter()))
	if err != nil {
		return err
	}
	if c.To == "" {
		for l, err := range letters {
			if err != nil {
				return err
			}
			if err := printJSON(a.stdout, producer.Whole(l)); err != nil {
				return err
			}
		}
		return nil
	}
	if err := os.MkdirAll(c.To, 0o750); err != nil {
		return err
	}
	dir, err := os.OpenRoot(c.To)
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	index, err := dir.Create("letters.jsonl")
	if err != nil {
		return err
	}
	n, size := 0, int64(0)
	for l, failed := range letters {
		if err = failed; err == nil {
			err = writeLetter(dir, index, l)
		}
		if err != nil {
			break
		}
		n, size = n+1, size+int64(len(l.Data))
	}
	if err := errors.Join(err, index.Close()); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "%s, %s, in %s\n", count(n, "dead letter"), bytesText(size), c.To)
	return err
}

func writeLetter(dir *os.Root, index *os.File, l queue.Letter) error {
	w := producer.WholeLetter{Letter: l, Headers: l.Header}
	name := execution.Key{Mailbox: l.Mailbox, ID: l.Name, Generation: l.Generation}.Path()
	if !execution.IsFilename(name) { // not the fleet's own subject
		return fault.New(codeFile, "a dead letter is called %.80q", name).Expecting("a plain file name").
			Advise("print it as JSON lines: leave out --to")
	}
	if err := dir.WriteFile(name, l.Data, 0o640); err != nil {
		return err
	}
	return printJSON(index, w)
}
