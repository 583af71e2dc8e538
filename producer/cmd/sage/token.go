package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sagefleet/sagefleet/producer/access"
	"github.com/sagefleet/sagefleet/shared/bus"
)

// tokenCommands look after the tokens of the HTTP API and the console.
type tokenCommands struct {
	Create tokenCreateCommand `cmd:"" help:"Make a token and print it, once."`
	List   tokenListCommand   `cmd:"" help:"List tokens."`
	Revoke tokenRevokeCommand `cmd:"" help:"End a token."`
}

type tokenCreateCommand struct {
	Name    string      `arg:"" help:"Who bears it, as events and lists name them."`
	Mailbox []string    `required:"" placeholder:"NAME" help:"Mailboxes (casillas) that it is good for; * is all."`
	Role    access.Role `default:"submitter" enum:"viewer,submitter,operator" help:"What it may do there: ${enum}. Each may what those before it may."`
	Expires deadline    `placeholder:"WHEN" help:"When it ends: 2160h from now, or 2030-01-31T18:00:00Z; never when not given."`
	By      string      `env:"SAGE_OPERATOR" placeholder:"NAME" help:"Who makes it, for the list; this user at this host when not given."`
	JSON    bool        `name:"json" help:"Print one line of JSON."`
}

// Help says what becomes of the token, and documents the exit codes.
func (tokenCreateCommand) Help() string {
	return `Prints a token for the HTTP API and the console of ` + "`sage serve`" + `. Only its hash is kept: who loses it needs another.

	sage token create ana --mailbox ventas,devoluciones --role operator --expires 2160h

Exit codes:

	0  made
	2  wrong usage or a system failure`
}

// tokens connects to the fleet's tokens. The caller calls closeIt.
func (a *app) tokens(ctx context.Context) (tokens *access.Tokens, closeIt func(), err error) {
	nc, js, err := a.connectAs(ctx, bus.IdentityAdmin)
	if err != nil {
		return nil, nil, err
	}
	kv, err := js.KeyValue(ctx, bus.BucketAccess)
	if err != nil {
		nc.Close()
		return nil, nil, fmt.Errorf("open bucket %s: %w", bus.BucketAccess, err)
	}
	return access.NewTokens(kv), nc.Close, nil
}

// Run makes a token.
func (c tokenCreateCommand) Run(ctx context.Context, a *app) error {
	grant := access.Grant{Name: c.Name, Role: c.Role, Mailboxes: c.Mailbox, Expires: c.Expires.Time}
	if err := grant.Validate(); err != nil {
		return err
	}
	tokens, closeIt, err := a.tokens(ctx)
	if err != nil {
		return err
	}
	defer closeIt()
	text, record, err := tokens.Create(ctx, grant, operatorFlags{By: c.By}.who())
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(a.stdout, struct {
			Token string `json:"token"`
			access.Identity
		}{text, record.Identity})
	}
	_, _ = fmt.Fprintf(a.stderr, "%s of %s in %s; it can't be shown again:\n", c.Role, c.Name, strings.Join(c.Mailbox, ", "))
	_, err = fmt.Fprintln(a.stdout, text)
	return err
}

type tokenListCommand struct {
	All  bool `help:"Also what is expired or revoked."`
	JSON bool `name:"json" help:"Print one line of JSON for each."`
}

// Help gives an example, and documents the exit codes.
func (tokenListCommand) Help() string {
	return `Lists who bears a token, for which mailboxes, in which role and until when. Tokens themselves aren't kept.

	sage token list

Exit codes:

	0  whatever was found
	2  wrong usage, or a system failure`
}

// listedToken is what --json prints of one.
type listedToken struct {
	access.Identity
	State   string    `json:"state"`
	Created time.Time `json:"created"`
	By      string    `json:"by"`
	Revoked time.Time `json:"revoked,omitzero"`
}

func listedOf(r access.Record, now time.Time) listedToken {
	return listedToken{r.Identity, r.State(now), r.Created, r.By, r.Revoked}
}

// Run lists tokens.
func (c tokenListCommand) Run(ctx context.Context, a *app) error {
	tokens, closeIt, err := a.tokens(ctx)
	if err != nil {
		return err
	}
	defer closeIt()
	all, err := tokens.List(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	hidden := 0
	for _, r := range all {
		state := r.State(now)
		if state != "good" && !c.All {
			hidden++
			continue
		}
		if c.JSON {
			if err := printJSON(a.stdout, listedOf(r, now)); err != nil {
				return err
			}
			continue
		}
		expires := "never"
		if !r.Expires.IsZero() {
			expires = r.Expires.Format(time.RFC3339)
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\texpires %s\tmade %s by %s\n", r.ID, r.Name, r.Role, strings.Join(r.Mailboxes, ","),
			state, expires, r.Created.Format(time.DateOnly), printable(r.By))
	}
	if len(all) == 0 {
		_, _ = fmt.Fprintln(a.stderr, "no tokens; make one with `sage token create`")
	}
	if hidden > 0 && !c.JSON {
		_, _ = fmt.Fprintf(a.stderr, "%s expired or revoked: --all\n", count(hidden, "token"))
	}
	return w.Flush()
}

type tokenRevokeCommand struct {
	ID   string `arg:"" name:"id" help:"The token's id, as the list has it: the part between sage_ and the next _."`
	JSON bool   `name:"json" help:"Print one line of JSON, as the list does."`
}

// Help says when it takes effect, and documents the exit codes.
func (tokenRevokeCommand) Help() string {
	return `Ends a token and the sessions that were begun with it, at most ACCESS_CACHE later. May be repeated.

	sage token revoke k3x9qa7c2m

Exit codes:

	0  revoked
	2  no such token, wrong usage or a system failure`
}

// Run revokes a token.
func (c tokenRevokeCommand) Run(ctx context.Context, a *app) error {
	tokens, closeIt, err := a.tokens(ctx)
	if err != nil {
		return err
	}
	defer closeIt()
	r, err := tokens.Revoke(ctx, c.ID)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(a.stdout, listedOf(r, time.Now()))
	}
	_, err = fmt.Fprintf(a.stdout, "%s of %s is revoked\n", r.ID, r.Name)
	return err
}
