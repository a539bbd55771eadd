package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// proc is the text of a file of a process; empty when the process is gone.
func proc(pid int, file string) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file)) // gone: empty
	return string(text)
}

// belongs reports whether a process has to do with a directory, which no other process knows. Zombies do not count.
func belongs(pid int, dir string) bool {
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil {
		return false
	}
	below := dir + "/"
	if strings.HasPrefix(exe, below) || strings.Contains(proc(pid, "cmdline"), below) {
		return true
	}
	return slices.ContainsFunc(strings.Split(proc(pid, "environ"), "\x00"), func(v string) bool {
		_, value, _ := strings.Cut(v, "=")
		return strings.HasPrefix(value+"/", below)
	})
}

// processesOf lists the processes that have to do with a directory, except for this one.
func processesOf(dir string) []int {
	entries, err := filepath.Glob("/proc/[1-9]*")
	if err != nil {
		return nil
	}
	var pids []int
	for _, path := range entries {
		pid, err := strconv.Atoi(filepath.Base(path))
		if err == nil && pid != os.Getpid() && belongs(pid, dir) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// endTime is more than the end of killed processes takes.
const endTime = 20 * time.Second

// endProcesses kills all that has to do with a directory. Supervisors replace what was killed, so it looks again
// until nothing is left.
func endProcesses(dir string) error {
	for deadline := time.Now().Add(endTime); ; time.Sleep(20 * time.Millisecond) {
		pids := processesOf(dir)
		if len(pids) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("processes %v do not end", pids)
		}
		for _, pid := range pids {
			killIf(pid, dir)
		}
	}
}

// killIf looks again once the process is held, because a number can be given away.
func killIf(pid int, dir string) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if belongs(pid, dir) {
		_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) // one that ended meanwhile is fine
	}
}

// programs lists the processes of the torture program with a name.
func (s *site) programs(name string) []int {
	return slices.DeleteFunc(processesOf(s.dir), func(pid int) bool {
		args := strings.Split(proc(pid, "cmdline"), "\x00")
		return len(args) < 3 || args[0] != s.child || args[2] != name
	})
}

// supervisors lists the processes of the supervisor itself, with its loggers.
func (s *site) supervisors() []int {
	return slices.DeleteFunc(processesOf(s.dir), func(pid int) bool {
		return strings.HasPrefix(proc(pid, "cmdline"), s.child+"\x00")
	})
}

func alive(pid int) bool {
	_, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return err == nil
}

// field is the value behind a name in /proc/PID/status, with its blanks made one.
func field(pid int, name string) string {
	for line := range strings.Lines(proc(pid, "status")) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.Join(strings.Fields(value), " ")
		}
	}
	return ""
}

// cpuTimes are what processes have used, to the nanosecond, unlike the ticks in /proc.
func cpuTimes(pids []int) map[int]time.Duration {
	const scheduled = 2 // CPUCLOCK_SCHED: user and system time of all threads
	times := map[int]time.Duration{}
	for _, pid := range pids {
		var at unix.Timespec
		if unix.ClockGettime(^int32(pid)<<3|scheduled, &at) == nil {
			times[pid] = time.Duration(at.Nano())
		}
	}
	return times
}

// resident is the memory of processes in bytes.
func resident(pids []int) (sum int64) {
	for _, pid := range pids {
		kib, _, _ := bytes.Cut([]byte(field(pid, "VmRSS")), []byte(" "))
		n, _ := strconv.ParseInt(string(kib), 10, 64) // gone: 0
		sum += n << 10
	}
	return sum
}
