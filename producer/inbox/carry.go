package inbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/shared/failpoint"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/intake"
)

// Codes of files that are rejected before anything is stored.
const (
	CodeNotFile    fault.Code = "FILE_NOT_REGULAR" // a link, a pipe, a device
	CodeTooLarge   fault.Code = "FILE_TOO_LARGE"
	CodeUnreadable fault.Code = "FILE_UNREADABLE"
)

// ending is what came of a submission: nil, a *rejection, or what to try again after.
type ending struct {
	job job
	err error
}

// rejection is the end of a file that was refused, and is in its place.
type rejection struct{ why error }

func (r *rejection) Error() string { return "rejected: " + r.why.Error() }

// carry submits a claimed file and moves it to where it belongs.
func (in *Inbox) carry(ctx context.Context, j job) error {
	err := in.submitFile(ctx, j)
	switch {
	case err == nil:
		failpoint.Hit(failpoint.InboxSubmitted)
		return j.move(processed)
	case ctx.Err() != nil || !fault.IsPermanent(err):
		return err
	}
	if err := j.explain(err); err != nil {
		return err
	}
	if err := j.move(rejected); err != nil {
		return err
	}
	return &rejection{err}
}

func (in *Inbox) submitFile(ctx context.Context, j job) error {
	if err := j.keep(); err != nil {
		return err
	}
	if err := j.check(in.cfg.MaxFileBytes); err != nil {
		return err
	}
	config, err := j.folder.top.ReadFile(j.pin())
	if err != nil {
		return err
	}
	_, err = in.submit.Submit(ctx, producer.Submission{Mailbox: j.folder.mailbox, ID: j.id, Method: intake.MethodInbox, Config: config,
		Files: []producer.File{{Name: j.name, Open: func() (io.ReadCloser, error) { return j.open() }}}})
	return err
}

// check refuses what can never be submitted.
func (j job) check(most int64) error {
	f, err := j.open()
	if err != nil {
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) {
			return fault.New(CodeUnreadable, "%w", err).Expecting("a file that may be read by the user of this process").Permanent()
		}
		return err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() > most {
		return fault.New(CodeTooLarge, "%q has %d bytes", j.name, info.Size()).Expecting("at most %d", most).
			Advise("split it, or raise INBOX_MAX_FILE_BYTES").Permanent()
	}
	return nil
}

func notRegular(name string, mode fs.FileMode) error {
	kind := "something other than a file"
	if mode&fs.ModeSymlink != 0 {
		kind = "a symbolic link"
	}
	return fault.New(CodeNotFile, "%q is %s", name, kind).Expecting("a regular file").Advise("put the file itself here").Permanent()
}

// explain writes beside the file why it is refused.
func (j job) explain(why error) error {
	e := fault.Describe(why)
	var b strings.Builder
	fmt.Fprintf(&b, "%s was not accepted.\n\n%s\n", j.name, e.Message)
	for _, part := range [][2]string{{"expected: ", e.Expected}, {"what to do: ", e.Hint}, {"code: ", string(e.Code)}} {
		if part[1] != "" {
			b.WriteString(part[0] + part[1] + "\n")
		}
	}
	name := j.name
	if len(name)+len(reason) > 255 { // what a file system takes
		name = j.id
	}
	if err := j.folder.root.WriteFile(path.Join(j.dir(), name+reason), []byte(b.String()), fileMode); err != nil {
		return err
	}
	return syncAll(j.folder.root, path.Join(j.dir(), name+reason))
}
