package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/outcome"
)

// keepReports writes the files of every result to reports/<mailbox>/<id>/, for
// whoever wants to look at them.
func (d demo) keepReports(ctx context.Context, keys []execution.Key) error {
	outcomes := outcome.New(d.platform.Objects)
	for _, k := range keys {
		o, err := outcomes.Read(ctx, k)
		if err != nil {
			continue // the history check has told of it
		}
		dir := filepath.Join(d.dir, "reports", k.Mailbox, k.ID)
		if err := os.MkdirAll(dir, 0o750); err != nil {
			return err
		}
		for _, f := range o.Files {
			if err := copyFile(ctx, outcomes, o, f.Name, filepath.Join(dir, filepath.Base(f.Name))); err != nil {
				return fmt.Errorf("keep %s of %s: %w", f.Name, k, err)
			}
		}
	}
	return nil
}

func copyFile(ctx context.Context, outcomes *outcome.Store, o execution.Outcome, name, path string) error {
	body, err := outcomes.Open(ctx, o, name)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, body)
	return errors.Join(err, out.Close())
}
