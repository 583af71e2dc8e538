//go:build !unix

package speed

import "os"

// peak is not known where there is no getrusage.
func peak(*os.ProcessState) int64 { return 0 }
