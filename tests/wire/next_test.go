package wire_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/bridge/shares"
	"github.com/sagefleet/sagefleet/producer/access"
	"github.com/sagefleet/sagefleet/producer/configurations"
	"github.com/sagefleet/sagefleet/producer/notices"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/delegation"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/heartbeat"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/state"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// reading is what the fleet reads of what stands in its places.
type reading struct {
	js      jetstream.JetStream
	objects storage.Store
	place   struct { // what names it
		execution.Key
		Kind  string `json:"kind"`
		Host  string `json:"host"`
		Token string `json:"id"`
	}
}

func newReading(t *testing.T) *reading {
	t.Helper()
	objects, err := storage.Open(t.Context(), "file://"+t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &reading{js: bustest.Start(t), objects: objects}
}

// put writes data under a key of a bucket and returns the bucket.
func (r *reading) put(ctx context.Context, bucket, key string, data []byte) (jetstream.KeyValue, error) {
	kv, err := r.js.KeyValue(ctx, bucket)
	if err == nil {
		_, err = kv.Put(ctx, key, data)
	}
	return kv, err
}

// readers read each format as the fleet does, by the first word of the example's name.
// Events, decisions and replies are read by nothing but encoding/json.
var readers = map[string]func(*reading, context.Context, []byte) (any, error){
	"request": func(r *reading, _ context.Context, data []byte) (any, error) {
		return execution.Decode(data, execution.Origin{Mailbox: "ventas", Stream: "S", Sequence: 1})
	},
	"invocation": func(_ *reading, _ context.Context, data []byte) (any, error) {
		return execution.DecodeInvocation(data, "direct")
	},
	"reply": func(_ *reading, _ context.Context, data []byte) (any, error) { return lenient[execution.Reply](data) },
	"event": func(_ *reading, _ context.Context, data []byte) (any, error) { return lenient[execution.Event](data) },
	"decision": func(_ *reading, _ context.Context, data []byte) (any, error) {
		return lenient[execution.Decision](data)
	},
	"outcome": func(r *reading, ctx context.Context, data []byte) (any, error) {
		var line bytes.Buffer
		if err := json.Compact(&line, data); err != nil {
			return nil, err
		}
		line.WriteByte('\n')
		if _, err := r.objects.Put(ctx, outcome.Path(r.place.Key), &line); err != nil {
			return nil, err
		}
		return outcome.New(r.objects).Read(ctx, r.place.Key)
	},
	"beat": func(r *reading, ctx context.Context, data []byte) (any, error) {
		kv, err := r.put(ctx, bus.BucketFleet, heartbeat.Beat{Kind: r.place.Kind, Host: r.place.Host}.Key(), data)
		if err != nil {
			return nil, err
		}
		fleet, err := heartbeat.Look(ctx, kv)
		if err != nil {
			return nil, err
		}
		for _, m := range fleet.Members() {
			if m.Kind == r.place.Kind && m.Host == r.place.Host {
				return m.Beat, nil
			}
		}
		return nil, errors.New("nobody is there")
	},
	"record": func(r *reading, ctx context.Context, data []byte) (any, error) {
		kv, err := r.put(ctx, bus.BucketState, r.place.Path(), data)
		if err != nil {
			return nil, err
		}
		record, _, err := state.New(r.js, kv, 0).Load(ctx, r.place.Key)
		return record, err
	},
	"delegation": func(r *reading, ctx context.Context, data []byte) (any, error) {
		kv, err := r.put(ctx, bus.BucketDelegations, r.place.Path(), data)
		if err != nil {
			return nil, err
		}
		e, _, err := delegation.New(r.js, kv, 0).Load(ctx, r.place.Key)
		if err == nil && e.Newer() { // until its expiry
			live := e.Live(e.Expiry.Add(-1)) && !e.Live(e.Expiry)
			return live, execution.Newer("the entry", e.Version, delegation.Version)
		}
		return e, err
	},
	"account": budgetReader("account"),
	"share":   budgetReader("share.b1"),
	"notice": func(r *reading, ctx context.Context, data []byte) (any, error) {
		kv, err := r.put(ctx, bus.BucketNotices, "answer.x", data)
		if err != nil {
			return nil, err
		}
		book, err := notices.Open(ctx, r.js, time.Minute, nil)
		if err != nil {
			return nil, err
		}
		if _, err := book.Tried(ctx, "answer.x"); err != nil {
			return nil, err
		}
		var read notices.Record
		err = notices.List(ctx, kv, func(k notices.Known) error { read = k.Record; return nil })
		return read, err
	},
	"token": func(r *reading, ctx context.Context, data []byte) (any, error) {
		kv, err := r.put(ctx, bus.BucketAccess, r.place.Token, data)
		if err != nil {
			return nil, err
		}
		return access.NewTokens(kv).Get(ctx, r.place.Token)
	},
	"configuration": func(r *reading, ctx context.Context, data []byte) (any, error) {
		var object bytes.Buffer
		if err := json.Compact(&object, data); err != nil {
			return nil, err
		}
		object.WriteString("\n" + configurationText)
		if _, err := r.objects.Put(ctx, "configurations/ventas/diaria/000003", &object); err != nil {
			return nil, err
		}
		v, _, err := configurations.New(r.objects).Get(ctx, "ventas", configurations.Ref{Name: "diaria", Version: 3})
		return v, err
	},
}

const configurationText = "sage_yaml:\n  nombre: Ventas diarias\n"

func TestTheConfigurationIsThatOfItsText(t *testing.T) {
	sum := sha256.Sum256([]byte(configurationText))
	v, err := as[configurations.Version](read(t, "configuration"))
	if err != nil || v.(configurations.Version).SHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("%+v, %v; want %x", v, err, sum)
	}
}

func budgetReader(key string) func(*reading, context.Context, []byte) (any, error) {
	return func(r *reading, ctx context.Context, data []byte) (any, error) {
		kv, err := r.put(ctx, bus.BucketBudget, key, data)
		if err != nil {
			return nil, err
		}
		defer func() { _ = kv.Purge(ctx, key) }() // all are read together
		account, statuses, err := shares.Read(ctx, shares.NewBucket(kv))
		return []any{account, statuses}, err
	}
}

func lenient[T any](data []byte) (v T, err error) {
	err = json.Unmarshal(data, &v)
	return v, err
}

// read reads an example where it belongs.
func (r *reading) read(t *testing.T, name string, data []byte) (any, error) {
	t.Helper()
	r.place.Key, r.place.Token = execution.Key{}, ""
	if err := json.Unmarshal(data, &r.place); err != nil {
		t.Fatal(err)
	}
	format, _, _ := strings.Cut(name, "-")
	return readers[format](r, t.Context(), data)
}

// shown is all of a fault that travels.
var shown = cmpopts.IgnoreUnexported(fault.Error{})

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// What this version writes is read whole by the fleet's own readers, what the first wrote too.
func TestReadersReadWhatIsWritten(t *testing.T) {
	r := newReading(t)
	for _, name := range slices.Sorted(maps.Keys(messages)) {
		for _, file := range []string{golden(name), filepath.Join("testdata", "first", name+".json")} {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want, err := messages[name](data)
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			got, err := r.read(t, name, data)
			if err != nil {
				t.Errorf("%s: %v", file, err)
			}
			if part, ok := got.([]any); ok { // the account, and what is shown of shares
				got = part[0]
				if _, isAccount := want.(shares.Account); !isAccount {
					continue
				}
			}
			if asked, ok := want.(execution.Request); ok { // it is completed from where it was found
				completed := got.(execution.Request)
				asked.Mailbox, asked.ID = "ventas", orElse(asked.ID, completed.ID)
				want = asked
			}
			if diff := cmp.Diff(want, got, shown); diff != "" {
				t.Errorf("%s (-written +read)\n%s", file, diff)
			}
		}
	}
}

// versioned are the formats that have a version, and where a version 2 is told.
var versioned = map[string]string{
	"request-full": "", "invocation-delegated": "delegation", "outcome-succeeded": "", "record-retry": "", "delegation-invoked": "",
	"account": "", "share": "", "notice": "", "token": "",
}

// What the next version may write lies in testdata/next: a field more in every object, and where
// there is a version, the next one. The first is read without it, and the other left alone.
func TestWhatTheNextVersionMayWrite(t *testing.T) {
	r := newReading(t)
	for _, name := range slices.Sorted(maps.Keys(messages)) {
		t.Run(name, func(t *testing.T) {
			want, err := r.read(t, name, read(t, name))
			if err != nil {
				t.Fatal(err)
			}
			more := next(t, name, "", func(doc map[string]any) { grow(doc) })
			got, err := r.read(t, name, more)
			if strings.HasPrefix(name, "request-") {
				if fault.CodeOf(err) != execution.CodeRequestJSON || !fault.IsPermanent(err) {
					t.Errorf("people's typing errors must be told: %v", err)
				}
			} else if diff := cmp.Diff(want, got, shown); err != nil || diff != "" {
				t.Errorf("with a field more in it: %v (-without +with)\n%s", err, diff)
			}
			at, has := versioned[name]
			if !has {
				return
			}
			newer := next(t, name, "-version", func(doc map[string]any) {
				grow(doc)
				if at != "" {
					doc = doc[at].(map[string]any)
				}
				doc["version"] = 2
			})
			got, err = r.read(t, name, newer)
			if !errors.Is(err, execution.ErrNewer) || fault.IsPermanent(err) && name != "token" {
				t.Errorf("of the next version: %v, %v", got, err)
			}
			if live, isEntry := got.(bool); isEntry && !live {
				t.Error("it is not live until its expiry")
			}
		})
	}
}

// next is a file of the next version, made of today's when files are rewritten.
func next(t *testing.T, name, of string, change func(map[string]any)) []byte {
	t.Helper()
	file := filepath.Join("testdata", "next", name+of+".json")
	if *update {
		doc := document(t, read(t, name)).(map[string]any)
		change(doc)
		data, err := json.MarshalIndent(doc, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, append(data, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// named are objects whose fields are names that somebody gave: another is another value.
var named = []string{"issued", "want", "tickets", "debts", "open"}

// grow adds a field to doc and to every object in it.
func grow(v any) {
	switch v := v.(type) {
	case []any:
		for _, each := range v {
			grow(each)
		}
	case map[string]any:
		for name, each := range v {
			if inner, ok := each.(map[string]any); ok && slices.Contains(named, name) {
				for _, value := range inner {
					grow(value)
				}
				continue
			}
			grow(each)
		}
		v["from_the_next_version"] = map[string]any{"of": []any{1, "x", nil}}
	}
}
