package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// usage is what upkeep takes of the machine: its daemon, the keeper above it, and the launchers that wait below it.
type usage struct {
	pss, rss    int64
	anonymous   int64 // the part of pss that is no file: heap and stacks
	launchers   int64 // pss of the waiting launchers
	keeper      int64 // pss of the keeper
	keeperRSS   int64
	threads     int
	descriptors int
	goroutines  int // -1 when they could not be counted
}

func (u *usage) total() int64 { return u.pss + u.launchers + u.keeper }

// usageOf reads what the daemon and its keeper use.
func (b *bench) usageOf(d *daemon) (*usage, error) {
	pid := d.pid()
	kept, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", d.keeper()))
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return nil, err
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return nil, err
	}
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return nil, err
	}
	u := &usage{pss: kib(text, "Pss:"), rss: kib(text, "Rss:"), anonymous: kib(text, "Pss_Anon:"), goroutines: -1,
		keeper: kib(kept, "Pss:"), keeperRSS: kib(kept, "Rss:"),
		threads: int(number(status, "Threads:")), descriptors: len(files)}
	for _, other := range allProcesses() {
		if exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", other)); exe == b.helper && parent(other) == pid {
			text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", other)) // 0 when it has just become a program
			u.launchers += kib(text, "Pss:")
		}
	}
	return u, nil
}

func parent(pid int) int {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return int(number(status, "PPid:"))
}

// number reads the value behind a name at the start of a line; 0 when there is none.
func number(text []byte, name string) (n int64) {
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			_, _ = fmt.Sscan(rest, &n)
			return n
		}
	}
	return 0
}

func kib(text []byte, name string) int64 { return number(text, name) << 10 }

// cpuTime is what a process has used so far, to the nanosecond, unlike the ticks in /proc.
func cpuTime(pid int) (time.Duration, error) {
	const scheduled = 2 // CPUCLOCK_SCHED: user and system time of all threads
	var at unix.Timespec
	if err := unix.ClockGettime(^int32(pid)<<3|scheduled, &at); err != nil {
		return 0, fmt.Errorf("CPU time of process %d: %w", pid, err)
	}
	return time.Duration(at.Nano()), nil
}
