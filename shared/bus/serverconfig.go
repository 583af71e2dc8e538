package bus

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
)

// CodeServerConfig says that no server can be configured so.
const CodeServerConfig fault.Code = "NATS_CONFIG"

// User is one who may connect: an identity, and the public part of its NKey.
type User struct {
	Identity  Identity
	PublicKey string
	Mailboxes []string // of a producer
}

// ServerConfig is what a nats-server of a fleet has to know.
type ServerConfig struct {
	Name     string // of the server; its own choice when empty
	Listen   string // host:port
	Monitor  string // host:port of the monitoring, which [CheckDurability] asks; none when empty
	StoreDir string // where streams are kept; the server's own choice when empty
	// Paths of PEM files: the server's certificate and key, and with a CA, clients
	// have to show a certificate of it besides their NKey.
	Cert, Key, ClientCA string
	Durability          Durability
	Cluster             Cluster
	Users               []User
}

// Validate refuses what the server would misunderstand.
func (s ServerConfig) Validate() error {
	refuse := func(format string, args ...any) *fault.Error {
		return fault.New(CodeServerConfig, format, args...).Permanent()
	}
	if s.Cert == "" || s.Key == "" {
		return refuse("no certificate is named").Expecting("paths of a certificate and its key: what is published must not be read on the way")
	}
	if err := s.Cluster.validate(refuse); err != nil {
		return err
	}
	seen := map[Identity]bool{}
	keys := map[string]Identity{}
	for _, u := range s.Users {
		if err := u.Identity.Validate(); err != nil {
			return err
		}
		switch other, taken := keys[u.PublicKey]; {
		case !u.Identity.IsProducer() && !slices.Contains(Identities, u.Identity):
			return refuse("%s is no identity of a fleet", u.Identity).Expecting("%v or %sNAME", Identities, producerPrefix)
		case seen[u.Identity]:
			return refuse("%s is named twice", u.Identity)
		case taken:
			return refuse("%s and %s have the same key", other, u.Identity).Expecting("a key for each")
		case u.Identity.IsProducer() && len(u.Mailboxes) == 0:
			return refuse("%s has no mailbox", u.Identity).Expecting("at least one that it may submit to")
		}
		for _, m := range u.Mailboxes {
			if err := execution.ValidateMailbox(m); err != nil {
				return err
			}
		}
		seen[u.Identity], keys[u.PublicKey] = true, u.Identity
	}
	return nil
}

// Text is the configuration in the server's own language.
func (s ServerConfig) Text() string {
	w := &configText{}
	w.line("# Made by `sage admin nats-config`: make it anew instead of changing it.")
	w.line("# What a user isn't allowed here is denied.")
	if s.Name != "" {
		w.set("server_name", s.Name)
	}
	w.set("listen", s.Listen)
	if s.Monitor != "" {
		w.set("http", s.Monitor)
	}
	w.block("tls", func() {
		w.set("cert_file", s.Cert)
		w.set("key_file", s.Key)
		if s.ClientCA != "" {
			w.set("ca_file", s.ClientCA)
			w.line("verify: true")
		}
		w.line(`min_version: "1.2"`)
	})
	w.block("jetstream", func() {
		if s.StoreDir != "" {
			w.set("store_dir", s.StoreDir)
		}
		if s.Durability != Fast {
			w.line("sync_interval: always # NATS_DURABILITY is %s", s.Durability)
		}
	})
	s.cluster(w)
	w.line("system_account: SYS")
	w.block("accounts", func() {
		w.line("SYS {}")
		w.block(AccountFleet, func() {
			w.line("jetstream: enabled")
			s.users(w, AccountFleet)
			list(w, "exports", s.services(AccountProducers, AccountReaders), func(e service) string {
				text := fmt.Sprintf("{service: %s, accounts: [%s]", strconv.Quote(e.subject), e.account)
				if e.many {
					text += ", response_type: Stream"
				}
				return text + "}"
			})
		})
		for _, account := range []string{AccountProducers, AccountReaders} {
			w.block(account, func() {
				s.users(w, account)
				list(w, "imports", s.services(account), func(i service) string {
					return fmt.Sprintf("{service: {account: %s, subject: %s}}", AccountFleet, strconv.Quote(i.subject))
				})
			})
		}
	})
	return w.String()
}

// service is what an account may ask the fleet's.
type service struct {
	account, subject string
	many             bool // more than one message may come in answer
}

// services are what the users of accounts may publish. Producers share a few: what
// each of them may use of them is its own permissions' affair.
func (s ServerConfig) services(accounts ...string) (found []service) {
	if slices.Contains(accounts, AccountReaders) {
		// No user may ask for it. But the server answers requests to JetStream in the
		// name of an account that has none, unless that imports this.
		found = append(found, service{AccountReaders, apiInfo, false})
	}
	for _, u := range s.Users {
		p := u.Identity.Permissions(u.Mailboxes...)
		if p.Account == AccountProducers {
			p = u.Identity.Permissions("*")
		}
		for _, g := range p.Publish {
			stream, isGet := strings.CutPrefix(g.Subject, apiDirectGet)
			one := service{p.Account, g.Subject, isGet && !strings.Contains(stream, ".")}
			if slices.Contains(accounts, p.Account) && !slices.Contains(found, one) {
				found = append(found, one)
			}
		}
	}
	slices.SortFunc(found, func(a, b service) int {
		return cmp.Or(strings.Compare(a.account, b.account), strings.Compare(a.subject, b.subject))
	})
	return found
}

func (s ServerConfig) users(w *configText, account string) {
	list(w, "users", s.Users, func(u User) string {
		p := u.Identity.Permissions(u.Mailboxes...)
		if p.Account != account {
			return ""
		}
		inner := &configText{depth: w.depth}
		inner.line("{nkey: %s # %s", u.PublicKey, u.Identity)
		inner.depth++
		inner.block("permissions", func() {
			for _, direction := range []struct {
				name   string
				grants []Grant
			}{{"publish", p.Publish}, {"subscribe", p.Subscribe}} {
				inner.block(direction.name, func() {
					list(inner, "allow", unique(direction.grants), func(g Grant) string {
						return strconv.Quote(g.Subject) + " # " + g.Why
					})
				})
			}
		})
		inner.depth--
		inner.line("}")
		return strings.TrimSpace(inner.String())
	})
}

// unique leaves out subjects that were granted before.
func unique(grants []Grant) (kept []Grant) {
	for _, g := range grants {
		if !slices.ContainsFunc(kept, func(k Grant) bool { return k.Subject == g.Subject }) {
			kept = append(kept, g)
		}
	}
	return kept
}

// configText writes the server's configuration language, indented.
type configText struct {
	strings.Builder
	depth int
}

func (w *configText) line(format string, args ...any) {
	_, _ = fmt.Fprintf(w, strings.Repeat("  ", w.depth)+format+"\n", args...)
}

func (w *configText) set(name, value string) { w.line("%s: %s", name, strconv.Quote(value)) }

func (w *configText) block(name string, body func()) {
	w.line("%s {", name)
	w.depth++
	body()
	w.depth--
	w.line("}")
}

// list writes what text makes of each item, and leaves out what it makes nothing of.
func list[T any](w *configText, name string, items []T, text func(T) string) {
	w.line("%s: [", name)
	w.depth++
	for _, item := range items {
		if one := text(item); one != "" {
			w.line("%s", one)
		}
	}
	w.depth--
	w.line("]")
}
