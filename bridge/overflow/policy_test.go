package overflow_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/bridge/overflow"
)

func TestDecide(t *testing.T) {
	threshold := overflow.Threshold{Pending: 3, CPU: 80}
	slack := overflow.Slack{Deadline: 12 * time.Second, Fill: 0.8, Margin: 500 * time.Millisecond}
	sized := overflow.Sized{Deadline: 12 * time.Second, Fill: 0.8, Margin: 500 * time.Millisecond}
	// 0.8 · 16 slots · (12 s − 2 s) / 1 s = 128
	sixteen := overflow.Signals{Slots: 16, Busy: 16, Service: time.Second, Cloud: 2 * time.Second}
	with := func(change func(*overflow.Signals)) overflow.Signals {
		s := sixteen
		change(&s)
		return s
	}
	tests := map[string]struct {
		policy  overflow.Policy
		signals overflow.Signals
		want    int
		rule    string
	}{
		"queue_size > 3":        {threshold, overflow.Signals{CPU: 10}, 4, "pending"},
		"current_cpu_usage 80":  {threshold, overflow.Signals{CPU: 80}, 4, "pending"},
		"current_cpu_usage >80": {threshold, overflow.Signals{CPU: 80.1}, 1, "cpu"},
		"CPU rule off":          {overflow.Threshold{Pending: 3}, overflow.Signals{CPU: 100}, 4, "pending"},
		"anything waiting":      {overflow.Threshold{Pending: 0}, overflow.Signals{}, 1, "pending"},

		"as the slots can begin":      {slack, sixteen, 128, "slack"},
		"local-only work has slots":   {slack, with(func(s *overflow.Signals) { s.LocalOnlyBusy = 4 }), 96, "slack"},
		"slower work":                 {slack, with(func(s *overflow.Signals) { s.Service = 4 * time.Second }), 32, "slack"},
		"a class has less time":       {slack, with(func(s *overflow.Signals) { s.Deadline = 7 * time.Second }), 64, "slack"},
		"nothing measured":            {slack, overflow.Signals{Slots: 3}, 16, "slack"}, // 0.8 · 3 · 10 s / 1.5 s
		"hardly any room":             {slack, with(func(s *overflow.Signals) { s.Cloud = 11900 * time.Millisecond }), 2, "slack"},
		"the head is young":           {slack, with(func(s *overflow.Signals) { s.HeadAge = 9499 * time.Millisecond }), 128, "slack"},
		"the head can't wait longer":  {slack, with(func(s *overflow.Signals) { s.HeadAge = 9500 * time.Millisecond }), 1, "age"},
		"nothing waits, no time left": {slack, with(func(s *overflow.Signals) { s.Cloud = time.Minute }), 2, "slack"},
		"throttled":                   {slack, with(func(s *overflow.Signals) { s.Throttled = true }), 16, "throttled"},
		"throttled, little room":      {slack, with(func(s *overflow.Signals) { s.Throttled, s.Service = true, time.Minute }), 2, "slack"},
		"no workers":                  {slack, overflow.Signals{}, 1, "no-slots"},
		"the cloud is nearly full":    {slack, with(func(s *overflow.Signals) { s.Limit, s.InFlight = 1000, 900 }), 16, "throttled"},

		// 0.8 · 16 slots · (12 s / 1 s − 1.5) = 134.4
		"as the slots can end":     {sized, sixteen, 134, "slack"},
		"whatever the cloud needs": {sized, with(func(s *overflow.Signals) { s.Cloud = 11900 * time.Millisecond }), 134, "slack"},
		"a small head waits long":  {sized, with(func(s *overflow.Signals) { s.HeadAge, s.HeadCloud = 10499*time.Millisecond, time.Second }), 134, "slack"},
		"and then goes":            {sized, with(func(s *overflow.Signals) { s.HeadAge, s.HeadCloud = 10500*time.Millisecond, time.Second }), 1, "age"},
		"a large head goes early":  {sized, with(func(s *overflow.Signals) { s.HeadAge, s.HeadCloud = time.Second, 11*time.Second }), 1, "age"},
		"unless it has more time": {sized, with(func(s *overflow.Signals) {
			s.HeadAge, s.HeadCloud, s.HeadDeadline = time.Second, 11*time.Second, time.Minute
		}), 134, "slack"},
		"but not than what comes after it": {sized, with(func(s *overflow.Signals) {
			s.HeadAge, s.HeadCloud, s.HeadDeadline = 11500*time.Millisecond, time.Second, time.Hour
		}), 1, "age"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := tt.policy.Decide(tt.signals)
			if got.MinPending != tt.want || got.Rule != tt.rule || got.Reason == "" {
				t.Errorf("Decide = %+v, want %d by %s and a reason", got, tt.want, tt.rule)
			}
		})
	}
}

func TestReviewIsWhenOnlyTimeChangesTheDecision(t *testing.T) {
	policy := overflow.Slack{Deadline: 12 * time.Second, Fill: 0.8, Margin: 500 * time.Millisecond}
	s := overflow.Signals{Slots: 1, Cloud: 2 * time.Second, HeadAge: 3 * time.Second}
	d := policy.Decide(s)
	s.HeadAge += d.Review - 1
	if before := policy.Decide(s); before.Rule != overflow.RuleSlack {
		t.Errorf("before %v: %+v", d.Review, before)
	}
	s.HeadAge++
	if after := policy.Decide(s); after.Rule != overflow.RuleAge {
		t.Errorf("after %v: %+v", d.Review, after)
	}
}

func TestNewFollowsTheConfiguration(t *testing.T) {
	cfg := overflow.Config{Policy: "threshold", Pending: 7, CPU: 80, Deadline: time.Minute, Fill: 0.8}
	if got := overflow.New(cfg); got.Name() != "threshold" || got.Decide(overflow.Signals{}).MinPending != 8 {
		t.Errorf("New = %+v", got)
	}
	cfg.Policy = "slack" // 0.8 · 1 slot · (60 − 2) s / 1 s
	if got := overflow.New(cfg); got.Name() != "slack" || got.Decide(overflow.Signals{Slots: 1, Service: time.Second}).MinPending != 46 {
		t.Errorf("New = %+v", got)
	}
	cfg.Policy, cfg.Fill = "sized", 0 // 0.9 · 1 slot · (60 s / 1 s − 1.5)
	if got := overflow.New(cfg); got.Name() != "sized" || got.Decide(overflow.Signals{Slots: 1, Service: time.Second}).MinPending != 52 {
		t.Errorf("New = %+v", got)
	}
}

func TestValidateNamesTheVariable(t *testing.T) {
	good := overflow.Config{Policy: "slack", Pending: 3, CPU: 80, Deadline: time.Minute, Fill: 0.8, Margin: time.Second}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	tests := map[string]func(*overflow.Config){
		"OVERFLOW_POLICY":    func(c *overflow.Config) { c.Policy = "Slack" },
		"OVERFLOW_PENDING":   func(c *overflow.Config) { c.Pending = -1 },
		"OVERFLOW_CPU":       func(c *overflow.Config) { c.CPU = 101 },
		"OVERFLOW_DEADLINE":  func(c *overflow.Config) { c.Deadline = 0 },
		"OVERFLOW_FILL":      func(c *overflow.Config) { c.Fill = 1.1 },
		"OVERFLOW_MAX_BYTES": func(c *overflow.Config) { c.Local.Bytes = 11 << 30 },
		"OVERFLOW_MAX_RUN":   func(c *overflow.Config) { c.Local.Run = -1 },
		"OVERFLOW_MARGIN":    func(c *overflow.Config) { c.Margin = -1 },
	}
	for variable, spoil := range tests {
		cfg := good
		spoil(&cfg)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), variable) {
			t.Errorf("%s: %v", variable, err)
		}
	}
}
