package chaos

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// link is one party's way to every NATS server.
type link struct{ proxies []*toxiproxy.Proxy }

func newLink(t testing.TB, to *cluster) *link {
	t.Helper()
	l := &link{}
	for _, n := range to.nodes {
		server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
		p := toxiproxy.NewProxy(server, strconv.Itoa(n.port), "127.0.0.1:0", "127.0.0.1:"+strconv.Itoa(n.port))
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Stop)
		l.proxies = append(l.proxies, p)
	}
	return l
}

// url names the near end of every proxy.
func (l *link) url() string {
	var all []string
	for _, p := range l.proxies {
		all = append(all, "nats://"+p.Listen)
	}
	return strings.Join(all, ",")
}

// What can be wrong with a link, as toxiproxy says it.
const (
	partition = `"type":"timeout","attributes":{"timeout":0}` // what is sent is dropped, nobody is told
	slowness  = `"type":"latency","attributes":{"latency":250,"jitter":200}`
	resets    = `"type":"reset_peer","attributes":{"timeout":0}`
)

// spoil makes toxic happen on the link, both ways, until it is mended.
func (l *link) spoil(toxic string) {
	for _, p := range l.proxies {
		for _, stream := range []string{"upstream", "downstream"} {
			// It can only fail on a toxic that is there already.
			_, _ = p.Toxics.AddToxicJson(strings.NewReader(fmt.Sprintf(`{"name":%q,"stream":%q,%s}`, stream, stream, toxic)))
		}
	}
}

func (l *link) mend() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for _, p := range l.proxies {
		for _, stream := range []string{"upstream", "downstream"} {
			_ = p.Toxics.RemoveToxic(ctx, stream) // gone if the other fault's end was first
		}
	}
}
