package process

import (
	"context"
	"errors"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"upkeep/internal/panel"
)

func killAll(t *testing.T, g Group) {
	t.Helper()
	left, err := KillAll(t.Context(), g, patience)
	check(t, err)
	if len(left) > 0 {
		t.Errorf("%v are left", left)
	}
	if got := members(t, g); len(got) > 0 {
		t.Errorf("%v live after KillAll", got)
	}
}

func TestKillAll(t *testing.T) {
	onEachRung(t, func(t *testing.T, r rung) {
		for _, mode := range []string{"tree", "stray", "deaf"} {
			a := play(t, r, mode, "2")
			a.line()
			killAll(t, a.group)
		}
	})
}

// Something that starts processes faster than they are killed one by one.
func TestKillAllOfHydra(t *testing.T) {
	onEachRung(t, func(t *testing.T, r rung) {
		a := play(t, r, "hydra")
		a.line()
		eventually(t, "it has some heads", func() bool { return len(members(t, a.group)) > 5 })
		killAll(t, a.group)
	})
}

// Before anything is killed everything stands still, also what the caller had not seen yet.
func TestStopAll(t *testing.T) {
	a := play(t, rungs[1], "tree", "2")
	pids := a.numbers(3)
	h, err := Open(a.Process.Pid)
	check(t, err)
	handles := []*Handle{h}
	defer func() { closeAll(handles) }()
	check(t, stopAll(t.Context(), a.group, &handles))
	if len(handles) != len(pids) {
		t.Errorf("%d handles, want %d", len(handles), len(pids))
	}
	for _, pid := range pids {
		eventually(t, "it stands still", func() bool {
			s, err := readStat(pid)
			return err == nil && s.state == 'T'
		})
	}
}

func TestKillAllSparesOthers(t *testing.T) {
	onEachRung(t, func(t *testing.T, r rung) {
		a, other := play(t, r, "tree", "1"), play(t, r, "tree", "1")
		a.numbers(2)
		want := other.numbers(2)
		killAll(t, a.group)
		if got := members(t, other.group); !slices.Equal(got, want) {
			t.Errorf("members of the other group %v, want %v", got, want)
		}
	})
}

func TestKillAllCanceled(t *testing.T) {
	a := play(t, rung{}, "linger")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := KillAll(ctx, a.group, patience); !errors.Is(err, context.Canceled) {
		t.Errorf("KillAll = %v", err)
	}
	if got := members(t, a.group); len(got) != 1 {
		t.Errorf("members %v, want the one that was there", got)
	}
}

func TestEnd(t *testing.T) {
	onEachRung(t, func(t *testing.T, r rung) {
		a := play(t, r, "tree", "1")
		pids := a.numbers(2)
		child := slices.DeleteFunc(slices.Clone(pids), func(pid int) bool { return pid == a.Process.Pid })[0]
		start, err := StartTicks(child)
		check(t, err)

		if err := End(t.Context(), a.group, child, start+1, syscall.SIGKILL); !errors.Is(err, panel.ErrGone) {
			t.Errorf("End of an earlier process of that number: %v, want ErrGone", err)
		}
		if got := members(t, a.group); !slices.Equal(got, pids) {
			t.Fatalf("members %v, want %v", got, pids)
		}
		check(t, End(t.Context(), a.group, child, start, syscall.SIGKILL))
		eventually(t, "only the main process is left", func() bool {
			return slices.Equal(members(t, a.group), []int{a.Process.Pid})
		})
		if err := End(t.Context(), a.group, child, start, syscall.SIGKILL); !errors.Is(err, panel.ErrGone) {
			t.Errorf("End of a dead process: %v, want ErrGone", err)
		}
	})
}

func TestEndOfStranger(t *testing.T) {
	onEachRung(t, func(t *testing.T, r rung) {
		a, other := play(t, r, "linger"), play(t, r, "linger")
		for _, pid := range []int{other.Process.Pid, os.Getpid(), 1} {
			start, err := StartTicks(pid)
			check(t, err)
			if err := End(t.Context(), a.group, pid, start, syscall.SIGCONT); !errors.Is(err, panel.ErrNotFound) {
				t.Errorf("End of process %d: %v, want ErrNotFound", pid, err)
			}
		}
	})
}

// patience is how long a kill may take on a machine with other things to do.
const patience = 30 * time.Second
