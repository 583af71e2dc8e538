package bridge

import (
	"context"
	"encoding/json"
	"time"

	"github.com/rs/zerolog"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/heartbeat"
)

// beat says what the bridge does now.
func (b *Bridge) beat(ctx context.Context, draining bool) heartbeat.Beat {
	d := b.steerer.current()
	beat := heartbeat.Beat{Kind: heartbeat.KindBridge, Host: b.host, Version: heartbeat.Version(), Started: b.started, Draining: draining,
		Machine: b.meter.Sample(ctx)}
	b.counts.mu.Lock()
	defer b.counts.mu.Unlock()
	beat.Bridge = &heartbeat.Bridge{Slots: b.slots, InFlight: b.counts.held, Delegated: b.counts.delegated, Returned: b.counts.returned,
		Residue: b.counts.residue, Throttled: b.counts.throttled,
		Why: why(b.steerer.policy.Name(), d.Decision), Since: d.since.UTC(), Closed: d.closed}
	return beat
}

// heard is called with every beat of the fleet.
func (b *Bridge) heard(beat heartbeat.Beat) {
	if beat.Worker == nil {
		return
	}
	if beat.Worker.Free > 0 {
		b.counts.wasFree(time.Now().Add(-time.Duration(beat.Worker.FreeMillis) * time.Millisecond))
	}
	b.steerer.hurry(false)
}

// told is what an event says of d.
func (b *Bridge) told(d decision) execution.DecisionData {
	b.counts.mu.Lock()
	defer b.counts.mu.Unlock()
	return execution.DecisionData{Why: why(b.steerer.policy.Name(), d.Decision), Closed: d.closed,
		Delegated: b.counts.delegated, Returned: b.counts.returned, Residue: b.counts.residue}
}

// Now is what the bridge decides now, and what has come of its decisions.
func (b *Bridge) Now() execution.DecisionData { return b.told(b.steerer.current()) }

// publish tells a decision, and waits for nothing.
func (b *Bridge) publish(at time.Time, data execution.DecisionData) {
	e := execution.NewDecision(b.host, at, data)
	body, err := json.Marshal(e)
	if err == nil {
		msg := nats.NewMsg(bus.SubjectDecision(b.host))
		msg.Data = body
		_, err = b.js.PublishMsgAsync(msg, jetstream.WithMsgID(e.ID))
	}
	if err != nil {
		zerolog.Ctx(context.Background()).Debug().Err(err).Msg("decision not told")
	}
}
