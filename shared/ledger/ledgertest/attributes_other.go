//go:build !linux

package ledgertest

import "syscall"

// attributes start a process as we are: where root is told to be another, it fails.
func (i *identity) attributes() *syscall.SysProcAttr { return nil }
