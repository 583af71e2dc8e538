package execution

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sagefleet/sagefleet/shared/fault"
)

// Limits of a request on the wire.
const (
	MaxInlineConfig = 256 << 10 // bytes of YAML inside a request; more travels by reference
	MaxInputs       = 1000
	MaxURI          = 2048 // bytes
	maxNameBytes    = 255
	maxTextBytes    = 1024
)

// Schema is the JSON Schema (2020-12) of a request on the wire.
//
//go:embed request.schema.json
var Schema []byte

// Request asks for one execution: one set of files through one configuration.
// Its JSON form is what producers publish; [Decode] reads it strictly.
type Request struct {
	Version int     `json:"version,omitempty"` // of this format; 0 means 1, and 1 is written as nothing
	ID      string  `json:"execution_id,omitempty"`
	Config  Config  `json:"yaml_config"`
	Inputs  []Input `json:"input_files"`
	Mailbox string  `json:"mailbox,omitempty"` // casilla; the subject's wins
	Sender  string  `json:"sender,omitempty"`  // emisor, as the report shows it
	Method  string  `json:"method,omitempty"`  // how the files arrived: mail, api, sftp …

	// Deadline is an objective, not a limit: late work still runs.
	Deadline time.Time `json:"deadline,omitzero"`
	// Class chooses a service level: how long an attempt may take. One that the
	// fleet doesn't know, or none, is the default.
	Class      string `json:"class,omitempty"`
	Generation int    `json:"generation,omitempty"` // 0 means 1
	Trace      string `json:"trace,omitempty"`      // W3C traceparent
}

// LambdaBytes is how many bytes of files a Lambda has room for: 10,240 MiB of ephemeral
// storage (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
const LambdaBytes = 10_240 << 20

// Bytes is how large the files are together, as the request claims; 0 when it leaves
// out one of them.
func (r Request) Bytes() int64 {
	var sum int64
	for _, in := range r.Inputs {
		if in.Size == nil || *in.Size < 0 || *in.Size > math.MaxInt64-sum {
			return 0
		}
		sum += *in.Size
	}
	return sum
}

// Config is a SAGE configuration, either the YAML itself or a reference to it.
// On the wire a string is the text and an object {uri, sha256} is a reference.
type Config struct {
	Text   string
	URI    string
	SHA256 string // hex; required with URI, so that a reference can't change its meaning
}

// Fingerprint names what the configuration says, in a few characters.
func (c Config) Fingerprint() string {
	const length = 12
	if c.URI != "" {
		return c.SHA256[:min(length, len(c.SHA256))]
	}
	sum := sha256.Sum256([]byte(c.Text))
	return hex.EncodeToString(sum[:])[:length]
}

// Input is one file to process: at a URI, or a file of an earlier execution of
// the same mailbox.
type Input struct {
	URI               string `json:"uri,omitempty"`
	SourceExecutionID string `json:"source_execution_id,omitempty"`
	Filename          string `json:"filename"`
	SHA256            string `json:"sha256,omitempty"` // hex; verified when present
	Size              *int64 `json:"size,omitempty"`   // bytes; verified when present
}

type reference struct {
	URI    string `json:"uri"`
	SHA256 string `json:"sha256"`
}

// MarshalJSON writes the text, or the reference when there is one.
func (c Config) MarshalJSON() ([]byte, error) {
	if c.URI != "" {
		return json.Marshal(reference{c.URI, c.SHA256})
	}
	return json.Marshal(c.Text)
}

// UnmarshalJSON accepts a string or an object {uri, sha256}.
func (c *Config) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		*c = Config{}
		return json.Unmarshal(data, &c.Text)
	}
	var ref reference
	if err := unmarshalStrict(data, &ref); err != nil {
		return err
	}
	*c = Config{URI: ref.URI, SHA256: ref.SHA256}
	return nil
}

// Key names the generation that the request asks for.
func (r Request) Key() Key { return Key{r.Mailbox, r.ID, max(r.Generation, 1)} }

// Digest identifies the content of the request: hex SHA-256 over everything that
// decides the answer. When, how urgently and in which generation it is asked for
// are not part of it, so a resubmission or a redrive has the same digest.
func (r Request) Digest() string {
	c := content{ID: r.ID, Config: r.Config.Text, Inputs: r.Inputs, Mailbox: r.Mailbox, Sender: r.Sender, Method: r.Method}
	if r.Config.URI != "" {
		c.Config = reference{r.Config.URI, r.Config.SHA256}
	}
	canonical, err := json.Marshal(c)
	if err != nil {
		panic("execution: a Request always marshals: " + err.Error()) // no field can fail
	}
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:])
}

// content is what a digest is made of: the fields of a Request that decide the
// answer, written as a Request writes them. A Config that is a string takes a third
// of the time of one that marshals itself.
type content struct {
	ID      string  `json:"execution_id,omitempty"`
	Config  any     `json:"yaml_config"`
	Inputs  []Input `json:"input_files"`
	Mailbox string  `json:"mailbox,omitempty"`
	Sender  string  `json:"sender,omitempty"`
	Method  string  `json:"method,omitempty"`
}

// Conflict is the permanent fault of an id that was used before for another
// request.
func Conflict(k Key) error {
	return fault.New(CodeConflict, "execution %s of mailbox %s was used for another request", k.ID, k.Mailbox).
		Expecting("the same configuration and files under the same id").
		Advise("submit under another execution_id").Permanent()
}

// Validate checks everything that can be checked without fetching a file. All
// its errors are permanent faults, but for the one of an unknown version.
func (r Request) Validate() error {
	if err := r.Key().Validate(); err != nil {
		return err
	}
	if r.Version < 0 {
		return fieldError(CodeRequestField, "version", "%d", r.Version).Expecting("%d, or nothing", RequestVersion)
	}
	if err := CheckVersion("a request", r.Version, RequestVersion); err != nil {
		return err
	}
	if r.Generation < 0 {
		return fieldError(CodeRequestField, "generation", "%d", r.Generation).Expecting("1 or more, or nothing")
	}
	if err := r.Config.validate(); err != nil {
		return err
	}
	if n := len(r.Inputs); n == 0 || n > MaxInputs {
		return fieldError(CodeRequestField, "input_files", "%d files", n).Expecting("1 to %d", MaxInputs)
	}
	for _, in := range r.Inputs {
		if err := in.validate(); err != nil {
			return err
		}
	}
	if r.Class != "" {
		if err := ValidateClass(r.Class); err != nil {
			return err
		}
	}
	for _, f := range []struct{ name, text string }{{"sender", r.Sender}, {"method", r.Method}, {"trace", r.Trace}} {
		if !isPlainText(f.text, maxTextBytes) {
			return fieldError(CodeRequestField, f.name, "%.40q", f.text).
				Expecting("UTF-8 text without control characters, at most %d bytes", maxTextBytes)
		}
	}
	return nil
}

func (c Config) validate() error {
	switch {
	case c.URI == "" && strings.TrimSpace(c.Text) == "":
		return fieldError(CodeRequestField, "yaml_config", "no configuration").
			Expecting("YAML text, or an object with uri and sha256")
	case c.URI == "" && len(c.Text) > MaxInlineConfig:
		return fieldError(CodeRequestField, "yaml_config", "%d bytes of text", len(c.Text)).
			Expecting("at most %d", MaxInlineConfig).Advise("store it and send {uri, sha256}")
	case !isPlainText(c.URI, MaxURI):
		return fieldError(CodeRequestField, "yaml_config.uri", "%.80q", c.URI).Expecting(uriExpected, MaxURI)
	case c.URI != "" && !isSHA256(c.SHA256):
		return fieldError(CodeRequestField, "yaml_config.sha256", "%.80q", c.SHA256).
			Expecting("64 hexadecimal digits, because the configuration is a reference")
	}
	return nil
}

const uriExpected = "UTF-8 text without control characters, at most %d bytes"

func (in Input) validate() error {
	if !IsFilename(in.Filename) {
		return fieldError(CodeRequestField, "input_files.filename", "%.80q", in.Filename).
			Expecting("a plain file name of 1 to %d bytes, without path separators or control characters", maxNameBytes)
	}
	if !isPlainText(in.URI, MaxURI) {
		return fieldError(CodeRequestField, "input_files.uri", "%.80q", in.URI).Expecting(uriExpected, MaxURI)
	}
	if (in.URI == "") == (in.SourceExecutionID == "") {
		return fieldError(CodeRequestField, "input_files", "%q has uri %q and source_execution_id %q",
			in.Filename, in.URI, in.SourceExecutionID).Expecting("exactly one of them")
	}
	if in.SourceExecutionID != "" {
		if err := validateToken(CodeID, "input_files.source_execution_id", in.SourceExecutionID); err != nil {
			return err
		}
	}
	if in.SHA256 != "" && !isSHA256(in.SHA256) {
		return fieldError(CodeRequestField, "input_files.sha256", "%.80q", in.SHA256).Expecting("64 hexadecimal digits")
	}
	if in.Size != nil && *in.Size < 0 {
		return fieldError(CodeRequestField, "input_files.size", "%d", *in.Size).Expecting("0 or more bytes")
	}
	return nil
}

// IsFilename reports whether name is a single path element fit for a scratch
// directory and a report.
func IsFilename(name string) bool {
	return name != "" && name != "." && name != ".." && isPlainText(name, maxNameBytes) &&
		!strings.ContainsAny(name, `/\`)
}

func isPlainText(s string, limit int) bool {
	return len(s) <= limit && utf8.ValidString(s) &&
		!strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f })
}

func isSHA256(s string) bool {
	_, err := hex.DecodeString(s)
	return err == nil && len(s) == 2*sha256.Size
}
