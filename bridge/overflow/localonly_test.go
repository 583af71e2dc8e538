package overflow_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/bridge/overflow"
	"github.com/sagefleet/sagefleet/shared/execution"
)

func TestKeepsWhatIsNoLambdas(t *testing.T) {
	local := overflow.LocalOnly{Bytes: 1000, Run: time.Minute, Classes: []string{"secret"}}
	tests := map[string]struct {
		local overflow.LocalOnly
		bytes int64
		class string
		run   time.Duration
		want  string
	}{
		"fits":                {local, 1000, "bulk", time.Minute, ""},
		"nothing is known":    {local, 0, "", 0, ""},
		"too large":           {local, 1001, "", 0, "1001 bytes"},
		"too long":            {local, 1000, "", time.Minute + 1, "up to 1m0s"},
		"class":               {local, 1, "secret", 0, "class secret"},
		"as it comes":         {overflow.LocalOnly{}, execution.LambdaBytes, "secret", time.Hour, ""},
		"no room for so much": {overflow.LocalOnly{}, execution.LambdaBytes + 1, "", 0, "10737418241 bytes"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tt.local.Keeps(tt.bytes, tt.class, tt.run); (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
				t.Errorf("Keeps = %q, want it to say %q", got, tt.want)
			}
		})
	}
}
