package cgroup

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Exists reports whether the group is there, and can be seen in this mount namespace.
func Exists(path string) bool {
	var fs unix.Statfs_t
	return path != "" && unix.Statfs(path, &fs) == nil && fs.Type == unix.CGROUP2_SUPER_MAGIC
}

// Populated reports whether a process lives in the group or below it. Zombies do not count. A missing group is
// empty.
func Populated(path string) (bool, error) {
	value, err := field(path, "cgroup.events", "populated")
	return value == 1, err
}

// CPU returns the user and system time of all processes that ever ran in the group, also of those that ended. It
// is 0 for a missing group.
func CPU(path string) (time.Duration, error) {
	micros, err := field(path, "cpu.stat", "usage_usec")
	return time.Duration(micros) * time.Microsecond, err
}

// field returns the number after key in one of the files that consist of lines "key value"; 0 when the group is
// gone.
func field(path, file, key string) (int64, error) {
	text, err := os.ReadFile(filepath.Join(path, file))
	if err != nil {
		return 0, ignoreGone(err)
	}
	value, err := number(text, key)
	if err != nil {
		return 0, fmt.Errorf("%s/%s: %w", path, file, err)
	}
	return value, nil
}

// number is what stands behind key in such a file.
func number(text []byte, key string) (int64, error) {
	for line := range bytes.Lines(text) {
		name, value, _ := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte(" "))
		if string(name) == key {
			return strconv.ParseInt(string(value), 10, 64)
		}
	}
	return 0, fmt.Errorf("no %q", key)
}

// Processes lists the processes in the group and in the groups below it, which a service may have made for itself.
// Zombies are not listed; nor is anything when the group is missing.
func Processes(path string) ([]int, error) {
	text, err := os.ReadFile(filepath.Join(path, "cgroup.procs"))
	if errors.Is(err, unix.EOPNOTSUPP) {
		return nil, nil // a threaded group: its processes are listed above it
	}
	if err != nil {
		return nil, ignoreGone(err)
	}
	pids := parsePIDs(text)
	children, err := children(path)
	if err != nil {
		return nil, err
	}
	for _, child := range children {
		more, err := Processes(child)
		if err != nil {
			return nil, err
		}
		pids = append(pids, more...)
	}
	return pids, nil
}

// parsePIDs leaves out 0, which the kernel writes for processes of a namespace that cannot be seen from here.
func parsePIDs(text []byte) []int {
	var pids []int
	for line := range bytes.Lines(text) {
		if pid, err := strconv.Atoi(string(bytes.TrimSuffix(line, []byte("\n")))); err == nil && pid > 0 {
			pids = append(pids, pid)
		}
	}
	return pids
}
