package remote

import (
	"encoding/base64"
	"math"
	"strconv"
	"strings"
)

// report is what the REPORT line of a log says about a run
// (https://docs.aws.amazon.com/lambda/latest/dg/golang-logging.html).
type report struct {
	billedMillis int64
	initMillis   int64 // 0 in a warm environment
	memoryMB     int64
}

// maxReported bounds each number of a report, so that what is computed from it
// stays a number: a run lasts 15 minutes, an environment has 10,240 MB.
const maxReported = 1e9

// parseReport reads the log that LogType=Tail returns, in base64. The last REPORT
// line counts: what comes before it is the function's to write.
func parseReport(encoded string) (report, bool) {
	log, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return report{}, false
	}
	text := string(log)
	begin := strings.LastIndex(text, "REPORT RequestId:")
	if begin < 0 || begin > 0 && text[begin-1] != '\n' {
		return report{}, false
	}
	line, _, _ := strings.Cut(text[begin:], "\n")
	values := map[string]int64{}
	for field := range strings.SplitSeq(line, "\t") {
		name, value, _ := strings.Cut(field, ": ")
		number, _, _ := strings.Cut(value, " ")
		if parsed, err := strconv.ParseFloat(number, 64); err == nil && parsed >= 0 && parsed <= maxReported {
			values[name] = int64(math.Ceil(parsed))
		}
	}
	r := report{
		billedMillis: values["Billed Duration"],
		initMillis:   values["Init Duration"],
		memoryMB:     values["Memory Size"],
	}
	return r, r.billedMillis > 0 && r.memoryMB > 0
}
