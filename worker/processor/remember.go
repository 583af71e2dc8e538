package processor

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"github.com/sagefleet/sagefleet/shared/spec"
	"github.com/sagefleet/sagefleet/worker/engine"
	"github.com/sagefleet/sagefleet/worker/engine/report"
)

// remembered answers with the findings of an earlier job that was the same in all
// that findings depend on, or else runs this one and keeps what it finds.
func (n Native) remembered(ctx context.Context, entry *program, job Job, r *report.Report) error {
	key := n.key(entry.config, job)
	if key == "" {
		return n.run(ctx, entry, job, r)
	}
	rules := entry.config.Rules()
	if data, from, ok := n.Cache.Recall(ctx, key); ok {
		if result, err := decodeFindings(data, rules); err == nil {
			r.Result, r.Info.Cached = result, &from
			return nil
		}
		n.Cache.Forget(ctx, key)
	}
	if err := n.run(ctx, entry, job, r); err != nil {
		return err
	}
	if data, ok := encodeFindings(r.Result, rules); ok {
		n.Cache.Keep(ctx, key, job.Info.ExecutionID, data)
	}
	return nil
}

// key names all that the findings of a job depend on, or is "" when they can't be
// kept: the clock has a say, or an input's hash isn't known.
func (n Native) key(config *spec.Config, job Job) string {
	if n.Cache == nil || len(job.Inputs) == 0 || config.ReadsClock() {
		return ""
	}
	type input struct {
		Name, SHA256 string
		Size         int64
	}
	parts := struct {
		Engine            int
		Limits            string
		Mailbox, Language string
		Config            [sha256.Size]byte
		Inputs            []input
	}{engine.Version, fmt.Sprint(n.limits()), job.Info.Mailbox, job.Language, config.Digest(), nil}
	for _, in := range job.Inputs {
		if in.SHA256 == "" {
			return ""
		}
		parts.Inputs = append(parts.Inputs, input{in.Name, in.SHA256, in.Size})
	}
	text, err := json.Marshal(parts)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// findings is an engine.Result that names rules by their place in the
// configuration, which may be written otherwise when it is read back.
type findings struct {
	engine.Result
	Findings []finding
}

type finding struct {
	engine.Finding
	Rule    int  // number among the rules, from 1; 0 is none
	Refused bool // Broken is what the configuration says of the rule
}

// encodeFindings reports false when what is read back would not be the same, as
// with texts that aren't UTF-8.
func encodeFindings(result *engine.Result, rules []*spec.Rule) ([]byte, bool) {
	numbers := make(map[*spec.Rule]int, len(rules))
	for i, rule := range rules {
		numbers[rule] = i + 1
	}
	all := findings{Result: *result, Findings: make([]finding, len(result.Findings))}
	for i, f := range result.Findings {
		all.Findings[i] = finding{Finding: f}
		if f.Rule != nil {
			all.Findings[i].Rule = numbers[f.Rule]
			all.Findings[i].Refused = f.Broken != nil && f.Broken == f.Rule.Err
		}
	}
	data, err := json.Marshal(all)
	if err != nil {
		return nil, false
	}
	back, err := decodeFindings(data, rules)
	return data, err == nil && same(result, back)
}

// same compares results by all that reports show of them.
func same(a, b *engine.Result) bool {
	x, y := *a, *b
	if len(x.Findings) != len(y.Findings) {
		return false
	}
	for i := range x.Findings {
		f, g := x.Findings[i], y.Findings[i]
		if (f.Broken == nil) != (g.Broken == nil) || f.Broken != nil && f.Broken.Error() != g.Broken.Error() {
			return false
		}
		f.Broken, g.Broken = nil, nil
		if !reflect.DeepEqual(f, g) {
			return false
		}
	}
	x.Findings, y.Findings = nil, nil
	return reflect.DeepEqual(x, y)
}

func decodeFindings(data []byte, rules []*spec.Rule) (*engine.Result, error) {
	var all findings
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, err
	}
	result := all.Result
	result.Findings = nil
	for _, f := range all.Findings {
		switch {
		case f.Rule < 0 || f.Rule > len(rules):
			return nil, errors.New("findings of a rule that the configuration doesn't have")
		case f.Rule > 0:
			f.Finding.Rule = rules[f.Rule-1]
			if f.Refused {
				f.Broken = f.Finding.Rule.Err
			}
		}
		result.Findings = append(result.Findings, f.Finding)
	}
	return &result, nil
}
