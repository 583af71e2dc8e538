package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/secret"
	"github.com/sagefleet/sagefleet/shared/settings"
)

// Config is the mail server that e-mail is handed to, and what webhooks may reach.
type Config struct {
	Address  string        `env:"SMTP_ADDRESS"`                   // host:port of the mail server; no e-mail without it
	From     string        `env:"SMTP_FROM"`                      // who e-mail is from, such as SAGE <sage@example.com>
	User     string        `env:"SMTP_USER"`                      // for user and password
	Password secret.Secret `env:"SMTP_PASSWORD"`                  // for user and password (*secret*)
	TLS      string        `env:"SMTP_TLS" envDefault:"starttls"` // starttls, tls (from the first byte), or none
	// Private are networks besides the Internet that webhooks may reach, also by HTTP,
	// such as 10.20.0.0/16.
	Private []netip.Prefix `env:"NOTIFY_PRIVATE"`
	// Try is how long one try may take. What a process died at is said again after that.
	Try time.Duration `env:"NOTIFY_TRY" envDefault:"1m"`
}

// Validate refuses values that can't work, by variable.
func (c Config) Validate() error {
	if c.Try < 2*time.Second || c.Try > 100*time.Second {
		return settings.Invalid("NOTIFY_TRY", c.Try, "2s to 100s")
	}
	if c.Address == "" {
		return nil
	}
	if _, _, err := c.split(); err != nil {
		return settings.Invalid("SMTP_ADDRESS", c.Address, "host:port, such as smtp.example.com:587")
	}
	if _, err := mail.ParseAddress(c.From); err != nil {
		return settings.Invalid("SMTP_FROM", c.From, "an address, such as SAGE <sage@example.com>")
	}
	if c.TLS != "starttls" && c.TLS != "tls" && c.TLS != "none" {
		return settings.Invalid("SMTP_TLS", c.TLS, "starttls, tls or none")
	}
	if c.TLS == "none" && c.User != "" {
		return settings.Invalid("SMTP_TLS", c.TLS, "starttls or tls: a password is not sent in the clear")
	}
	return nil
}

func (c Config) split() (host string, port int, err error) {
	host, text, err := net.SplitHostPort(c.Address)
	if err == nil {
		port, err = strconv.Atoi(text)
	}
	if err == nil && (host == "" || port < 1 || port > 65535) {
		err = errors.New("no host, or no port")
	}
	return host, port, err
}

// Post hands e-mail to a server.
type Post struct {
	from string
	dial func() (*gomail.Client, error)
}

// Open gets the password. It connects to nothing yet: each message has a connection
// of its own.
func (c Config) Open(ctx context.Context, more ...gomail.Option) (*Post, error) {
	host, port, err := c.split()
	if err != nil {
		return nil, settings.Invalid("SMTP_ADDRESS", c.Address, "host:port, for e-mail")
	}
	options := []gomail.Option{gomail.WithPort(port), gomail.WithTimeout(timeout), gomail.WithTLSPolicy(gomail.TLSMandatory)}
	switch c.TLS {
	case "tls":
		options = append(options, gomail.WithSSL())
	case "none":
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	}
	if c.User != "" {
		password, err := c.Password.Value(ctx)
		if err != nil {
			return nil, fmt.Errorf("SMTP_PASSWORD: %w", err)
		}
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(c.User), gomail.WithPassword(password))
	}
	options = append(options, more...)
	return &Post{c.From, func() (*gomail.Client, error) { return gomail.NewClient(host, options...) }}, nil
}

// To returns the channel to an address. There is one for each: a server that refuses one
// of several recipients leaves it open who has got the message.
func (p *Post) To(address string) Channel { return letterbox{p, address} }

type letterbox struct {
	post *Post
	to   string
}

// Send hands m over. Its Message-ID is m's ID at the domain that it is from.
func (b letterbox) Send(ctx context.Context, m Message) error {
	msg, err := b.compose(m)
	if err != nil {
		return fault.New(CodeRefused, "e-mail: %w", err).Permanent()
	}
	client, err := b.post.dial()
	if err != nil {
		return fault.New(CodeUndelivered, "e-mail: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err = client.DialAndSendWithContext(ctx, msg)
	if err == nil || msg.IsDelivered() { // the farewell may fail
		return nil
	}
	if refused, ok := errors.AsType[*gomail.SendError](err); ok && !refused.IsTemp() && refused.ErrorCode() >= 500 {
		return fault.New(CodeRefused, "e-mail: %w", err).Permanent()
	}
	return fault.New(CodeUndelivered, "e-mail: %w", err)
}

func (b letterbox) compose(m Message) (*gomail.Msg, error) {
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	from, err := mail.ParseAddress(b.post.from)
	if err != nil {
		return nil, err
	}
	msg.FromMailAddress(from)
	if err := msg.To(b.to); err != nil {
		return nil, err
	}
	_, domain, _ := strings.Cut(from.Address, "@")
	msg.SetMessageIDWithValue(m.ID + "@" + domain)
	msg.SetDateWithValue(time.Now())
	// No vacation notices and no bounces in a circle (RFC 3834).
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.Subject(m.Subject)
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	for _, f := range m.Files {
		if err := msg.AttachReader(f.Name, bytes.NewReader(f.Bytes)); err != nil {
			return nil, err
		}
	}
	return msg, nil
}
