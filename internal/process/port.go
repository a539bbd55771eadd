package process

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"upkeep/internal/panel"
)

// PortQuery asks who of a group listens on a port. With Port 0 only other ports can be found.
type PortQuery struct {
	Group Group
	Port  int
}

// Ports answers what stands behind the declared port of each service. Only sockets that the service's own
// processes hold count, and only those of this network namespace.
func (o *Observer) Ports(ctx context.Context, queries map[panel.ServiceID]PortQuery) (map[panel.ServiceID]panel.PortUse, error) {
	groups := make([]Group, 0, len(queries))
	for id, q := range queries {
		q.Group.Service = id
		groups = append(groups, q.Group)
	}
	members, err := MembersOf(ctx, groups)
	if err != nil {
		return nil, fmt.Errorf("look at ports: %w", err)
	}
	sockets, err := listening()
	if err != nil {
		return nil, fmt.Errorf("look at ports: %w", err)
	}
	uses := make(map[panel.ServiceID]panel.PortUse, len(queries))
	for id, q := range queries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		uses[id] = sockets.use(q.Port, members[id])
	}
	return uses, nil
}

// use looks through the processes until one listens on everything.
func (t socketTable) use(port int, pids []int) panel.PortUse {
	use := panel.PortUse{State: panel.PortNothing}
	for _, pid := range pids {
		t.eachOf(pid, func(s socket) bool {
			if s.port != port {
				use.Other = append(use.Other, s.port)
				return true
			}
			if state := s.reach(); rank(state) < rank(use.State) {
				use.State, use.Address, use.PID = state, s.address.String(), pid
			}
			return use.State != panel.PortListening
		})
		if use.State == panel.PortListening {
			break
		}
	}
	return finish(use)
}

// finish keeps the other ports only where they are the answer.
func finish(use panel.PortUse) panel.PortUse {
	switch {
	case use.State != panel.PortNothing:
		use.Other = nil
		use.Name = name(use.PID)
	case len(use.Other) > 0:
		use.State = panel.PortOther
		slices.Sort(use.Other)
		use.Other = slices.Compact(use.Other)
	}
	return use
}

// reach says who can connect to the socket.
func (s socket) reach() panel.PortState {
	switch {
	case s.address.IsLoopback():
		return panel.PortLoopback
	case s.address.Is4():
		return panel.PortIPv4Only
	case s.address.IsUnspecified():
		return panel.PortListening
	default:
		return panel.PortSpecific
	}
}

// rank orders the answers for a service that listens more than once on its port: the widest reach wins.
func rank(s panel.PortState) int {
	return slices.Index([]panel.PortState{
		panel.PortListening, panel.PortSpecific, panel.PortIPv4Only, panel.PortLoopback, panel.PortNothing,
	}, s)
}

// name returns the name of a process, empty when it is gone.
func name(pid int) string {
	s, err := readStat(pid)
	if err != nil {
		return ""
	}
	return printable(s.comm)
}

func sortListeners(list []panel.Listener) []panel.Listener {
	slices.SortFunc(list, func(a, b panel.Listener) int {
		return cmp.Or(cmp.Compare(a.Port, b.Port), cmp.Compare(a.Address, b.Address))
	})
	return slices.Compact(list)
}
