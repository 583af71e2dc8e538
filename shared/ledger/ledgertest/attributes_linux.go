package ledgertest

import "syscall"

// attributes start a process as i, and end it with ours.
func (i *identity) attributes() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if i != nil {
		a.Credential = &syscall.Credential{Uid: uint32(i.uid), Gid: uint32(i.gid)} //nolint:gosec // ids of users
	}
	return a
}
