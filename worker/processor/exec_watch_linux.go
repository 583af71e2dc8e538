package processor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Memory is watched, and not limited with RLIMIT_AS, because that counts address
// space, of which numpy, the JVM and Go reserve far more than they use; because it
// holds for each process and not for all of them; and because a refused allocation
// ends as any exit code, in Python as 1, which means errors in the data. What
// grows between two looks can be the kernel's to stop: see preferForOOM.

const (
	watchEvery = 25 * time.Millisecond
	// watchShare bounds the cost of watching on a machine of many processes: a look
	// is followed by this many times its own duration.
	watchShare = 20
)

// watch stops the run when it uses more than it may.
func (v invocation) watch(ctx context.Context, group int, stop context.CancelCauseFunc) {
	for wait := watchEvery; ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		begin := time.Now()
		if err := v.exceeded(group); err != nil {
			stop(err)
			return
		}
		wait = max(watchEvery, watchShare*time.Since(begin))
	}
}

func (v invocation) exceeded(group int) error {
	if v.limit.memory > 0 {
		if used := memoryOf(group, v.limit.memory); used > v.limit.memory {
			return memoryFault(used, v.limit.memory)
		}
	}
	if size := sizeOf(v.dir); size > v.limit.files {
		return outputFault(fmt.Sprintf("files of %d bytes", size), fmt.Sprintf("at most %d bytes with a copy of the input", v.limit.files))
	}
	return nil
}

// memoryOf is how many bytes the processes of a group hold. Pages that they share
// count once where it matters, which is beyond enough: it takes the kernel longer
// to tell.
func memoryOf(group int, enough int64) int64 {
	var resident, proportional int64
	var pids []int
	for pid := range processes {
		if pgrp, rss, ok := residentOf(pid); ok && pgrp == group {
			resident += rss
			pids = append(pids, pid)
		}
	}
	if resident <= enough {
		return resident
	}
	for _, pid := range pids {
		pss, err := proportionalOf(pid)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ESRCH) { // it is there, and closed to us
			return resident
		}
		proportional += pss
	}
	return proportional
}

// processes yields the pids there are.
func processes(yield func(pid int) bool) {
	proc, err := os.Open("/proc")
	if err != nil {
		return
	}
	defer func() { _ = proc.Close() }() // only read from
	names, _ := proc.Readdirnames(-1)   // those it could read
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil && !yield(pid) {
			return
		}
	}
}

// residentOf reads a process's group and resident bytes from proc_pid_stat(5). The
// fields that count begin behind the command's name, which may hold anything.
func residentOf(pid int) (group int, rss int64, ok bool) {
	const pgrpField, rssField = 5 - 3, 24 - 3 // as the manual counts, from the state on
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, false
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) <= rssField {
		return 0, 0, false
	}
	group, err = strconv.Atoi(fields[pgrpField])
	if err != nil {
		return 0, 0, false
	}
	pages, err := strconv.ParseInt(fields[rssField], 10, 64)
	return group, pages * int64(os.Getpagesize()), err == nil
}

// proportionalOf is the bytes of a process, where each page that n processes share
// counts as 1/n (Pss of proc_pid_smaps(5)).
func proportionalOf(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		var kilobytes int64
		if n, _ := fmt.Sscanf(line, "Pss: %d kB", &kilobytes); n == 1 {
			return kilobytes << 10, nil
		}
	}
	return 0, nil // it has no memory any more
}

// sizeOf is how many bytes the files under dir have.
func sizeOf(dir string) int64 {
	var size int64
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // removed meanwhile, or closed to us
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			size += info.Size()
		}
		return nil
	})
	return size
}

// preferForOOM has the kernel take the program rather than us when memory ends.
func preferForOOM(pid int) {
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid), []byte("1000"), 0) // some sandboxes don't have it
}

// killStrays kills what has left the program's group, and only that: its
// environment names a directory that belongs to this run alone. A process that
// wipes its environment escapes; a container ends that one.
func killStrays(mark string) {
	const tries, pause = 50, 5 * time.Millisecond
	marker := append([]byte(mark), 0) // as it ends in environ
	for range tries {
		if killMarked(marker) == 0 {
			return
		}
		time.Sleep(pause) // the killed take a moment to go
	}
}

func killMarked(marker []byte) (killed int) {
	for pid := range processes {
		if !isMarked(pid, marker) {
			continue
		}
		p, err := os.FindProcess(pid)
		if err != nil {
			continue
		}
		if isMarked(pid, marker) && p.Kill() == nil { // p is it, even if the number has a new owner by now
			killed++
		}
		_ = p.Release() // a handle only
	}
	return killed
}

func isMarked(pid int, marker []byte) bool {
	env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	return err == nil && bytes.Contains(env, marker)
}
