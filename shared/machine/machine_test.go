package machine

import (
	"io/fs"
	"strconv"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"
)

// files is a machine's file system, of which containers are made.
func files(contents map[string]string) fs.FS {
	m := fstest.MapFS{}
	for name, text := range contents {
		m[name] = &fstest.MapFile{Data: []byte(text + "\n")}
	}
	return m
}

const mib = 1 << 20

func TestLimitsOfContainers(t *testing.T) {
	tests := map[string]struct {
		files        map[string]string
		cores        float64
		memory       uint64
		noCPU, noMem bool
	}{
		"version 2": {files: map[string]string{
			"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "150000 100000", "sys/fs/cgroup/cpu.stat": "usage_usec 2000000\nuser_usec 1",
			"sys/fs/cgroup/memory.max": strconv.Itoa(512 * mib), "sys/fs/cgroup/memory.current": strconv.Itoa(300 * mib),
			"sys/fs/cgroup/memory.stat": "anon 1\ninactive_file " + strconv.Itoa(100*mib),
		}, cores: 1.5, memory: 200 * mib},
		"version 2, a group of a service": {files: map[string]string{
			"proc/self/cgroup": "0::/system.slice/sage.service", "sys/fs/cgroup/system.slice/sage.service/cpu.max": "50000 100000",
			"sys/fs/cgroup/system.slice/sage.service/cpu.stat":       "usage_usec 2000000",
			"sys/fs/cgroup/system.slice/sage.service/memory.max":     strconv.Itoa(512 * mib),
			"sys/fs/cgroup/system.slice/sage.service/memory.current": strconv.Itoa(7 * mib),
		}, cores: 0.5, memory: 7 * mib},
		"version 1": {files: map[string]string{
			"proc/self/cgroup":                            "4:memory:/docker/ab\n3:cpu,cpuacct:/docker/ab",
			"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us":  "200000",
			"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000", "sys/fs/cgroup/cpu,cpuacct/cpuacct.usage": "2000000000",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": strconv.Itoa(512 * mib), "sys/fs/cgroup/memory/memory.usage_in_bytes": strconv.Itoa(9 * mib),
			"sys/fs/cgroup/memory/memory.stat": "inactive_file 1\ntotal_inactive_file " + strconv.Itoa(mib),
		}, cores: 2, memory: 8 * mib},
		"no limits": {files: map[string]string{
			"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "max 100000", "sys/fs/cgroup/memory.max": "max",
			"sys/fs/cgroup/cpu.stat": "usage_usec 1", "sys/fs/cgroup/memory.current": "1",
		}, noCPU: true, noMem: true},
		"no limits, version 1": {files: map[string]string{
			"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000", "sys/fs/cgroup/cpuacct/cpuacct.usage": "1",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712", "sys/fs/cgroup/memory/memory.usage_in_bytes": "1",
		}, noCPU: true, noMem: true},
		"none at all": {noCPU: true, noMem: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			g := cgroup{root: files(tt.files)}
			cores, used, ok := g.cpu()
			if ok == tt.noCPU || cores != tt.cores || ok && used != 2 {
				t.Errorf("cpu: %v cores, %v s, %v", cores, used, ok)
			}
			memory, limit, ok := g.memory()
			if ok == tt.noMem || memory != tt.memory || ok && limit != 512*mib {
				t.Errorf("memory: %d of %d, %v", memory, limit, ok)
			}
		})
	}
}

// A container of half a core that uses a quarter is half busy, whatever the machine
// does; what was longer ago than the window doesn't count.
func TestUseIsAveragedOverTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		contents := fstest.MapFS{"sys/fs/cgroup/cpu.max": {Data: []byte("50000 100000")}}
		m := newMeter(contents)
		var usedMicros int
		step := func(cores float64) Usage {
			usedMicros += int(cores * 1e6)
			contents["sys/fs/cgroup/cpu.stat"] = &fstest.MapFile{Data: []byte("usage_usec " + strconv.Itoa(usedMicros))}
			u := m.Sample(t.Context())
			time.Sleep(time.Second)
			return u
		}
		if u := step(0); u.CPU != 0 || u.Cores != 0.5 {
			t.Fatalf("the first sample says %+v", u)
		}
		near := func(got, want float64) bool { return got > want-1 && got < want+1 }
		if u := step(0.25); !near(u.CPU, 50) {
			t.Errorf("after one busy second: %+v", u)
		}
		for range 4 {
			step(0)
		}
		if u := step(0.5); !near(u.CPU, 20) {
			t.Errorf("one full second of five: %+v", u)
		}
		for range 5 {
			step(0)
		}
		if u := step(0); !near(u.CPU, 0) {
			t.Errorf("after the window: %+v", u)
		}
	})
}

func TestThisMachineIsMeasured(t *testing.T) {
	m := NewMeter()
	m.Sample(t.Context())
	for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end); { //nolint:revive // it has to be busy
	}
	u := m.Sample(t.Context())
	if u.CPU <= 0 || u.CPU > 100 || u.Cores <= 0 || u.Memory == 0 || u.Limit < u.Memory {
		t.Errorf("%+v", u)
	}
}
