package process

import (
	"context"
	"os"
	"slices"

	"upkeep/internal/cgroup"
	"upkeep/internal/panel"
)

// Members is [MembersOf] for one group.
func Members(ctx context.Context, g Group) ([]int, error) {
	found, err := MembersOf(ctx, []Group{g})
	return found[g.Service], err
}

// MembersOf returns the living processes of each group, in ascending order; zombies and the calling process itself
// are never among them.
//
// With a control group these are its processes. Without, all of /proc is read, once for all groups, and a process
// is a member when it is the main process, is in its session, has RUN_ID=<Marker> in its environment, or descends
// from one of these. A process that leaves the session, clears its environment and loses its parents is not found.
func MembersOf(ctx context.Context, groups []Group) (map[panel.ServiceID][]int, error) {
	found := make(map[panel.ServiceID][]int, len(groups))
	var loose []Group
	for _, g := range groups {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if g.Identity.Cgroup == "" {
			loose = append(loose, g)
			continue
		}
		pids, err := cgroup.Processes(g.Identity.Cgroup)
		if err != nil {
			return nil, err
		}
		found[g.Service] = tidy(pids)
	}
	if len(loose) == 0 {
		return found, nil
	}
	s, err := scan(ctx)
	if err != nil {
		return nil, err
	}
	for _, g := range loose {
		found[g.Service] = tidy(s.members(g.Identity))
	}
	return found, nil
}

// tidy sorts, and takes out the caller.
func tidy(pids []int) []int {
	slices.Sort(pids)
	self := os.Getpid()
	return slices.DeleteFunc(slices.Compact(pids), func(pid int) bool { return pid == self })
}
