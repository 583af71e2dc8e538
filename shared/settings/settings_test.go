package settings_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/settings"
)

type config struct {
	Store string `env:"STORE,required"`
	Slots int    `env:"SLOTS" envDefault:"4"`
	Inner struct {
		Drain      time.Duration  `env:"DRAIN" envDefault:"25s"`
		Durability bus.Durability `env:"DURABILITY" envDefault:"fast"`
		Share      float64        `env:"SHARE"`
		On         bool           `env:"ON"`
	}
}

func TestParse(t *testing.T) {
	got, err := settings.Parse[config](map[string]string{"STORE": "x", "DRAIN": "3s", "DURABILITY": "fsync", "OTHER": "?"})
	if err != nil || got.Store != "x" || got.Slots != 4 || got.Inner.Drain != 3*time.Second || got.Inner.Durability != bus.Fsync {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestParseNamesEveryVariableAndWhatItAccepts(t *testing.T) {
	_, err := settings.Parse[config](map[string]string{"SLOTS": "abc", "DRAIN": "soon", "DURABILITY": "maybe", "SHARE": "half", "ON": "sí"})
	if err == nil || !fault.IsPermanent(err) {
		t.Fatalf("err = %v", err)
	}
	for _, want := range []string{
		`STORE is not set`, `SLOTS is "abc"; expected a whole number`, `DRAIN is "soon"; expected a duration`,
		`DURABILITY is "maybe"; expected one of fast, fsync, replicated`, `SHARE is "half"; expected a number`, `ON is "sí"; expected true or false`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\ndoes not say %q", err, want)
		}
	}
}
