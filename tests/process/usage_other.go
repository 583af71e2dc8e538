//go:build !unix

package process

import "os"

// PeakOf is not known where there is no getrusage.
func PeakOf(*os.ProcessState) int64 { return 0 }
