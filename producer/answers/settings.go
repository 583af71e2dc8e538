package answers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"net/url"
	"os"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/notify"
	"github.com/sagefleet/sagefleet/shared/secret"
	"github.com/sagefleet/sagefleet/shared/settings"
)

// CodeSettings is of a file of mailboxes that can't be used.
const CodeSettings fault.Code = "ANSWERS_INVALID"

// Config says whom to answer, and for how long to try.
type Config struct {
	// File is a YAML file: which mailbox's senders are answered, and how; nobody's without it.
	File string `env:"ANSWERS_FILE"`
	// Patience is how long after an execution has ended its answer is tried; less than
	// EVENTS_MAX_AGE, after which nobody knows of it.
	Patience time.Duration `env:"ANSWERS_PATIENCE" envDefault:"24h"`
	// Parallel is how many answers are sent at once: a quarter of them of one mailbox.
	Parallel int `env:"ANSWERS_PARALLEL" envDefault:"16"`
	Notify   notify.Config
}

// On reports whether there is anybody to answer.
func (c Config) On() bool { return c.File != "" }

// Validate refuses values that can't work, by variable. events is how long events are kept;
// 0 is for ever.
func (c Config) Validate(events time.Duration) error {
	switch {
	case c.Patience < time.Minute || c.Patience > 14*24*time.Hour:
		return settings.Invalid("ANSWERS_PATIENCE", c.Patience, "1m to 336h")
	case c.On() && events > 0 && c.Patience >= events:
		return settings.Invalid("ANSWERS_PATIENCE", c.Patience, "less than EVENTS_MAX_AGE, which is "+events.String())
	case c.Parallel < 1 || c.Parallel > 1000:
		return settings.Invalid("ANSWERS_PARALLEL", c.Parallel, "1 to 1000")
	}
	return c.Notify.Validate()
}

// Mailboxes is the content of the file.
type Mailboxes struct {
	Console   string             `yaml:"console"` // URL of the console, for links; no links without it
	Mailboxes map[string]Mailbox `yaml:"mailboxes"`
}

// Mailbox says how the senders of one mailbox are answered.
type Mailbox struct {
	Language string   `yaml:"language"` // of e-mail: es, which is the default, or en
	Email    *Email   `yaml:"email"`
	Webhook  *Webhook `yaml:"webhook"`
}

// Email says who gets e-mail.
type Email struct {
	To []string `yaml:"to"`
	// SenderDomains lets the sender that a request names have it too, if it is an address of one of
	// these. Else whoever may submit could have the fleet write to anyone.
	SenderDomains []string `yaml:"sender_domains"`
	Attach        bool     `yaml:"attach"` // report.html
}

// Webhook says what is called, and what signs it.
type Webhook struct {
	URL    string     `yaml:"url"`
	Secret secretText `yaml:"secret"`
}

// secretText is a secret in YAML, in the forms of package secret.
type secretText struct{ secret.Secret }

// UnmarshalYAML takes the text over without showing it in errors.
func (s *secretText) UnmarshalYAML(n *yaml.Node) error {
	s.Secret = secret.New(n.Value)
	return nil
}

// Read reads and checks the file.
func (c Config) Read() (Mailboxes, error) {
	var m Mailboxes
	data, err := os.ReadFile(c.File)
	if err != nil {
		return m, fmt.Errorf("ANSWERS_FILE: %w", err)
	}
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(&m); err != nil && !errors.Is(err, io.EOF) {
		return m, fault.New(CodeSettings, "ANSWERS_FILE %s: %w", c.File, err).Permanent()
	}
	for name, box := range m.Mailboxes {
		if err := box.validate(name, c.Notify.Address != ""); err != nil {
			return m, fmt.Errorf("ANSWERS_FILE %s: mailbox %s: %w", c.File, name, err)
		}
	}
	if u, err := url.Parse(m.Console); m.Console != "" && (err != nil || u.Host == "" || !strings.HasPrefix(u.Scheme, "http")) {
		return m, wrong("console", m.Console, "the console's URL, such as https://sage.example.com")
	}
	return m, nil
}

func wrong(field, value, expected string) error {
	f := fault.New(CodeSettings, "%.200q", value).Expecting("%s", expected).Permanent()
	f.Field = field
	return f
}

func (b Mailbox) validate(name string, mails bool) error {
	if err := execution.ValidateMailbox(name); err != nil {
		return err
	}
	if b.Language != "" && texts[b.Language] == nil {
		return wrong("language", b.Language, "es or en")
	}
	if b.Email != nil {
		if err := b.Email.validate(mails); err != nil {
			return err
		}
	}
	if b.Webhook == nil {
		return nil
	}
	if !b.Webhook.Secret.IsSet() {
		return wrong("webhook.secret", "", "a secret, such as file:///run/secrets/"+name)
	}
	return notify.ValidateURL(b.Webhook.URL)
}

func (e Email) validate(mails bool) error {
	switch {
	case !mails:
		return wrong("email", "", "SMTP_ADDRESS and SMTP_FROM to be set")
	case len(e.To)+len(e.SenderDomains) == 0:
		return wrong("email", "", "to, sender_domains, or both")
	}
	for _, to := range e.To {
		if _, err := mail.ParseAddress(to); err != nil {
			return wrong("email.to", to, "an address, such as ventas@example.com")
		}
	}
	for _, domain := range e.SenderDomains {
		if strings.ContainsAny(domain, "@ */") || !strings.Contains(domain, ".") {
			return wrong("email.sender_domains", domain, "a domain, such as example.com")
		}
	}
	return nil
}

// recipients are all who get e-mail about what sender submitted.
func (e Email) recipients(sender string) []string {
	to := e.To
	address, err := mail.ParseAddress(sender)
	if err != nil {
		return to
	}
	for _, named := range to {
		if a, err := mail.ParseAddress(named); err == nil && strings.EqualFold(a.Address, address.Address) {
			return to
		}
	}
	_, domain, _ := strings.Cut(address.Address, "@")
	for _, d := range e.SenderDomains {
		if strings.EqualFold(d, domain) {
			return append(to[:len(to):len(to)], address.Address)
		}
	}
	return to
}

// hook opens the webhook, if there is one.
func (b Mailbox) hook(ctx context.Context, network *notify.Network) (*notify.Webhook, error) {
	if b.Webhook == nil {
		return nil, nil
	}
	key, err := b.Webhook.Secret.Value(ctx)
	if err != nil {
		return nil, fmt.Errorf("webhook.secret: %w", err)
	}
	return network.Webhook(b.Webhook.URL, key)
}
