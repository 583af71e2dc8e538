package bus_test

import (
	"testing"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
)

// FuzzParseWork: a subject that is taken for work names a valid mailbox and, if
// any, a valid execution, and is one of the subjects made of them.
func FuzzParseWork(f *testing.F) {
	for _, subject := range []string{"sage.exec.ventas", "sage.exec.ventas.e1", "sage.local.ventas.e1", "sage.due.v.e", "sage.exec.", "sage.exec.a.b.c", "sage.exec.*", "sage.exec.a."} {
		f.Add(subject)
	}
	f.Fuzz(func(t *testing.T, subject string) {
		mailbox, id, err := bus.ParseWork(subject)
		if err != nil {
			return
		}
		if execution.ValidateMailbox(mailbox) != nil || id != "" && execution.ValidateID(id) != nil {
			t.Fatalf("%q is of mailbox %q, execution %q", subject, mailbox, id)
		}
		switch subject {
		case bus.SubjectMailbox(mailbox), bus.SubjectExec(mailbox, id), bus.SubjectLocal(mailbox, id), bus.SubjectDue(mailbox, id),
			"sage.local." + mailbox, "sage.due." + mailbox:
		default:
			t.Fatalf("%q is of mailbox %q, execution %q", subject, mailbox, id)
		}
	})
}
