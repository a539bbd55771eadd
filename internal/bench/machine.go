package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"upkeep/internal/cgroup"
	"upkeep/internal/panel"
)

// machine is what figures depend on besides upkeep.
type machine struct {
	Kernel  string `json:"kernel"`
	Go      string `json:"go"`
	Cores   int    `json:"cores"`
	Memory  string `json:"memory"`
	User    string `json:"user"`
	Cgroups string `json:"cgroups"`
	Files   string `json:"files"` // file system of the temporary directory
	Load    string `json:"load"`  // before the start
	Busy    bool   `json:"busy"`  // others compete for the cores: every figure is worse than it need be
}

func (m machine) String() string {
	return fmt.Sprintf("Linux %s, %s, %d cores, %s, as %s; control groups: %s; files on %s; load before %s",
		m.Kernel, m.Go, m.Cores, m.Memory, m.User, m.Cgroups, m.Files, m.Load)
}

func readMachine(dir string) machine {
	m := machine{Go: runtime.Version(), Cores: runtime.NumCPU(), User: "an ordinary user", Cgroups: rung(),
		Files: fileSystem(dir), Load: firstField("/proc/loadavg")}
	if os.Geteuid() == 0 {
		m.User = "root (services as " + serviceUser + ")"
	}
	if load, err := strconv.ParseFloat(m.Load, 64); err == nil {
		m.Busy = load > float64(m.Cores)/2
	}
	m.Kernel = firstField("/proc/sys/kernel/osrelease")
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		m.Memory = fmt.Sprintf("%.0f GiB", mib(int64(uint64(info.Totalram)*uint64(info.Unit)))/1024)
	}
	return m
}

// rung says which way of holding runs together upkeep can use here.
func rung() string {
	tree, err := cgroup.Find("bench")
	if err != nil {
		return "none (" + err.Error() + ")"
	}
	defer tree.Close()
	l, err := cgroup.NewLimiter("bench", tree, panel.Limits{}, panel.Limits{})
	if err != nil {
		return "v2 with cgroup.kill, no limits (" + err.Error() + ")"
	}
	defer l.Close()
	return "v2 with cgroup.kill, limits by " + string(l.Enforcement().Rung)
}

func fileSystem(dir string) string {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return "?"
	}
	switch st.Type {
	case unix.EXT4_SUPER_MAGIC:
		return "ext4"
	case unix.TMPFS_MAGIC:
		return "tmpfs"
	case unix.XFS_SUPER_MAGIC:
		return "xfs"
	case unix.BTRFS_SUPER_MAGIC:
		return "btrfs"
	case unix.OVERLAYFS_SUPER_MAGIC:
		return "overlayfs"
	}
	return fmt.Sprintf("type %#x", st.Type)
}

func firstField(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "?"
	}
	return strings.Fields(string(text) + " ?")[0]
}
