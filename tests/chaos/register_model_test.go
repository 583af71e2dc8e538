package chaos

import (
	"testing"

	"github.com/anishathalye/porcupine"
)

// A model that allows everything proves nothing.
func TestTheModelRefusesWhatMustNotBe(t *testing.T) {
	op := func(call, end int64, input any, output any) porcupine.Operation {
		return porcupine.Operation{Input: input, Output: output, Call: call, Return: end}
	}
	asked := op(0, 1, submitted{}, nil)
	tests := map[string]struct {
		ops []porcupine.Operation
		ok  bool
	}{
		"an ordinary life":              {[]porcupine.Operation{asked, op(2, 3, read{}, ""), op(4, 5, read{}, "a"), op(6, 7, settled{}, nil), op(8, 9, read{}, "a")}, true},
		"read before the answer":        {[]porcupine.Operation{op(0, 9, submitted{}, nil), op(2, 3, read{}, "a")}, true},
		"reads overlap the commit":      {[]porcupine.Operation{asked, op(2, 9, read{}, ""), op(3, 4, read{}, "a")}, true},
		"ended otherwise":               {[]porcupine.Operation{asked, op(2, 3, read{}, "a"), op(4, 5, read{}, "b")}, false},
		"gone again":                    {[]porcupine.Operation{asked, op(2, 3, read{}, "a"), op(4, 5, read{}, "")}, false},
		"acknowledged without an end":   {[]porcupine.Operation{asked, op(2, 3, settled{}, nil), op(4, 5, read{}, "")}, false},
		"ended before it was asked for": {[]porcupine.Operation{op(0, 1, read{}, "a"), op(2, 3, submitted{}, nil)}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for i := range tt.ops {
				tt.ops[i].ClientId = i
			}
			if got := porcupine.CheckOperations(writeOnce, tt.ops); got != tt.ok {
				t.Errorf("linearizable: %v, want %v", got, tt.ok)
			}
		})
	}
}
