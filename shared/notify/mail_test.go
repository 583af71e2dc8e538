package notify_test

import (
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/notify"
	"github.com/sagefleet/sagefleet/shared/notify/notifytest"
	"github.com/sagefleet/sagefleet/shared/secret"
)

func TestMail(t *testing.T) {
	t.Parallel()
	server := notifytest.Mail(t)
	post, err := server.Config().Open(t.Context(), server.Trust())
	if err != nil {
		t.Fatal(err)
	}
	m := notify.Message{ID: "m1", Subject: "Informe: año", Text: "señal\n", Files: []notify.File{{Name: "report.html", Bytes: []byte("<p>")}}}
	if err := post.To("Ana <ana@example.com>").Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	got := server.Letters()
	if len(got) != 1 || strings.Join(got[0].To, " ") != "ana@example.com" || !got[0].Secured || got[0].User != notifytest.User {
		t.Fatalf("got %+v", got)
	}
	read, err := mail.ReadMessage(strings.NewReader(got[0].Text))
	if err != nil || read.Header.Get("Message-ID") != "<m1@example.org>" || read.Header.Get("Auto-Submitted") != "auto-generated" ||
		!strings.Contains(got[0].Text, "report.html") || !strings.Contains(got[0].Text, "se=C3=B1al") {
		t.Errorf("%v:\n%s", err, got[0].Text)
	}
}

func TestMailThatIsNotTaken(t *testing.T) {
	t.Parallel()
	server := notifytest.Mail(t)
	for code, permanent := range map[int]bool{451: false, 550: true} {
		server.Refuse(code)
		post, err := server.Config().Open(t.Context(), server.Trust())
		if err != nil {
			t.Fatal(err)
		}
		if err := post.To("ana@example.com").Send(t.Context(), notify.Message{ID: "m1"}); err == nil || fault.IsPermanent(err) != permanent {
			t.Errorf("%d: %v", code, err)
		}
	}
	server.Refuse(0)
	wrong := server.Config()
	wrong.Password = secret.New("wrong-password")
	post, err := wrong.Open(t.Context(), server.Trust())
	if err != nil {
		t.Fatal(err)
	}
	if err := post.To("ana@example.com").Send(t.Context(), notify.Message{ID: "m1"}); err == nil || strings.Contains(err.Error(), "wrong-password") {
		t.Errorf("with a wrong password: %v", err)
	}
	// A certificate of nobody that is known: nothing is said in the clear instead.
	post, err = server.Config().Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := post.To("ana@example.com").Send(t.Context(), notify.Message{ID: "m1"}); err == nil {
		t.Error("a server that can be anybody was trusted")
	}
	if n := len(server.Letters()); n != 0 {
		t.Errorf("%d letters were taken", n)
	}
}

func TestConfigRefuses(t *testing.T) {
	t.Parallel()
	good := notify.Config{Address: "smtp.example.com:587", From: "SAGE <sage@example.com>", TLS: "starttls", Try: time.Minute}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*notify.Config){
		"SMTP_ADDRESS": func(c *notify.Config) { c.Address = "smtp.example.com" },
		"SMTP_FROM":    func(c *notify.Config) { c.From = "sage" },
		"NOTIFY_TRY":   func(c *notify.Config) { c.Try = time.Hour },
		"SMTP_TLS":     func(c *notify.Config) { c.TLS, c.User = "none", "sage" },
	} {
		c := good
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
