package process

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"upkeep/internal/panel"
)

func TestMembersOfTree(t *testing.T) {
	onEachRung(t, func(t *testing.T, r rung) {
		a := play(t, r, "tree", "2")
		want := a.numbers(3)
		if got := members(t, a.group); !slices.Equal(got, want) {
			t.Errorf("members %v, want %v", got, want)
		}
	})
}

// A double fork with a session of its own: found by the group, or by the marker.
func TestMembersOfStray(t *testing.T) {
	onEachRung(t, func(t *testing.T, r rung) {
		a := play(t, r, "stray")
		want := a.numbers(2)
		eventually(t, "the process in between is gone", func() bool { return slices.Equal(members(t, a.group), want) })
	})
}

// The main process ended and was reaped, others of its session stayed.
func TestMembersOfDeserted(t *testing.T) {
	onEachRung(t, func(t *testing.T, r rung) {
		a := play(t, r, "desert")
		want := a.numbers(2)
		state, err := a.Process.Wait()
		if err != nil || !state.Success() {
			t.Fatal(state, err)
		}
		if got := members(t, a.group); !slices.Equal(got, want) {
			t.Errorf("members %v, want %v", got, want)
		}
	})
}

func TestMembersOfNothing(t *testing.T) {
	boot, err := BootID()
	check(t, err)
	for _, g := range []Group{
		{Service: 1},
		{Service: 1, Identity: panel.Identity{BootID: boot}},
		{Service: 1, Identity: panel.Identity{BootID: boot, Marker: "nobody has this"}},
		{Service: 1, Identity: panel.Identity{BootID: "another", PID: 1}},
	} {
		if got := members(t, g); len(got) != 0 {
			t.Errorf("%+v has members %v", g.Identity, got)
		}
	}
}

// Even if the caller carried the marker itself, it is not a member, and what it has started is not by descent.
func TestMembersWithoutCaller(t *testing.T) {
	a := play(t, rung{}, "linger")
	self := identify(t, os.Getpid(), panel.Identity{})
	if got := members(t, Group{Service: 1, Identity: self}); slices.Contains(got, os.Getpid()) || slices.Contains(got, a.Process.Pid) {
		t.Errorf("members %v contain the caller or its child", got)
	}
}

// The same in a control group: the one this process lives in.
func TestMembersWithoutCallerInGroup(t *testing.T) {
	path := newCgroup(t, panel.ServiceID(lastService.Add(1)))
	own := filepath.Join(path, "..", "..", "..", "..") // run, service, account, tree
	got := members(t, Group{Service: 1, Identity: panel.Identity{Cgroup: own}})
	if len(got) == 0 || slices.Contains(got, os.Getpid()) {
		t.Errorf("%d members; is the caller among them: %v", len(got), slices.Contains(got, os.Getpid()))
	}
}

// A session of its own and no marker: what is left is descent.
func TestMembersByDescent(t *testing.T) {
	onEachRung(t, func(t *testing.T, r rung) {
		a := play(t, r, "scrub")
		want := a.numbers(2)
		if got := members(t, a.group); !slices.Equal(got, want) {
			t.Errorf("members %v, want %v", got, want)
		}
	})
}

func TestMembersOfMany(t *testing.T) {
	grouped, loose := play(t, rungs[0], "tree", "1"), play(t, rungs[1], "tree", "1")
	other := play(t, rungs[1], "linger")
	want := map[panel.ServiceID][]int{
		grouped.group.Service: grouped.numbers(2),
		loose.group.Service:   loose.numbers(2),
		other.group.Service:   {other.Process.Pid},
	}
	got, err := MembersOf(t.Context(), []Group{grouped.group, loose.group, other.group})
	check(t, err)
	for id, pids := range want {
		if !slices.Equal(got[id], pids) {
			t.Errorf("members of %d are %v, want %v", id, got[id], pids)
		}
	}
}

// What a session proves when its main process is gone. The cases need numbers used twice, so they are written down
// instead of made.
func TestSessionOfGoneMain(t *testing.T) {
	id := panel.Identity{BootID: "boot", PID: 100, StartTicks: 50, Marker: "mine"}
	mine := environ("A=1\x00RUN_ID=mine\x00")
	foreign := environ("A=1\x00RUN_ID=mine-not\x00")
	blank := environ("\x00\x00")
	for _, c := range []struct {
		name string
		main *stat
		envs map[int]environ
		want []int
	}{
		{name: "another process has the number", main: &stat{start: 60},
			envs: map[int]environ{101: foreign}, want: nil},
		{name: "main is a zombie", main: &stat{start: 50, state: 'Z'},
			envs: map[int]environ{101: foreign}, want: []int{101}},
		{name: "one carries the marker", envs: map[int]environ{101: foreign, 102: mine}, want: []int{101, 102}},
		{name: "titles over the environment", envs: map[int]environ{101: blank}, want: []int{101}},
		{name: "none carries the marker", envs: map[int]environ{101: foreign, 102: blank}, want: nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &snapshot{boot: "boot", stats: map[int]stat{}, environs: c.envs}
			for pid := range c.envs {
				s.stats[pid] = stat{pid: pid, session: 100, start: 70}
			}
			if c.main != nil {
				s.stats[100], s.environs[100] = *c.main, nil
			}
			got := s.members(id)
			slices.Sort(got)
			if !slices.Equal(got, c.want) {
				t.Errorf("members %v, want %v", got, c.want)
			}
		})
	}
}
