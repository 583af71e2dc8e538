package console

import (
	"errors"
	"net/http"

	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/producer/access"
	"github.com/sagefleet/sagefleet/producer/api"
	"github.com/sagefleet/sagefleet/producer/configurations"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/spec"
)

// Submitter takes the files of a form; an [api.API] does.
type Submitter interface {
	SubmitForm(w http.ResponseWriter, r *http.Request) (execution.Request, error)
}

// submitView is the page where files are submitted.
type submitView struct {
	Mailbox, Sender string
	Text            string   // of the configuration, or its name
	Mailboxes       []string // to choose from; none is any
	Named           []string // configurations that are kept
	Fault           *fault.Error
	Issues          spec.Issues // all that is wrong with the configuration
}

// maxNamed bounds the mailboxes whose configurations are offered.
const maxNamed = 20

func (c *Console) viewSubmit(v *visit) (any, error) {
	if !v.who.Role.Includes(access.Submitter) {
		return nil, fault.New(access.CodeDenied, "%s may not submit", v.who.Name).Expecting("the role %s", access.Submitter).Permanent()
	}
	return c.submitPage(v, submitView{Mailbox: v.URL.Query().Get("mailbox")})
}

// submitPage adds what there is to choose from.
func (c *Console) submitPage(v *visit, s submitView) (submitView, error) {
	of := []string{}
	if !v.who.Everywhere() {
		s.Mailboxes = v.who.Mailboxes
		of = s.Mailboxes[:min(maxNamed, len(s.Mailboxes))]
	} else if execution.ValidateMailbox(s.Mailbox) == nil {
		of = []string{s.Mailbox}
	}
	kept := configurations.New(c.parts.Objects)
	for _, mailbox := range of {
		versions, err := kept.List(v.Context(), mailbox)
		if err != nil {
			return s, err
		}
		for _, version := range versions {
			s.Named = append(s.Named, version.Name)
		}
	}
	return s, nil
}

// submit has a form's files accepted, and leads to their execution. What is refused
// comes back with the form, as it was filled in.
func (c *Console) submit(w http.ResponseWriter, r *http.Request) {
	v := newVisit(r)
	if !v.who.Role.Includes(access.Submitter) {
		_, err := c.viewSubmit(v)
		c.fail(w, v, err)
		return
	}
	request, err := c.parts.Submit.SubmitForm(w, r)
	if err == nil {
		http.Redirect(w, r, executionURL(request.Mailbox, request.ID)+"?done=submitted", http.StatusSeeOther)
		return
	}
	status, told := api.Explain(err)
	if status == http.StatusForbidden {
		c.fail(w, v, err)
		return
	}
	if status >= http.StatusInternalServerError {
		zerolog.Ctx(r.Context()).Error().Err(err).Msg("files not accepted")
	}
	s := submitView{Mailbox: request.Mailbox, Sender: request.Sender, Text: request.Config.Text, Fault: told}
	if invalid, ok := errors.AsType[configurations.Invalid](err); ok {
		s.Issues = invalid.Issues
	}
	if s, err = c.submitPage(v, s); err != nil {
		c.fail(w, v, err)
		return
	}
	c.write(w, v, status, "submit", s)
}
