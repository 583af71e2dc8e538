package bus

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// MinServer is the oldest nats-server that has all that a fleet needs: scheduled
// messages, and persist modes.
const MinServer = "2.12.0"

// probeName stands for every wildcard of what is probed. Nothing is called so.
const probeName = "sage-doctor-probe"

// sentinel is what nobody may publish to. The server answers in order: when it has
// refused this, it has refused all before.
const sentinel = "$SYS.REQ." + probeName

// Probe returns those grants of an identity that the server doesn't allow it, and how
// many were tried. mailbox is one that a producer submits to; empty for others, or to
// try nothing of a producer's.
//
// Nothing comes of what is published: the body is no JSON, so that no request to
// JetStream is carried out, and what a stream would keep expects to be in another
// stream. Acknowledgements, pulls and deletions of streams are not tried all the same.
func Probe(ctx context.Context, cfg Config, as Identity, mailbox string) (lacks []Grant, tried int, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var mu sync.Mutex
	denied := map[string]bool{}
	done := make(chan struct{})
	nc, err := Connect(ctx, cfg, as, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
		m := violation.FindStringSubmatch(err.Error())
		if m == nil {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if m[2] == sentinel && !denied[sentinel] {
			close(done)
		}
		denied[m[2]] = true
	}))
	if err != nil {
		return nil, 0, err
	}
	defer nc.Close()
	var mailboxes []string
	if mailbox != "" {
		mailboxes = []string{mailbox}
	}
	grants := unique(as.Permissions(mailboxes...).Publish)
	for _, g := range grants {
		if !probed(g.Subject) {
			continue
		}
		tried++
		if err := nc.PublishMsg(probe(g.Subject)); err != nil {
			return nil, tried, err
		}
	}
	if err := nc.PublishMsg(probe(sentinel)); err != nil {
		return nil, tried, err
	}
	if err := nc.FlushWithContext(ctx); err != nil {
		return nil, tried, fmt.Errorf("ask what identity %s may do: %w", as, err)
	}
	select {
	case <-done:
	case <-time.After(2 * time.Second): // it may everything, the sentinel too
	case <-ctx.Done():
		return nil, tried, ctx.Err()
	}
	mu.Lock()
	defer mu.Unlock()
	for _, g := range grants {
		if denied[sample(g.Subject)] {
			lacks = append(lacks, g)
		}
	}
	return lacks, tried, nil
}

// probed reports whether trying a subject does no harm.
func probed(subject string) bool {
	for _, not := range []string{"$JS.ACK.", "$JS.FC.", apiConsumerNext, apiStreamDelete} {
		if strings.HasPrefix(subject, not) {
			return false
		}
	}
	return true
}

func probe(subject string) *nats.Msg {
	msg := nats.NewMsg(sample(subject))
	msg.Data = []byte("{") // no JSON
	msg.Header.Set(jetstream.ExpectedStreamHeader, probeName)
	return msg
}

// sample is a subject that a filter matches.
func sample(filter string) string {
	parts := strings.Split(filter, ".")
	for i, part := range parts {
		if part == "*" || part == ">" {
			parts[i] = probeName
		}
	}
	return strings.Join(parts, ".")
}
