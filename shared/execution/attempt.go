package execution

import (
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
)

// NewAttemptID names one run of one attempt. The token says under which lock it
// ran; the random part keeps two runs under one token apart (a Lambda that was
// invoked twice), and two tokens that are equal because a bucket was restored.
func NewAttemptID(token uint64) string { return fmt.Sprintf("%d-%s", token, rand.Text()) }

// AttemptToken returns the token in an attempt id, 0 if there is none.
func AttemptToken(attempt string) uint64 {
	token, _, _ := strings.Cut(attempt, "-")
	n, _ := strconv.ParseUint(token, 10, 64)
	return n
}
