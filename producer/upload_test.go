package producer_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/intake"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// upload stores the file and has the request accepted that submission would send.
func (f fleet) upload(t *testing.T, content string) (uploaded execution.Input, stands execution.Request, err error) {
	t.Helper()
	in, err := f.producer.Upload(t.Context(), "m", "e1", "a.csv", strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	r := execution.Request{ID: "e1", Mailbox: "m", Config: execution.Config{Text: "sage_yaml: {}"}, Inputs: []execution.Input{in}}
	stands, err = f.producer.Accept(t.Context(), r)
	return in, stands, err
}

func (f fleet) content(t *testing.T, in execution.Input) (string, error) {
	t.Helper()
	body, err := f.objects.Get(t.Context(), strings.TrimPrefix(in.URI, storage.Join(f.objects.URL(), "")))
	if err != nil {
		return "", err
	}
	defer func() { _ = body.Close() }()
	text, err := io.ReadAll(body)
	return string(text), err
}

func TestUploadAgainIsHarmless(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	first, accepted, err := f.upload(t, "id\n1\n")
	if err != nil || accepted.Inputs[0].URI != first.URI {
		t.Fatalf("%+v, %v", accepted, err)
	}
	second, stands, err := f.upload(t, "id\n1\n")
	if err != nil || second.URI == first.URI || stands.Digest() != accepted.Digest() {
		t.Fatalf("the first stands: %+v, %v", stands, err)
	}
	if err := f.producer.Discard(t.Context(), []execution.Input{second}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.content(t, second); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("what nobody names is still there: %v", err)
	}
	if stands, err = f.producer.Submit(t.Context(), submission()); err != nil || stands.Digest() != accepted.Digest() {
		t.Errorf("submitted by other means: %+v, %v", stands, err)
	}
	if text, err := f.content(t, first); err != nil || text != "id\n1\n" {
		t.Errorf("the first has %q, %v", text, err)
	}
}

// Who uses another's id for other content must neither change nor remove it.
func TestUploadOfOtherContentIsRefused(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	first, accepted, err := f.upload(t, "id\n1\n")
	if err != nil {
		t.Fatal(err)
	}
	second, _, err := f.upload(t, "id\n2\n")
	if fault.CodeOf(err) != execution.CodeConflict {
		t.Errorf("%v, want %s", err, execution.CodeConflict)
	}
	if err := f.producer.Discard(t.Context(), []execution.Input{second}); err != nil {
		t.Fatal(err)
	}
	if text, err := f.content(t, first); err != nil || text != "id\n1\n" {
		t.Errorf("the first has %q, %v", text, err)
	}
	stored, err := intake.Request(t.Context(), f.objects, "m", "e1")
	if err != nil || stored.Digest() != accepted.Digest() {
		t.Errorf("stored %+v, %v", stored, err)
	}
}

func TestUploadRefusesNamesThatAreNoKeys(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	for _, k := range []execution.Key{{Mailbox: "../m", ID: "e1"}, {Mailbox: "m", ID: "../../e1"}, {Mailbox: "m"}} {
		if _, err := f.producer.Upload(t.Context(), k.Mailbox, k.ID, "a.csv", strings.NewReader("")); !fault.IsPermanent(err) {
			t.Errorf("%v: %v", k, err)
		}
	}
	if _, err := f.producer.Accept(t.Context(), execution.Request{}); !fault.IsPermanent(err) {
		t.Errorf("an empty request: %v", err)
	}
}
