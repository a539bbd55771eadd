package cgroup

import (
	"fmt"
	"strings"
	"testing"

	"upkeep/internal/panel"
)

func TestSettings(t *testing.T) {
	all := panel.Limits{Memory: 4096, CPUWeight: 50, CPUPercent: 150, Processes: 7}
	for _, c := range []struct {
		name      string
		of        func(string, panel.Limits, bool) []setting
		limits    panel.Limits
		unlimited bool
		want      string
	}{
		{"v1", settingsV1, all, false, "memory.limit_in_bytes=4096 memory.memsw.limit_in_bytes=4096 memory.limit_in_bytes=4096 " +
			"pids.max=7 cpu.shares=512 cpu.cfs_quota_us=150000"},
		{"v1, a new group without limits", settingsV1, panel.Limits{}, false, ""},
		{"v1, limits taken away", settingsV1, panel.Limits{}, true, "memory.limit_in_bytes=-1 memory.memsw.limit_in_bytes=-1 " +
			"memory.limit_in_bytes=-1 pids.max=max cpu.shares=1024 cpu.cfs_quota_us=-1"},
		{"v1, the least weight", settingsV1, panel.Limits{CPUWeight: 1}, false, "cpu.shares=10"},
		{"v2", settingsV2, all, false, "memory.max=4096 memory.swap.max=0 pids.max=7 cpu.weight=50 cpu.max=150000 100000"},
		{"v2, a new group without limits", settingsV2, panel.Limits{}, false, ""},
		{"v2, limits taken away", settingsV2, panel.Limits{}, true,
			"memory.max=max memory.swap.max=max pids.max=max cpu.weight=100 cpu.max=max 100000"},
	} {
		var got []string
		for _, controller := range controllers {
			for _, s := range c.of(controller, c.limits, c.unlimited) {
				got = append(got, fmt.Sprintf("%s=%s", s.file, s.value))
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %s, want %s", c.name, strings.Join(got, " "), c.want)
		}
	}
}
