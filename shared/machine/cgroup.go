package machine

import (
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"
)

// cgroup reads the limits and the use of the container that this process is in, of
// either version of the kernel's interface
// (https://docs.kernel.org/admin-guide/cgroup-v2.html, cgroup-v1/cpuacct.html,
// scheduler/sched-bwc.html, cgroup-v1/memory.html).
type cgroup struct{ root fs.FS }

// cpu returns how many cores may be used and how many seconds of them have been. It
// is not ok without a limit.
func (g cgroup) cpu() (cores, used float64, ok bool) {
	if dir, ok := g.dir("", "cpu.max"); ok {
		limit := strings.Fields(g.text(dir, "cpu.max")) // "max 100000", or quota and period in µs
		if len(limit) != 2 {
			return 0, 0, false
		}
		return share(limit[0], limit[1], g.field(dir, "cpu.stat", "usage_usec"), time.Microsecond)
	}
	for _, controller := range []string{"cpu,cpuacct", "cpuacct,cpu", "cpu"} {
		dir, ok := g.dir(controller, "cpu.cfs_quota_us")
		if !ok {
			continue
		}
		accounts := dir
		if g.text(accounts, "cpuacct.usage") == "" {
			accounts, _ = g.dir("cpuacct", "cpuacct.usage")
		}
		return share(g.text(dir, "cpu.cfs_quota_us"), g.text(dir, "cpu.cfs_period_us"), g.text(accounts, "cpuacct.usage"), time.Nanosecond)
	}
	return 0, 0, false
}

// share reads a quota of each period, and what was used in units of time.
func share(quota, period, usage string, unit time.Duration) (cores, used float64, ok bool) {
	q, err := strconv.ParseFloat(quota, 64)
	if err != nil || q <= 0 { // "max" and -1 say that there is no limit
		return 0, 0, false
	}
	p, err := strconv.ParseFloat(period, 64)
	if err != nil || p <= 0 {
		return 0, 0, false
	}
	u, err := strconv.ParseFloat(usage, 64)
	return q / p, u * unit.Seconds(), err == nil
}

// memory returns the bytes that are used and that may be. It is not ok without a
// limit.
func (g cgroup) memory() (used, limit uint64, ok bool) {
	dir, ok := g.dir("", "memory.max")
	usage, bound, cached := "memory.current", "memory.max", "inactive_file"
	if !ok {
		if dir, ok = g.dir("memory", "memory.limit_in_bytes"); !ok {
			return 0, 0, false
		}
		usage, bound, cached = "memory.usage_in_bytes", "memory.limit_in_bytes", "total_inactive_file"
	}
	limit, err := strconv.ParseUint(g.text(dir, bound), 10, 64)
	if err != nil || limit > 1<<60 { // "max", or the version 1 kernel's largest number
		return 0, 0, false
	}
	if used, err = strconv.ParseUint(g.text(dir, usage), 10, 64); err != nil {
		return 0, 0, false
	}
	inactive, _ := strconv.ParseUint(g.field(dir, "memory.stat", cached), 10, 64)
	return used - min(inactive, used), limit, true
}

const mounted = "sys/fs/cgroup"

// dir finds the folder of this process's group that has file. Inside a container
// that is the mounted root, elsewhere what /proc/self/cgroup says below it. The
// controller is empty for version 2.
func (g cgroup) dir(controller, file string) (string, bool) {
	own := ""
	for line := range strings.Lines(g.text("proc/self", "cgroup")) {
		if _, rest, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			if name, p, ok := strings.Cut(rest, ":"); ok && name == controller {
				own = p
			}
		}
	}
	for _, dir := range []string{path.Join(mounted, controller, own), path.Join(mounted, controller)} {
		if g.text(dir, file) != "" {
			return dir, true
		}
	}
	return "", false
}

// text is the content of a file, empty if it can't be read.
func (g cgroup) text(dir, file string) string {
	data, err := fs.ReadFile(g.root, path.Join(dir, file))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}

// field is the value behind a name in a file of names and values.
func (g cgroup) field(dir, file, name string) string {
	for line := range strings.Lines(g.text(dir, file)) {
		if have, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && have == name {
			return value
		}
	}
	return ""
}
