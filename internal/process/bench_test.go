package process

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"upkeep/internal/panel"
)

// crowd starts n idle programs for each of some services in control groups.
func crowd(b *testing.B, r rung, services, n int) []Group {
	b.Helper()
	groups := make([]Group, services)
	for i := range groups {
		a := play(b, r, "linger")
		a.line()
		groups[i] = a.group
		for range n - 1 {
			join(b, a.group)
		}
	}
	return groups
}

// join adds a small program to a group.
func join(b *testing.B, g Group) {
	b.Helper()
	cmd := exec.Command("sleep", "600")
	cmd.Env = []string{"RUN_ID=" + g.Identity.Marker}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if path := g.Identity.Cgroup; path != "" {
		dir, err := os.Open(path)
		check(b, err)
		defer dir.Close()
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(dir.Fd())
	}
	check(b, cmd.Start())
	b.Cleanup(func() {
		_ = cmd.Process.Kill() // if it was not killed with its group
		_ = cmd.Wait()         // of SIGKILL
	})
}

// measure also reports the CPU time of this process, which other load on the machine changes less.
func measure(b *testing.B, work func() error) {
	b.Helper()
	n := 0
	var before time.Duration
	for b.Loop() {
		if n == 0 {
			before = ownCPU(b)
		}
		n++
		check(b, work())
	}
	b.ReportMetric(float64(ownCPU(b)-before)/float64(n), "cpu-ns/op")
}

func ownCPU(b *testing.B) time.Duration {
	b.Helper()
	var used unix.Rusage
	check(b, unix.Getrusage(unix.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func BenchmarkProcesses(b *testing.B) {
	for _, r := range rungs {
		b.Run(r.name, func(b *testing.B) {
			groups := crowd(b, r, 10, 30)
			o := NewObserver()
			measure(b, func() error {
				list, err := o.Processes(b.Context(), groups)
				if len(list) != 300 {
					b.Fatal(len(list), " processes")
				}
				return err
			})
		})
	}
}

func BenchmarkUsage(b *testing.B) {
	for _, r := range rungs {
		b.Run(r.name, func(b *testing.B) {
			groups := crowd(b, r, 50, 2)
			o := NewObserver()
			measure(b, func() error {
				_, err := o.Usage(b.Context(), groups)
				return err
			})
		})
	}
}

func BenchmarkPorts(b *testing.B) {
	queries := map[panel.ServiceID]PortQuery{}
	for _, g := range crowd(b, rungs[0], 50, 2) {
		queries[g.Service] = PortQuery{Group: g, Port: 8300}
	}
	o := NewObserver()
	measure(b, func() error {
		_, err := o.Ports(b.Context(), queries)
		return err
	})
}
