package lambdalocal

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// ToFolder returns an on-failure destination that keeps each failed event as a file of
// JSON in dir, under the key that Lambda gives it in an S3 bucket
// (https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html).
func ToFolder(dir, function string) func(FailedEvent) error {
	return func(f FailedEvent) error {
		data, err := json.Marshal(f)
		if err != nil {
			return fmt.Errorf("failed event %s: %w", f.RequestContext.RequestID, err)
		}
		at := f.Timestamp.UTC()
		folder := filepath.Join(dir, "aws", "lambda", "async", function, at.Format("2006/01/02"))
		if err := os.MkdirAll(folder, 0o750); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(folder, at.Format("2006-01-02T15.04.05-")+f.RequestContext.RequestID), data, 0o600)
	}
}
