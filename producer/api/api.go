// Package api is the fleet over HTTP: it takes files and requests, says where they
// stand, and hands out reports.
//
// Its answers are in /openapi.json. An execution is accepted when the answer is
// 202, and not before: by then its files, its request and its message are stored.
package api

import (
	"context"
	"net/http"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/producer/access"
	"github.com/sagefleet/sagefleet/producer/configurations"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/delegation"
	"github.com/sagefleet/sagefleet/shared/event"
	"github.com/sagefleet/sagefleet/shared/intake"
	"github.com/sagefleet/sagefleet/shared/ledger"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/settings"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// Config bounds what is taken.
type Config struct {
	MaxFile   int64 `env:"API_MAX_FILE_BYTES" envDefault:"5368709120"`    // bytes of one uploaded file
	MaxUpload int64 `env:"API_MAX_UPLOAD_BYTES" envDefault:"21474836480"` // bytes of one request with files
	// Uploads is how many requests with files are taken at once; more are told to
	// come again. Against S3 each may hold 5 MiB.
	Uploads int `env:"API_UPLOADS" envDefault:"16"`
	// MinRate is how many bytes per second must come on average, and go, after
	// API_GRACE.
	MinRate int64         `env:"API_MIN_RATE" envDefault:"16384"`
	Grace   time.Duration `env:"API_GRACE" envDefault:"30s"`  // before MinRate counts
	Presign time.Duration `env:"API_PRESIGN" envDefault:"1h"` // how long a request to S3 that was signed for an upload is good
	// The same as the workers': what lies elsewhere is refused at the door.
	InputPrefixes []string `env:"INPUT_PREFIXES"`
}

// Validate refuses values that can't work, by variable.
func (c Config) Validate() error {
	switch {
	case c.MaxFile < 1:
		return settings.Invalid("API_MAX_FILE_BYTES", c.MaxFile, "1 or more")
	case c.MaxUpload < c.MaxFile:
		return settings.Invalid("API_MAX_UPLOAD_BYTES", c.MaxUpload, "at least API_MAX_FILE_BYTES")
	case c.Uploads < 1:
		return settings.Invalid("API_UPLOADS", c.Uploads, "1 or more")
	case c.MinRate < 1:
		return settings.Invalid("API_MIN_RATE", c.MinRate, "1 or more")
	case c.Grace < time.Second:
		return settings.Invalid("API_GRACE", c.Grace, "1s or more")
	case c.Presign < time.Second || c.Presign > 7*24*time.Hour:
		return settings.Invalid("API_PRESIGN", c.Presign, "1s to 168h")
	}
	return nil
}

// History lists executions.
type History interface {
	List(ctx context.Context, f ledger.Filter, cursor string, limit int) (ledger.Page, error)
}

// Fleet is what the API speaks for.
type Fleet struct {
	JS       jetstream.JetStream
	Objects  storage.Store
	Presign  storage.Presigner // nil where files are in a directory
	Tracker  *producer.Tracker
	Operator *producer.Operator
	History  History
	Access   access.Identifier
	// Delegations is the ledger of what was handed to a Lambda; nil where it can't be read.
	Delegations *delegation.Ledger
}

// API answers requests. It is safe for concurrent use.
type API struct {
	Fleet
	cfg      Config
	producer *producer.Producer
	outcomes *outcome.Store
	configs  *configurations.Store
	events   *event.Publisher
	places   intake.Places
	uploads  chan struct{} // holds one for each upload under way
	document []byte        // OpenAPI, as JSON
}

// New returns an API for f.
func New(f Fleet, cfg Config) *API {
	a := &API{Fleet: f, cfg: cfg, producer: producer.New(f.JS, f.Objects), outcomes: outcome.New(f.Objects),
		configs: configurations.New(f.Objects), events: event.New(f.JS, bus.SubjectEvent), places: cfg.InputPrefixes,
		uploads: make(chan struct{}, cfg.Uploads), document: documentJSON()}
	if len(a.places) == 0 {
		a.places = intake.OwnPlaces(f.Objects)
	}
	return a
}

// Handler serves /v1/ and /openapi.json.
func (a *API) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range routes {
		mux.Handle(r.method+" "+r.path, a.handler(r))
	}
	return secure(describeMisses(mux))
}
