package cgroup

import (
	"errors"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"

	"upkeep/internal/panel"
)

// setting is a value in a file of a group.
type setting struct{ file, value string }

// period is the length of the intervals in which processor time is capped, in microseconds: the kernel's default.
const period = 100_000

// settingsV1 are the files of one controller. With unlimited set, what is not limited is written as well.
func settingsV1(controller string, l panel.Limits, unlimited bool) []setting {
	switch controller {
	case memoryController:
		value, ok := limitText(l.Memory, "-1", unlimited)
		if !ok {
			return nil
		}
		// The sum with swap may never be the smaller one, so that raising both takes the second attempt.
		return []setting{{"memory.limit_in_bytes", value}, {"memory.memsw.limit_in_bytes", value},
			{"memory.limit_in_bytes", value}}
	case pidsController:
		if value, ok := limitText(int64(l.Processes), "max", unlimited); ok {
			return []setting{{"pids.max", value}}
		}
	case cpuController:
		return append(weight("cpu.shares", l, 1024, unlimited), quotaV1(l, unlimited)...)
	}
	return nil
}

func quotaV1(l panel.Limits, unlimited bool) []setting {
	if value, ok := limitText(int64(l.CPUPercent)*period/100, "-1", unlimited); ok {
		return []setting{{"cpu.cfs_quota_us", value}}
	}
	return nil
}

// settingsV2 are the files of one controller of the v2 hierarchy.
func settingsV2(controller string, l panel.Limits, unlimited bool) []setting {
	switch controller {
	case memoryController:
		value, ok := limitText(l.Memory, "max", unlimited)
		if !ok {
			return nil
		}
		swap := "0" // it would only make everybody wait for the disk
		if l.Memory == 0 {
			swap = "max"
		}
		return []setting{{"memory.max", value}, {"memory.swap.max", swap}}
	case pidsController:
		if value, ok := limitText(int64(l.Processes), "max", unlimited); ok {
			return []setting{{"pids.max", value}}
		}
	case cpuController:
		list := weight("cpu.weight", l, 100, unlimited)
		if value, ok := limitText(int64(l.CPUPercent)*period/100, "max", unlimited); ok {
			list = append(list, setting{"cpu.max", value + " " + strconv.Itoa(period)})
		}
		return list
	}
	return nil
}

func limitText(limit int64, none string, unlimited bool) (value string, ok bool) {
	if limit == 0 {
		return none, unlimited
	}
	return strconv.FormatInt(limit, 10), true
}

// weight translates the usual weight of 100 into the usual one of the file.
func weight(file string, l panel.Limits, usual int, unlimited bool) []setting {
	w := l.CPUWeight
	if w == 0 {
		if !unlimited {
			return nil
		}
		w = 100
	}
	return []setting{{file, strconv.Itoa(max(w*usual/100, 2))}} // below 2 the kernel refuses, or takes 2
}

// baseWeight gives the services of all accounts together as much as one busy program on each processor would get: in a
// v1 hierarchy their tree stands beside every single process of the system.
func baseWeight() setting {
	return setting{"cpu.shares", strconv.Itoa(1024 * runtime.NumCPU())}
}

// apply writes settings. What already runs may hold more than a new limit (EBUSY), a group above may be tighter
// (EINVAL), and a kernel may be without a file: the tighter bound holds anyway, or the new one when those runs end.
func apply(group string, list []setting) error {
	for _, s := range list {
		err := write(group, s.file, s.value)
		if err != nil && !errors.Is(err, unix.EBUSY) && !errors.Is(err, unix.EINVAL) && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}
