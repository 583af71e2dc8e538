package bus_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/google/go-cmp/cmp"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
)

var update = flag.Bool("update", false, "rewrite the golden files; review the difference")

// everyone is all identities, and two producers that must not get in each other's way.
var (
	producers = map[string][]string{"ventas": {"ventas"}, "compras": {"compras", "pedidos"}}
	everyone  = append(slices.Clone(bus.Identities), bus.Producer("ventas"), bus.Producer("compras"))
)

// subjects are all that somebody could try, spelled independently of what is granted.
func subjects() (all []string) {
	inside := map[string][]string{
		bus.StreamExecutions: {"sage.exec.ventas", "sage.exec.ventas.e1", "sage.exec.compras", "sage.exec.compras.e1", "sage.exec.pedidos", "sage.exec.pedidos.e1",
			"sage.exec.ventas.e1.x", "sage.local.ventas.e1", "sage.local.compras.e1", "sage.local.pedidos.e1", "sage.local.ventas"},
		bus.StreamLater:      {"sage.later.ventas.e1.1", "sage.due.ventas.e1"},
		bus.StreamEvents:     {"sage.event.ventas.started"},
		bus.StreamDecisions:  {"sage.decision.host-1"},
		bus.StreamDead:       {"sage.dead.ventas.e1.1"},
		bus.StreamAdvisories: {"$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.EXECUTIONS.fleet"},
	}
	for _, s := range (bus.Config{}).Topology().Streams {
		if bucket, is := strings.CutPrefix(s.Name, "KV_"); is {
			inside[s.Name] = []string{"$KV." + bucket + ".ventas.e1.1"}
		}
	}
	inside["KV_"+bus.BucketFleet] = append(inside["KV_"+bus.BucketFleet], "$KV.sage_fleet.worker.host-1", "$KV.sage_fleet.bridge.host-1")
	consumers := map[string]string{"EXECUTIONS.fleet": "sage.exec.>", "EXECUTIONS.local": "sage.local.>", "LATER.due": "sage.due.>", "EVENTS.ended": "sage.event.*.>"}
	for stream, own := range inside {
		all = append(all, own...)
		for _, act := range []string{"STREAM.INFO", "STREAM.CREATE", "STREAM.UPDATE", "STREAM.DELETE", "STREAM.PURGE", "STREAM.MSG.GET",
			"STREAM.MSG.DELETE", "STREAM.SNAPSHOT", "STREAM.RESTORE", "STREAM.LEADER.STEPDOWN", "STREAM.PEER.REMOVE", "DIRECT.GET",
			"CONSUMER.LIST", "CONSUMER.NAMES"} {
			all = append(all, "$JS.API."+act+"."+stream)
		}
		for _, act := range []string{"CREATE", "DURABLE.CREATE", "INFO", "DELETE", "MSG.NEXT", "PAUSE", "UNPIN"} {
			all = append(all, "$JS.API.CONSUMER."+act+"."+stream+".mine")
		}
		for _, subject := range own {
			all = append(all, "$JS.API.DIRECT.GET."+stream+"."+subject, "$JS.API.CONSUMER.CREATE."+stream+".mine."+subject)
		}
		all = append(all, "$JS.ACK."+stream+".mine.1.1.1.1.1", "$JS.FC."+stream+".mine.x", "$JS.FC._.hash."+stream+".mine.x")
	}
	for consumer, filter := range consumers {
		for _, act := range []string{"INFO", "DELETE", "MSG.NEXT", "PAUSE", "UNPIN"} {
			all = append(all, "$JS.API.CONSUMER."+act+"."+consumer)
		}
		all = append(all, "$JS.API.CONSUMER.CREATE."+consumer+"."+filter[:len(filter)-1]+"ventas.e1",
			"$JS.API.CONSUMER.CREATE."+consumer, "$JS.API.CONSUMER.DURABLE.CREATE."+consumer, "$JS.ACK."+consumer+".1.1.1.1.1", "$JS.ACK._.hash."+consumer+".1.1.1.1.1.x")
	}
	for _, i := range everyone {
		all = append(all, i.Inbox()+".x.y")
	}
	all = append(all, "$JS.API.INFO", "$JS.API.STREAM.LIST", "$JS.API.STREAM.NAMES", "$JS.API.ACCOUNT.PURGE.FLEET", "$JS.API.META.LEADER.STEPDOWN",
		"$JS.API.SERVER.REMOVE", "$SYS.REQ.SERVER.PING", "$SYS.REQ.ACCOUNT.FLEET.CONNZ", "$SYS.REQ.USER.INFO", "_INBOX.x.y", "_R_.x.y", "elsewhere")
	slices.Sort(all)
	return slices.Compact(all)
}

// TestPermissionMatrix tries every subject as every identity, publishing and
// subscribing, on a server with the printed configuration. What it allows must be
// what is granted; and what is granted is in a golden file, so that a change is
// seen by whoever reviews it.
func TestPermissionMatrix(t *testing.T) {
	t.Parallel()
	s, security := bustest.RunSecured(t, producers)
	all := subjects()
	publish, subscribe := map[bus.Identity]map[string]bool{}, map[bus.Identity]map[string]bool{}
	for _, i := range everyone {
		publish[i], subscribe[i] = try(t, s, security, i, append(all, sentinel))
	}
	var table bytes.Buffer
	fmt.Fprintf(&table, "# Who may publish (p) and subscribe to (s) what, as the server has it. Columns:\n# %v\n", everyone)
	for _, subject := range all {
		row := ""
		for _, i := range everyone {
			p, q := publish[i][subject], subscribe[i][subject]
			granted := i.Permissions(producers[strings.TrimPrefix(string(i), "producer-")]...)
			if want := granted.Account != "" && grants(granted.Publish, subject); p != want {
				t.Errorf("%s publishes to %s: %v, want %v", i, subject, p, want)
			}
			if want := grants(granted.Subscribe, subject); q != want {
				t.Errorf("%s subscribes to %s: %v, want %v", i, subject, q, want)
			}
			cell := map[bool]string{true: "p"}[p] + map[bool]string{true: "s"}[q]
			row += fmt.Sprintf(" %-2s", strings.TrimSpace(cell+map[bool]string{true: "-"}[cell == ""]))
		}
		fmt.Fprintf(&table, "%-75s%s\n", subject, row)
	}
	t.Logf("%d pairs of identity and subject, each published and subscribed to", len(everyone)*len(all))
	golden(t, "testdata/permissions.txt", table.Bytes())

	// A grant that no subject tries would be allowed untested.
	for _, i := range everyone {
		p := i.Permissions(producers[strings.TrimPrefix(string(i), "producer-")]...)
		for _, g := range slices.Concat(p.Publish, p.Subscribe) {
			if !slices.ContainsFunc(all, func(subject string) bool { return grants([]bus.Grant{g}, subject) }) {
				t.Errorf("%s: nothing tries %s", i, g.Subject)
			}
			if g.Why == "" {
				t.Errorf("%s: nothing says why %s is granted", i, g.Subject)
			}
		}
	}
}

// Nobody may delete or purge a stream that isn't derived, read what it may not by another way, or
// listen to what others are answered.
func TestNobodyMayEverything(t *testing.T) {
	t.Parallel()
	for _, i := range everyone {
		p := i.Permissions("ventas")
		for _, subject := range subjects() {
			for _, never := range []string{"STREAM.DELETE", "STREAM.PURGE", "STREAM.RESTORE", "STREAM.SNAPSHOT", "STREAM.MSG.GET", "PEER.REMOVE",
				"DURABLE.CREATE", "CONSUMER.PAUSE", "CONSUMER.UNPIN", "$JS.API.CONSUMER.DELETE.EXECUTIONS", "$JS.API.CONSUMER.DELETE.LATER",
				"$SYS.", "ACCOUNT.PURGE", "META.", "$JS.EVENT.", "_INBOX", "_R_"} {
				if i == bus.IdentityAdmin && (subject == "$JS.API.STREAM.DELETE.KV_sage_locks" || subject == "$JS.API.STREAM.DELETE.KV_sage_state") {
					continue // it may make them anew
				}
				if strings.Contains(subject, never) && !strings.Contains(subject, "DIRECT.GET") && grants(p.Publish, subject) {
					t.Errorf("%s may publish to %s", i, subject)
				}
			}
			if grants(p.Subscribe, subject) && !strings.HasPrefix(subject, i.Inbox()+".") {
				t.Errorf("%s may subscribe to %s", i, subject)
			}
		}
	}
	for _, i := range []bus.Identity{bus.IdentityConsole, bus.IdentityGC} {
		for _, g := range i.Permissions().Publish {
			if !regexp.MustCompile(`^\$JS\.API\.(STREAM\.INFO|CONSUMER\.INFO|DIRECT\.GET)\.`).MatchString(g.Subject) {
				t.Errorf("%s only reads, and may publish to %s", i, g.Subject)
			}
		}
	}
}

const sentinel = "the.last.one"

var refused = regexp.MustCompile(`(Publish|Subscription) to "([^"]+)"`)

// try connects as i and returns what the server didn't refuse.
func try(t *testing.T, s bustest.Server, security bustest.Security, i bus.Identity, all []string) (publish, subscribe map[string]bool) {
	t.Helper()
	var mu sync.Mutex
	denied := map[string]bool{} // act and subject
	nc, err := bus.Connect(t.Context(), security.As(i, s.Config), i, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
		m := refused.FindStringSubmatch(err.Error())
		if !errors.Is(err, nats.ErrPermissionViolation) || m == nil {
			t.Errorf("%s: %v", i, err)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		denied[m[1]+" "+m[2]] = true
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	for _, subject := range all {
		if err := nc.Publish(subject, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := nc.SubscribeSync(subject); err != nil {
			t.Fatal(err)
		}
	}
	if err := nc.FlushTimeout(20 * time.Second); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		mu.Lock()
		done := denied["Publish "+sentinel] && denied["Subscription "+sentinel]
		mu.Unlock()
		if done {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s may use %s", i, sentinel)
		}
	}
	publish, subscribe = map[string]bool{}, map[string]bool{}
	for _, subject := range all {
		publish[subject], subscribe[subject] = !denied["Publish "+subject], !denied["Subscription "+subject]
	}
	return publish, subscribe
}

// grants reports whether one of g matches subject, by the rules of subjects.
func grants(g []bus.Grant, subject string) bool {
	return slices.ContainsFunc(g, func(g bus.Grant) bool {
		want, have := strings.Split(g.Subject, "."), strings.Split(subject, ".")
		for i, token := range want {
			if token == ">" {
				return len(have) > i
			}
			if i >= len(have) || token != "*" && token != have[i] {
				return false
			}
		}
		return len(want) == len(have)
	})
}

func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s is not what the server has (go test ./shared/bus -update):\n%s", file, diff)
	}
}
