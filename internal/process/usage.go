package process

import (
	"context"
	"fmt"

	"upkeep/internal/cgroup"
	"upkeep/internal/panel"
)

// Usage returns what each group uses at the moment.
func (o *Observer) Usage(ctx context.Context, groups []Group) (map[panel.ServiceID]panel.Usage, error) {
	members, err := MembersOf(ctx, groups)
	if err != nil {
		return nil, fmt.Errorf("usage: %w", err)
	}
	use := make(map[panel.ServiceID]panel.Usage, len(groups))
	for _, g := range groups {
		u, err := o.usage(g, members[g.Service])
		if err != nil {
			return nil, fmt.Errorf("usage of service %d: %w", g.Service, err)
		}
		use[g.Service] = u
	}
	o.sweep(o.now())
	return use, nil
}

func (o *Observer) usage(g Group, pids []int) (panel.Usage, error) {
	if g.Identity.Cgroup == "" {
		return o.usageBySum(g, pids), nil
	}
	cpu, err := cgroup.CPU(g.Identity.Cgroup)
	if err != nil {
		return panel.Usage{}, err
	}
	u := panel.Usage{Processes: len(pids), CPU: o.rate(run(g), sample{o.now(), cpu})}
	for _, pid := range pids {
		u.Memory += residentBytes(pid)
	}
	return u, nil
}

// usageBySum counts the time of children that were waited for too, so that a service made of short-lived processes
// shows what it uses.
func (o *Observer) usageBySum(g Group, pids []int) panel.Usage {
	u := panel.Usage{Processes: len(pids)}
	var used uint64
	for _, pid := range pids {
		s, err := readStat(pid)
		if err != nil {
			continue // ended meanwhile
		}
		used += s.own + s.reaped
		u.Memory += pages(s.rssPages)
	}
	u.CPU = o.rate(run(g), sample{o.now(), ticks(used)})
	return u
}

func run(g Group) subject {
	id := g.Identity
	return subject{service: g.Service, pid: id.PID, start: id.StartTicks, cgroup: id.Cgroup}
}
