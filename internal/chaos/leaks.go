package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// descriptors counts the open descriptors of a process by what they lead to.
type descriptors map[string]int

// readDescriptors looks at a process from outside.
func readDescriptors(pid int) (descriptors, error) {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	found := descriptors{}
	for _, e := range entries {
		target, err := os.Readlink(filepath.Join(dir, e.Name()))
		if err != nil {
			continue // closed meanwhile
		}
		found[category(target)]++
	}
	return found, nil
}

// category is what a descriptor leads to, without what differs from one to the next.
func category(target string) string {
	target = strings.TrimSuffix(target, " (deleted)")
	switch {
	case strings.HasPrefix(target, "socket:"), strings.HasPrefix(target, "pipe:"):
		return target[:strings.IndexByte(target, ':')]
	case strings.Contains(target, "pidfd"):
		return "pidfd"
	case strings.HasPrefix(target, "anon_inode:"):
		return target
	case strings.HasSuffix(target, "/keeper.log"):
		return "keeper's own log"
	case strings.Contains(target, "/fifos/"):
		return "FIFO"
	case strings.Contains(target, ".log"):
		return "log"
	case strings.Contains(target, "/homes/"):
		return "home"
	case strings.Contains(target, "upkeep.db"):
		return "database"
	case strings.HasPrefix(target, "/sys/fs/cgroup"):
		return "control group"
	}
	return target
}

// spareFor is how many descriptors of a kind may be there beyond those before the first service: pools of
// connections fill as they are used, two launchers wait, and a keeper that was started by the daemon has its own log.
var spareFor = map[string]int{"database": 24, "socket": 8, "pidfd": 4, "keeper's own log": 1}

// beyond lists what is open and was not before, apart from what may be.
func (d descriptors) beyond(before descriptors) []string {
	var more []string
	for what, n := range d {
		if n > before[what]+spareFor[what] {
			more = append(more, fmt.Sprintf("%d %s (before: %d)", n, what, before[what]))
		}
	}
	slices.Sort(more)
	return more
}

// auditPaused looks for what no paused service may leave.
func (c *chaos) auditPaused(ctx context.Context) error {
	c.auditProcesses(ctx, "all services are paused")
	if c.tree == "" {
		c.report.skip("control groups", "there are none on this machine")
		return nil
	}
	c.wantSoon(ctx, "leak", "all services are paused", c.leftGroups)
	return nil
}

// wantSoon waits until nothing is left of a kind; what stays is a violation.
func (c *chaos) wantSoon(ctx context.Context, kind, when string, left func() []string) {
	var found []string
	if err := until(ctx, 10*time.Second, func() bool { found = left(); return len(found) == 0 }); err != nil {
		c.report.violation(kind, "%s, and there are %d: %v", when, len(found), found[:min(len(found), 10)])
	}
}

// leftGroups are the control groups of runs. Those of launchers that wait are not.
func (c *chaos) leftGroups() []string {
	waiting := map[string]bool{}
	for _, p := range processes() {
		if exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", p.pid)); exe == c.helper {
			text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", p.pid)) // gone: then its group is left
			for line := range strings.Lines(string(text)) {
				if group, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
					waiting[filepath.Base(group)] = true
				}
			}
		}
	}
	var left []string
	_ = filepath.WalkDir(c.tree, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil // removed meanwhile
		}
		// <tree>/<account>/<service>/<run>: only the last are groups of runs.
		if rel, _ := filepath.Rel(c.tree, path); strings.Count(rel, "/") == 2 && !waiting[d.Name()] {
			left = append(left, rel)
		}
		return nil
	})
	return left
}

// auditProcesses looks for processes of services and for zombies.
func (c *chaos) auditProcesses(ctx context.Context, when string) {
	c.wantSoon(ctx, "leak", when, func() []string {
		var left []string
		for _, p := range processes() {
			if p.zombie() || p.service != "" {
				left = append(left, p.String())
			}
		}
		return left
	})
}

// auditRemoved looks for what no deleted service may leave.
func (c *chaos) auditRemoved(ctx context.Context) error {
	const when = "all services are deleted"
	for _, folder := range []string{"fifos", "logs"} {
		c.wantSoon(ctx, "leak", when+", folder "+folder, func() []string { return namesIn(filepath.Join(c.data, folder)) })
	}
	for _, p := range c.persons {
		p.client.close()
	}
	c.auditDescriptors(ctx, when+", descriptors of the daemon", c.daemonPID(), c.baseline)
	c.auditDescriptors(ctx, when+", descriptors of the keeper", c.keeperPID(), c.keeperBaseline)
	return nil
}

// auditDescriptors compares what a process of upkeep has open with what it had before the first service.
func (c *chaos) auditDescriptors(ctx context.Context, when string, pid int, before descriptors) {
	if pid == 0 {
		return
	}
	c.wantSoon(ctx, "leak", when, func() []string {
		now, err := readDescriptors(pid)
		if err != nil {
			return []string{err.Error()}
		}
		return now.beyond(before)
	})
}

func namesIn(dir string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return []string{err.Error()}
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// endAll ends upkeep, after which nothing may be left but its files.
func (c *chaos) endAll(ctx context.Context) error {
	daemon, keeper := c.daemonPID(), c.keeperPID()
	if err := signalTo(daemon, syscall.SIGTERM); err != nil {
		return err
	}
	if err := awaitGone(ctx, daemon, keeper); err != nil {
		return err
	}
	c.wantSoon(ctx, "leak", "upkeep has ended", func() []string {
		var left []string
		for _, p := range processes() {
			if p.pid != 1 && p.pid != os.Getpid() {
				left = append(left, p.String())
			}
		}
		return left
	})
	if _, err := os.Stat(c.tree); c.tree != "" && err == nil {
		c.report.violation("leak", "upkeep has ended, and its control group is there: %v", c.leftGroups())
	}
	c.auditFolder()
	said, err := os.ReadFile(c.saidPath())
	if err == nil {
		c.report.note("upkeep logged %d errors and %d panics", strings.Count(string(said), "level=ERROR"), strings.Count(string(said), "\npanic:"))
	}
	return err
}

// ownFiles are what may lie in the data directory of an upkeep without services.
var ownFiles = []string{"fifos", "logs", "lock", "upkeep.db", "upkeep.db-wal", "upkeep.db-shm", "upkeep.db.lock",
	"upkeep.db.use.lock", "upkeep.db.instance", "keeper.lock", "keeper.log",
	"drain.lock", "backups"}

// auditFolder looks for temporary files.
func (c *chaos) auditFolder() {
	for _, name := range namesIn(c.data) {
		if !slices.Contains(ownFiles, name) {
			c.report.violation("leak", "the data directory holds %s", name)
		}
	}
}
