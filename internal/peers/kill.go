package main

import (
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Times of the scenarios in which the supervisor ends.
const (
	afterKill = 2 * time.Second // as the table says
	copyTime  = 7 * time.Second // a second copy would be there by then: runsvdir looks every five seconds
)

// supervisorKilled kills the supervisor under a service that writes, and brings it back.
func supervisorKilled(t *trial) ([]cell, error) {
	s := t.torture("writer", "lines", "10ms")
	pid, err := t.beginWriter(s)
	if err != nil {
		return nil, err
	}
	if err := t.signal(s, unix.SIGKILL); err != nil {
		return nil, err
	}
	time.Sleep(afterKill) // this is what the row is about
	survived := alive(pid)
	if err := t.again(); err != nil {
		return nil, err
	}
	second := t.within(t.copyTime, func() bool { return len(t.programs(s.name)) > 1 }) ||
		!slices.Equal(t.programs(s.name), []int{pid})
	back := copies(pid, t.programs(s.name))
	lost, err := t.lost(s)
	if err != nil {
		return nil, err
	}
	return []cell{
		{yesNo(survived), survived},
		{back, !second},
		lostCell(pid, lost, t.written(s.name)),
	}, nil
}

// beginWriter starts a service that writes and waits for its first lines.
func (t *trial) beginWriter(s service) (pid int, err error) {
	if pid, err = t.beginOne(s); err != nil {
		return 0, err
	}
	if !t.within(startTime, func() bool { return t.written(s.name)[pid] > 50 }) {
		return 0, fmt.Errorf("%s does not write", s.name)
	}
	return pid, nil
}

// signal sends a signal to the supervisor of a service and waits for its end.
func (t *trial) signal(s service, sig unix.Signal) error {
	pid, err := t.supervisor.pid(s.name)
	if err == nil {
		err = unix.Kill(pid, sig)
	}
	if err == nil && !t.within(commandTime, func() bool { return !alive(pid) }) {
		err = fmt.Errorf("the supervisor does not end by %v", sig)
	}
	return err
}

func copies(first int, pids []int) string {
	switch {
	case slices.Equal(pids, []int{first}):
		return "the same one, alone"
	case len(pids) == 0:
		return "none"
	case len(pids) == 1:
		return "new copy"
	}
	return fmt.Sprintf("%d copies", len(pids))
}

func lostCell(first int, lost, written map[int]int) cell {
	text := fmt.Sprintf("%d of %d", total(lost), total(written))
	if others := total(lost) - lost[first]; others > 0 {
		text = fmt.Sprintf("%d of the old, %d of the new (of %d)", lost[first], others, total(written))
	}
	return cell{text, total(lost) == 0}
}

// supervisorEnded asks the supervisor to end. Upkeep leaves its services and finds them again.
func supervisorEnded(t *trial) ([]cell, error) {
	s := t.torture("writer", "lines", "10ms")
	pid, err := t.beginWriter(s)
	if err != nil {
		return nil, err
	}
	if err := t.signal(s, unix.SIGTERM); err != nil {
		return nil, err
	}
	if t.within(afterKill, func() bool { return !alive(pid) }) {
		return []cell{{"stopped", false}}, nil
	}
	if err := t.again(); err != nil {
		return nil, err
	}
	second := t.within(t.copyTime, func() bool { return !slices.Equal(t.programs(s.name), []int{pid}) })
	lost, err := t.lost(s)
	return []cell{{fmt.Sprintf("runs on; afterwards: %s, %d lines lost", copies(pid, t.programs(s.name)), total(lost)),
		!second && total(lost) == 0}}, err
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}
