package inbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/sagefleet/sagefleet/producer/configurations"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/spec"
)

// CodeNoConfiguration says that nobody said how the files of a mailbox are checked.
const CodeNoConfiguration fault.Code = "INBOX_NO_CONFIGURATION"

// Names of what says how a mailbox's files are checked, after the mailbox's. It lies
// beside the folder and not in it: who may put files there must not decide how they are
// checked.
const (
	textSuffix = ".yaml"
	nameSuffix = ".configuration"
)

// source is where the configuration of a mailbox comes from.
type source struct {
	root    *os.Root
	mailbox string

	text []byte
	at   time.Time
}

// fresh is how long a configuration is used without looking again.
const fresh = time.Second

// read returns the configuration's text.
func (s *source) read(ctx context.Context, named Named) ([]byte, error) {
	if s.text != nil && time.Since(s.at) < fresh {
		return s.text, nil
	}
	text, err := s.find(ctx, named)
	if err != nil {
		s.text = nil
		return nil, err
	}
	s.text, s.at = text, time.Now()
	return text, nil
}

func (s *source) find(ctx context.Context, named Named) ([]byte, error) {
	text, err := s.file(textSuffix)
	if err != nil {
		return nil, err
	}
	name, err := s.file(nameSuffix)
	switch {
	case err != nil:
		return nil, err
	case text != nil && name != nil:
		return nil, s.none("there are both %s and %s", s.mailbox+textSuffix, s.mailbox+nameSuffix)
	case text == nil && name == nil:
		return nil, s.none("there is no configuration")
	case name != nil:
		ref, err := configurations.ParseRef(strings.TrimSpace(string(name)))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.mailbox+nameSuffix, err)
		}
		if _, text, err = named.Get(ctx, s.mailbox, ref); err != nil {
			return nil, err
		}
	}
	_, err = configurations.Check(s.mailbox+textSuffix, text)
	return text, err
}

func (s *source) none(format string, args ...any) error {
	return fault.New(CodeNoConfiguration, "%s", fmt.Sprintf(format, args...)).
		Expecting("either %s, a configuration, or %s, the name of one that the mailbox keeps", s.mailbox+textSuffix, s.mailbox+nameSuffix).
		Advise("put one of them beside the mailbox's folder").Permanent()
}

// file reads what lies beside the folder; nil when it is not there.
func (s *source) file(suffix string) ([]byte, error) {
	f, err := s.root.OpenFile(s.mailbox+suffix, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, spec.MaxBytes+1))
	if err == nil && text == nil {
		text = []byte{}
	}
	return text, err
}
