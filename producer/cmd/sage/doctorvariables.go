package main

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/sagefleet/sagefleet/bridge"
	"github.com/sagefleet/sagefleet/bridge/remote"
	"github.com/sagefleet/sagefleet/producer/access"
	"github.com/sagefleet/sagefleet/producer/api"
	"github.com/sagefleet/sagefleet/producer/doctor"
	"github.com/sagefleet/sagefleet/producer/retention"
	"github.com/sagefleet/sagefleet/producer/server"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/guard"
	"github.com/sagefleet/sagefleet/shared/ledger"
	"github.com/sagefleet/sagefleet/shared/settings"
	"github.com/sagefleet/sagefleet/shared/telemetry"
	"github.com/sagefleet/sagefleet/worker"
)

// every is what all the fleet's programs read of their environment.
type every struct {
	StorageURL string `env:"STORAGE_URL"`
	Bus        bus.Config
	Attempts   guard.Config
	Worker     worker.Config
	Bridge     bridge.Config
	Remote     remote.Config
	Server     server.Config
	API        api.Config
	Access     access.Config
	Retention  retention.Config
	Ledger     ledger.Config
	Telemetry  telemetry.Config
}

// others are variables of the command line, of AWS and of the runtime.
var others = []string{"SAGE_MAILBOX", "SAGE_OPERATOR", "AWS_REGION", "AWS_PROFILE", "NO_COLOR"}

// examineVariables looks at those that are set: values that a program would refuse at
// its start, and names that look like mistakes.
func examineVariables(variables map[string]string) []doctor.Finding {
	const check = "configuration"
	known := slices.Concat(names(reflect.TypeFor[every]()), others)
	set := 0
	var found []doctor.Finding
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		if slices.Contains(known, name) {
			set++
			continue
		}
		if meant := meant(name, known); meant != "" {
			found = append(found, doctor.Finding{Check: check, Status: doctor.Warn, Found: name + " is read by nothing of the fleet",
				Do: "was " + meant + " meant?"})
		}
	}
	cfg, err := settings.Parse[every](variables)
	if err == nil {
		err = errors.Join(cfg.Bus.Validate(), cfg.Worker.Validate(), cfg.Bridge.Validate(), cfg.Server.Validate(), cfg.API.Validate(),
			cfg.Access.Validate(), cfg.Retention.Validate(), cfg.Telemetry.Validate())
	}
	if err == nil && cfg.Remote.Function != "" {
		err = errors.Join(cfg.Remote.Validate(), cfg.Bridge.Budget.Validate(cfg.Remote.MaxCost()))
	}
	if err != nil {
		for _, f := range doctor.Failed(err) {
			f.Check = check
			found = append(found, f)
		}
		return found
	}
	return append(found, doctor.Finding{Check: check, Status: doctor.OK, Found: count(set, "variable") + " set, and every value can be read"})
}

// names are the variables of a configuration.
func names(config reflect.Type) (all []string) {
	for field := range config.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("env"), ",")
		switch {
		case name != "":
			all = append(all, name)
		case field.Type.Kind() == reflect.Struct:
			all = append(all, names(field.Type)...)
		}
	}
	return all
}

// meant is the variable that name was probably meant to be, or "": it has the first
// part of a known one, and no more than two characters otherwise.
func meant(name string, known []string) string {
	family, _, _ := strings.Cut(name, "_")
	for _, k := range known {
		if strings.HasPrefix(k, family+"_") && k != name && apart(name, k) <= 2 {
			return k
		}
	}
	return ""
}

// apart counts the characters by which two names differ, at least: inserted, left out or
// replaced (Levenshtein's distance).
func apart(a, b string) int {
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(row[j]+1, last[j+1]+1, last[j]+cost)
		}
		last = row
	}
	return last[len(b)]
}
