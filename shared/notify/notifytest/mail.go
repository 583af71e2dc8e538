// Package notifytest has those who are notified, for tests: a mail server, a receiver of
// webhooks and topics of SNS, that keep what they get.
package notifytest

import (
	"crypto/tls"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	gomail "github.com/wneessen/go-mail"

	"github.com/sagefleet/sagefleet/shared/notify"
	"github.com/sagefleet/sagefleet/shared/secret"
)

// Who may hand over mail.
const (
	User     = "sage"
	password = "a-password-of-tests"
)

// Letter is what the server was handed.
type Letter struct {
	To      []string
	Text    string // headers and all
	User    string
	Secured bool
}

// Server takes mail by STARTTLS, from whoever knows the password.
type Server struct {
	address     string
	trust       *tls.Config
	certificate []byte // DER

	mu      sync.Mutex
	letters []Letter
	refuse  int
	nobody  map[string]bool
}

// Mail starts a server that lives as long as the test.
func Mail(t testing.TB) *Server {
	t.Helper()
	certified := httptest.NewUnstartedServer(nil) // has a certificate of example.com for 127.0.0.1
	certified.StartTLS()
	certified.Close()
	s := &Server{trust: certified.Client().Transport.(*http.Transport).TLSClientConfig.Clone(),
		certificate: certified.Certificate().Raw}
	s.trust.ServerName = "example.com"
	server := smtp.NewServer(s)
	server.TLSConfig = &tls.Config{Certificates: certified.TLS.Certificates, MinVersion: tls.VersionTLS12}
	server.Domain, server.ErrorLog = "example.com", silence{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.address = l.Addr().String()
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(l) })
	t.Cleanup(func() {
		_ = server.Close()
		serving.Wait()
	})
	return s
}

// Config is how to hand mail over.
func (s *Server) Config() notify.Config {
	return notify.Config{Address: s.address, From: "SAGE <sage@example.org>", User: User, Password: secret.New(password), TLS: "starttls", Try: time.Minute}
}

// Trust has a client believe the server's certificate.
func (s *Server) Trust() gomail.Option { return gomail.WithTLSConfig(s.trust) }

// Variables are Config's, and the one that has a process believe the certificate: Go reads
// it on every system but macOS and Windows.
func (s *Server) Variables(t testing.TB) map[string]string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "mail.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.certificate}), 0o600); err != nil {
		t.Fatal(err)
	}
	c := s.Config()
	return map[string]string{"SMTP_ADDRESS": c.Address, "SMTP_FROM": c.From, "SMTP_USER": c.User, "SMTP_PASSWORD": password, "SMTP_TLS": c.TLS,
		"SSL_CERT_FILE": file}
}

// Letters are those that were taken.
func (s *Server) Letters() []Letter {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.letters)
}

// Refuse has the server answer every letter with a code, or take them again with 0.
func (s *Server) Refuse(code int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = code
}

// RefuseRecipient has the server know nobody at an address.
func (s *Server) RefuseRecipient(address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.nobody == nil {
		s.nobody = map[string]bool{}
	}
	s.nobody[address] = true
}

// NewSession begins what one client says.
func (s *Server) NewSession(c *smtp.Conn) (smtp.Session, error) {
	return &session{server: s, conn: c}, nil
}

type session struct {
	server *Server
	conn   *smtp.Conn
	letter Letter
}

func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, given string) error {
		if user != User || given != password {
			return smtp.ErrAuthFailed
		}
		s.letter.User = user
		return nil
	}), nil
}

func (s *session) Mail(string, *smtp.MailOptions) error {
	if s.letter.User == "" {
		return smtp.ErrAuthRequired
	}
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	if s.server.nobody[to] {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
	}
	s.letter.To = append(s.letter.To, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	if code := s.server.refuse; code != 0 {
		return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 0, 0}, Message: "not now"}
	}
	s.letter.Text = string(text)
	_, s.letter.Secured = s.conn.TLSConnectionState()
	s.server.letters = append(s.server.letters, s.letter)
	return nil
}

func (s *session) Reset() { s.letter = Letter{User: s.letter.User} }

func (s *session) Logout() error { return nil }

type silence struct{}

func (silence) Printf(string, ...any) {}
func (silence) Println(...any)        {}
