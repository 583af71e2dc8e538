package answers

import (
	"fmt"
	"net/mail"
	"net/url"
	"strings"
	"time"

	"github.com/sagefleet/sagefleet/producer/notices"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/notify"
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
	Language string           `yaml:"language"` // of e-mail: es, which is the default, or en
	Email    *Email           `yaml:"email"`
	Webhook  *notices.Webhook `yaml:"webhook"`
}

// Email says who gets e-mail.
type Email struct {
	To []string `yaml:"to"`
	// SenderDomains lets the sender that a request names have it too, if it is an address of one of
	// these. Else whoever may submit could have the fleet write to anyone.
	SenderDomains []string `yaml:"sender_domains"`
	Attach        bool     `yaml:"attach"` // report.html
}

// Read reads and checks the file.
func (c Config) Read() (Mailboxes, error) {
	var m Mailboxes
	if err := notices.Read(CodeSettings, "ANSWERS_FILE", c.File, &m); err != nil {
		return m, err
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
	return notices.Wrong(CodeSettings, field, value, expected)
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
	return b.Webhook.Validate(CodeSettings, name)
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
