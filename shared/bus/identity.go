package bus

import (
	"regexp"
	"strings"

	"github.com/sagefleet/sagefleet/shared/settings"
)

// Identity is who connects. It decides what the server lets a connection do; the
// client must know it because replies come on a subject that only it may read.
type Identity string

// The identities of a fleet.
const (
	IdentityWorker   Identity = "worker"
	IdentityBridge   Identity = "bridge"
	IdentityLambda   Identity = "lambda" // a function that is invoked directly, with LAMBDA_GUARDED
	IdentityOperator Identity = "operator"
	IdentityServe    Identity = "serve"   // the HTTP API and the console
	IdentityConsole  Identity = "console" // looks, and can change nothing
	IdentityGC       Identity = "gc"
	IdentityNotify   Identity = "notify" // answers senders, and tells operators
	IdentityAdmin    Identity = "admin"  // provisions streams, makes tokens, and reads no message
)

// Identities are all but the producers', of whom a fleet has as many as it likes.
var Identities = []Identity{IdentityWorker, IdentityBridge, IdentityLambda, IdentityOperator, IdentityServe, IdentityConsole, IdentityGC, IdentityNotify,
	IdentityAdmin}

const producerPrefix = "producer-"

// Producer is the identity of the producer with that name.
func Producer(name string) Identity { return Identity(producerPrefix + name) }

// IsProducer reports whether i is a producer's.
func (i Identity) IsProducer() bool { return strings.HasPrefix(string(i), producerPrefix) }

// Inbox is the prefix of the subjects on which i gets its replies.
func (i Identity) Inbox() string { return "_INBOX_" + string(i) }

var identityName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// Validate refuses what can't be a part of a subject.
func (i Identity) Validate() error {
	if !identityName.MatchString(string(i)) {
		return settings.Invalid("NATS_IDENTITY", i, "up to 63 lower-case letters, digits and hyphens, such as operator or "+producerPrefix+"ventas")
	}
	return nil
}
