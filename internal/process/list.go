package process

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"upkeep/internal/panel"
)

// Processes describes every process of the groups: the groups in their order, and in each the main process first,
// then by start.
func (o *Observer) Processes(ctx context.Context, groups []Group) ([]panel.Process, error) {
	members, err := MembersOf(ctx, groups)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	sockets, err := listening()
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	boot, err := bootTime()
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var list []panel.Process
	for _, g := range groups {
		family := readFamily(g, members[g.Service])
		for _, s := range family.stats {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			p := o.describe(s)
			p.Service = g.Service
			p.Main = s.pid == g.Identity.PID && s.start == g.Identity.StartTicks
			p.Strayed = !family.descends(s.pid)
			p.StartedAt = boot.Add(ticks(s.start))
			p.Listens = sockets.of(s.pid)
			list = append(list, p)
		}
	}
	o.sweep(o.now())
	return list, nil
}

func (o *Observer) describe(s stat) panel.Process {
	return panel.Process{
		PID:       s.pid,
		Parent:    s.parent,
		StartTime: s.start,
		Command:   commandLine(s),
		State:     stateWord(s.state),
		CPU:       o.rate(subject{pid: s.pid, start: s.start}, sample{o.now(), s.cpuTime()}),
		CPUTime:   s.cpuTime(),
		Memory:    pages(s.rssPages),
		Threads:   s.threads,
	}
}

// family is the processes of one group and who descends from whom.
type family struct {
	main   int // 0 when the main process is not alive
	stats  []stat
	parent map[int]int
}

func readFamily(g Group, pids []int) family {
	f := family{parent: make(map[int]int, len(pids))}
	for _, pid := range pids {
		s, err := readStat(pid)
		if err != nil {
			continue // ended meanwhile
		}
		if pid == g.Identity.PID && s.start == g.Identity.StartTicks {
			f.main = pid
		}
		f.stats = append(f.stats, s)
		f.parent[pid] = s.parent
	}
	slices.SortFunc(f.stats, func(a, b stat) int {
		if (a.pid == f.main) != (b.pid == f.main) {
			if a.pid == f.main {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.pid, b.pid))
	})
	return f
}

// descends reports whether pid is the main process or comes from it. The steps are bounded because the parents
// were not read at one moment, so that they might form a circle.
func (f family) descends(pid int) bool {
	for range len(f.parent) + 1 {
		if pid == f.main {
			return pid != 0
		}
		up, ok := f.parent[pid]
		if !ok {
			return false
		}
		pid = up
	}
	return false
}

// bootTime is the wall time that corresponds to zero ticks, by the wall clock of now: a start time told from it
// fits to what clocks show, also after the clock was set.
func bootTime() (time.Time, error) {
	up, err := sinceBoot()
	return time.Now().Round(0).Add(-up), err
}

// Age is how long ago something began that began at so many clock ticks since boot. No setting of the wall clock
// changes it; sleep of the machine counts.
func Age(startTicks uint64) (time.Duration, error) {
	up, err := sinceBoot()
	return up - ticks(startTicks), err
}

func sinceBoot() (time.Duration, error) {
	var up unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &up); err != nil {
		return 0, fmt.Errorf("clock: %w", err)
	}
	return time.Duration(up.Nano()), nil
}

// State is the word for what a process does now; empty when it has ended.
func State(pid int) string {
	s, err := readStat(pid)
	if err != nil {
		return ""
	}
	return stateWord(s.state)
}

func stateWord(letter byte) string {
	switch letter {
	case 'R':
		return "running"
	case 'S':
		return "sleeping"
	case 'D':
		return panel.WaitingForDisk
	case 'T':
		return "stopped"
	case 't':
		return "traced"
	case 'I', 'P':
		return "idle"
	case 'Z', 'X':
		return "zombie"
	default:
		return strings.ToLower(string(rune(letter)))
	}
}
