package alarms

import (
	"context"
	"fmt"
	"maps"
	"net/mail"
	"net/url"
	"slices"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/sagefleet/sagefleet/producer/notices"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/notify"
	"github.com/sagefleet/sagefleet/shared/settings"
)

// CodeSettings is of a file of channels and rules that can't be used.
const CodeSettings fault.Code = "ALARMS_INVALID"

// Config says what to tell operators, and for how long to try.
type Config struct {
	// File is a YAML file: through which channels operators are told, and of what; nothing
	// without it.
	File string `env:"ALARMS_FILE"`
	// Every is how often is looked for what is wrong.
	Every time.Duration `env:"ALARMS_EVERY" envDefault:"5s"`
	// Patience is how long it is tried to tell operators of something.
	Patience time.Duration `env:"ALARMS_PATIENCE" envDefault:"24h"`
	Notify   notify.Config
}

// On reports whether there is anything to tell.
func (c Config) On() bool { return c.File != "" }

// Validate refuses values that can't work, by variable.
func (c Config) Validate() error {
	switch {
	case c.Every < 100*time.Millisecond || c.Every > time.Minute:
		return settings.Invalid("ALARMS_EVERY", c.Every, "100ms to 1m")
	case c.Patience < time.Minute || c.Patience > notices.Kept/2:
		return settings.Invalid("ALARMS_PATIENCE", c.Patience, "1m to 360h")
	}
	return c.Notify.Validate()
}

// File is the content of the file.
type File struct {
	Console  string             `yaml:"console"`  // URL of the console, for links; no links without it
	Language string             `yaml:"language"` // es, which is the default, or en
	Channels map[string]Channel `yaml:"channels"`
	Rules    map[string]Rule    `yaml:"rules"` // those that aren't there are as [Defaults] has them
}

// Channel is one way to operators: exactly one of Email, Webhook and SNS.
type Channel struct {
	Email   *Email           `yaml:"email"`
	Webhook *notices.Webhook `yaml:"webhook"`
	SNS     *SNS             `yaml:"sns"`
	// PerHour is how many messages an hour go through it, 20 if it isn't said. What would be
	// more comes together in one.
	PerHour int `yaml:"per_hour"`
}

// Email says who gets e-mail: each a message of their own.
type Email struct {
	To []string `yaml:"to"`
}

// SNS names a topic.
type SNS struct {
	Topic string `yaml:"topic"` // its ARN
}

// Rules.
const (
	RuleDead     = "dead"     // a dead letter; one incident for each mailbox and code
	RuleDeadline = "deadline" // an execution ended after its deadline; one for each mailbox
	RuleBudget   = "budget"   // too much of what the Lambda may cost is used; one for each limit
	RuleStuck    = "stuck"    // an execution doesn't go on; one for each mailbox
	RuleDown     = "down"     // a worker or bridge fell silent; one for each
	RuleBacklog  = "backlog"  // the oldest waits for too long; one for each queue
)

// Rule says when something is told, and through what.
type Rule struct {
	Off      bool     `yaml:"off"`
	Channels []string `yaml:"channels"` // names; all when empty
	// After is how long it has to be so: of stuck, down and backlog.
	After time.Duration `yaml:"after"`
	At    float64       `yaml:"at"` // percent, of budget
	// Again is how long after it was told of an incident is told again, if it goes on.
	Again time.Duration `yaml:"again"`
	// Calm is how long it must not have been so to be over.
	Calm time.Duration `yaml:"calm"`
}

// Defaults are the rules as they are if the file doesn't say otherwise. What happens, as
// dead letters do, is told again when an hour has passed and there were more; what is the
// case, as a budget, once a day.
var Defaults = map[string]Rule{
	RuleDead:     {Again: time.Hour, Calm: time.Hour},
	RuleDeadline: {Again: time.Hour, Calm: time.Hour},
	RuleBudget:   {At: 80, Again: 24 * time.Hour, Calm: 5 * time.Minute},
	RuleStuck:    {After: 2 * time.Hour, Again: 24 * time.Hour, Calm: time.Minute},
	RuleDown:     {After: 15 * time.Second, Again: 24 * time.Hour, Calm: 5 * time.Second},
	RuleBacklog:  {After: 10 * time.Minute, Again: 24 * time.Hour, Calm: time.Minute},
}

const (
	defaultPerHour = 20
	mostSilent     = 45 * time.Second
)

// Read reads and checks the file, and adds what it doesn't say.
func (c Config) Read() (File, error) {
	var f File
	if err := notices.Read(CodeSettings, "ALARMS_FILE", c.File, &f); err != nil {
		return f, err
	}
	if err := f.complete(c.Notify.Address != ""); err != nil {
		return f, fmt.Errorf("ALARMS_FILE %s: %w", c.File, err)
	}
	return f, nil
}

func wrong(field, value, expected string) error {
	return notices.Wrong(CodeSettings, field, value, expected)
}

func (f *File) complete(mails bool) error {
	if u, err := url.Parse(f.Console); f.Console != "" && (err != nil || u.Host == "" || !strings.HasPrefix(u.Scheme, "http")) {
		return wrong("console", f.Console, "the console's URL, such as https://sage.example.com")
	}
	if f.Language == "" {
		f.Language = "es"
	}
	if texts[f.Language] == nil {
		return wrong("language", f.Language, "es or en")
	}
	if len(f.Channels) == 0 {
		return wrong("channels", "", "one or more")
	}
	for _, name := range slices.Sorted(maps.Keys(f.Channels)) {
		if err := f.Channels[name].validate(name, mails); err != nil {
			return fmt.Errorf("channels.%s: %w", name, err)
		}
	}
	rules := maps.Clone(Defaults)
	for name, r := range f.Rules {
		base, ok := Defaults[name]
		if !ok {
			return wrong("rules", name, strings.Join(slices.Sorted(maps.Keys(Defaults)), ", "))
		}
		if err := r.validate(base); err != nil {
			return fmt.Errorf("rules.%s: %w", name, err)
		}
		if name == RuleDown && r.After > mostSilent {
			return fmt.Errorf("rules.%s: %w", name, wrong("after", r.After.String(), "at most "+mostSilent.String()+": heartbeats are kept for a minute"))
		}
		rules[name] = r.over(base)
	}
	f.Rules = rules
	for name, r := range f.Rules {
		for _, channel := range r.Channels {
			if _, ok := f.Channels[channel]; !ok {
				return wrong("rules."+name+".channels", channel, "names of channels")
			}
		}
		if len(r.Channels) == 0 {
			r.Channels = slices.Sorted(maps.Keys(f.Channels))
			f.Rules[name] = r
		}
	}
	return nil
}

// validate refuses what has no meaning for a rule, besides what can't be.
func (r Rule) validate(base Rule) error {
	switch {
	case r.After < 0 || r.After > 0 && base.After == 0:
		return wrong("after", r.After.String(), "nothing here, or a time such as 10m of stuck, down and backlog")
	case r.At != 0 && base.At == 0 || r.At < 0 || r.At > 100:
		return wrong("at", fmt.Sprint(r.At), "nothing here, or a percentage of budget")
	case r.Again < 0:
		return wrong("again", r.Again.String(), "a time such as 1h")
	case r.Calm < 0:
		return wrong("calm", r.Calm.String(), "a time such as 1m")
	}
	return nil
}

func (r Rule) over(base Rule) Rule {
	pick := func(own, other time.Duration) time.Duration {
		if own == 0 {
			return other
		}
		return own
	}
	r.After, r.Again, r.Calm = pick(r.After, base.After), pick(r.Again, base.Again), pick(r.Calm, base.Calm)
	if r.At == 0 {
		r.At = base.At
	}
	return r
}

func (c Channel) validate(name string, mails bool) error {
	kinds := 0
	for _, is := range []bool{c.Email != nil, c.Webhook != nil, c.SNS != nil} {
		if is {
			kinds++
		}
	}
	switch {
	case kinds != 1:
		return wrong("", name, "one of email, webhook and sns")
	case strings.ContainsAny(name, ". *>\t"):
		return wrong("", name, "a name without dots and spaces")
	case c.PerHour < 0:
		return wrong("per_hour", fmt.Sprint(c.PerHour), "1 or more")
	case c.Webhook != nil:
		return c.Webhook.Validate(CodeSettings, name)
	case c.SNS != nil:
		return notify.ValidateTopic(c.SNS.Topic)
	case !mails:
		return wrong("email", "", "SMTP_ADDRESS and SMTP_FROM to be set")
	case len(c.Email.To) == 0:
		return wrong("email.to", "", "one address or more")
	}
	for _, to := range c.Email.To {
		if _, err := mail.ParseAddress(to); err != nil {
			return wrong("email.to", to, "an address, such as guardia@example.com")
		}
	}
	return nil
}

// way is one recipient that is told: an address, a URL or a topic.
type way struct {
	name    string // in the bucket: the channel's, and of several addresses which
	channel string
	kind    string // email, webhook or sns
	perHour int
	notify.Channel
}

// open opens all channels. An e-mail to each address is a way of its own.
func (f File) open(ctx context.Context, cfg notify.Config, options ...gomail.Option) (all []way, err error) {
	network := notify.NewNetwork(cfg.Private)
	for _, name := range slices.Sorted(maps.Keys(f.Channels)) {
		c := f.Channels[name]
		w := way{name: name, channel: name, perHour: c.PerHour}
		if w.perHour == 0 {
			w.perHour = defaultPerHour
		}
		switch {
		case c.Webhook != nil:
			w.kind = "webhook"
			w.Channel, err = c.Webhook.Open(ctx, network)
		case c.SNS != nil:
			w.kind = "sns"
			w.Channel, err = notify.OpenTopic(ctx, c.SNS.Topic)
		default:
			post, failed := cfg.Open(ctx, options...)
			if err = failed; err == nil {
				for _, to := range c.Email.To {
					w.kind, w.name, w.Channel = "email", name+"-"+notify.ID(to), post.To(to)
					all = append(all, w)
				}
			}
		}
		if err != nil {
			return nil, fmt.Errorf("channels.%s: %w", name, err)
		}
		if w.kind != "email" {
			all = append(all, w)
		}
	}
	return all, nil
}
