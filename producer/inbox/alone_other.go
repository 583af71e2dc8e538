//go:build !unix

package inbox

import (
	"context"
	"fmt"
	"os"
)

// only can't know here whether another process watches the same directory.
func only(_ context.Context, root *os.Root) (release func(), err error) {
	if err := root.MkdirAll(pins, dirMode); err != nil {
		return nil, fmt.Errorf("open the inbox: %w", err)
	}
	return func() {}, nil
}
