package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"upkeep/internal/panel"
)

// defaultMemory of an account: one that takes everything it can get leaves three quarters of the machine to the
// others, and few real ones need more.
const defaultMemory = "25%"

func addLimits(f *pflag.FlagSet) {
	account, service := panel.DefaultLimits()
	for _, of := range []struct {
		name, whose, memory string
		panel.Limits
	}{{"account", "all services of an account", defaultMemory, account}, {"service", "each service", "0", service}} {
		flag := "limit-" + of.name
		f.String(flag+"-memory", of.memory, "memory of "+of.whose+": 512MiB, 25%, or 0 for no limit")
		f.Int(flag+"-processes", of.Processes, "processes and threads of "+of.whose+"; 0 for no limit")
		f.Int(flag+"-cpu-weight", 100, "share of busy processors for "+of.whose+", from 1 to 10000")
		f.Int(flag+"-cpu-percent", of.CPUPercent, "cap for "+of.whose+" in percent of one processor; 0 for none")
	}
	f.Int("limit-service-open-files", service.OpenFiles, "open files of each process of a service; 0 for no limit")
}

func knownLimit(key string) bool {
	switch key {
	case "limit_account_memory", "limit_account_processes", "limit_account_cpu_weight", "limit_account_cpu_percent",
		"limit_service_memory", "limit_service_processes", "limit_service_cpu_weight", "limit_service_cpu_percent",
		"limit_service_open_files":
		return true
	}
	return false
}

// limits are those of every account and of every service.
func (s *settings) limits() (account, service panel.Limits, err error) {
	account = panel.Limits{Processes: s.LimitAccountProcesses, CPUWeight: s.LimitAccountCPUWeight,
		CPUPercent: s.LimitAccountCPUPercent}
	service = panel.Limits{Processes: s.LimitServiceProcesses, CPUWeight: s.LimitServiceCPUWeight,
		CPUPercent: s.LimitServiceCPUPercent, OpenFiles: s.LimitServiceOpenFiles}
	if account.Memory, err = memoryOf("limit_account_memory", s.LimitAccountMemory); err != nil {
		return account, service, err
	}
	if service.Memory, err = memoryOf("limit_service_memory", s.LimitServiceMemory); err != nil {
		return account, service, err
	}
	for _, l := range []panel.Limits{account, service} {
		switch {
		case l.Processes < 0 || l.CPUPercent < 0 || l.OpenFiles < 0:
			err = errors.New("limits must not be negative; 0 is no limit")
		case l.CPUWeight < 1 || l.CPUWeight > 10000:
			err = errors.New("limit_account_cpu_weight and limit_service_cpu_weight must be from 1 to 10000")
		}
	}
	return account, service, err
}

// leastMemory is what hardly any program can begin with; less is a mistake in the unit.
const leastMemory = 4 << 20

// memoryOf reads a number of bytes, with a unit or as a share of the machine's memory; 0 is no limit.
func memoryOf(name, text string) (int64, error) {
	bytes, err := bytesOf(text)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%s: %q is neither a size like 512MiB nor a share like 25%%", name, text)
	case bytes > math.MaxInt64 || bytes > 0 && bytes < leastMemory:
		return 0, fmt.Errorf("%s: %q is less than 4 MiB, or far too much", name, text)
	}
	return int64(bytes) / int64(os.Getpagesize()) * int64(os.Getpagesize()), nil
}

func bytesOf(text string) (uint64, error) {
	share, ok := strings.CutSuffix(strings.TrimSpace(text), "%")
	if !ok {
		return humanize.ParseBytes(text)
	}
	percent, err := strconv.ParseUint(share, 10, 7)
	if err != nil || percent > 100 {
		return 0, errors.New("not a share")
	}
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0, err
	}
	return uint64(info.Totalram) * uint64(info.Unit) / 100 * percent, nil
}
