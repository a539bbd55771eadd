package control

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"upkeep/internal/panel"
	"upkeep/internal/process"
)

// Observer looks at the processes of services: it knows from the engine which processes those are.
type Observer struct {
	engine  Engine
	machine *process.Observer
}

// NewObserver returns an Observer.
func NewObserver(e Engine) *Observer { return &Observer{engine: e, machine: process.NewObserver()} }

// groups are the runs that live now.
func groups(e Engine, ids []panel.ServiceID) []process.Group {
	live := make([]process.Group, 0, len(ids))
	for _, id := range ids {
		if identity, ok := e.Identity(id); ok {
			live = append(live, process.Group{Service: id, Identity: identity})
		}
	}
	return live
}

// Usage is what each service uses now; a service of which nothing lives is left out.
func (o *Observer) Usage(ctx context.Context, ids []panel.ServiceID) (map[panel.ServiceID]panel.Usage, error) {
	return o.machine.Usage(ctx, groups(o.engine, ids))
}

// Processes lists the processes of services.
func (o *Observer) Processes(ctx context.Context, ids []panel.ServiceID) ([]panel.Process, error) {
	return o.machine.Processes(ctx, groups(o.engine, ids))
}

// Ports says who listens on the declared ports; services without one are left out.
func (o *Observer) Ports(ctx context.Context, services []panel.Service) (map[panel.ServiceID]panel.PortUse, error) {
	found := map[panel.ServiceID]panel.PortUse{}
	queries := map[panel.ServiceID]process.PortQuery{}
	for _, svc := range services {
		if svc.Port == 0 {
			continue
		}
		identity, ok := o.engine.Identity(svc.ID)
		if !ok {
			found[svc.ID] = panel.PortUse{State: panel.PortNothing}
			continue
		}
		queries[svc.ID] = process.PortQuery{Group: process.Group{Service: svc.ID, Identity: identity}, Port: svc.Port}
	}
	used, err := o.machine.Ports(ctx, queries)
	for id, use := range used {
		found[id] = use
	}
	return found, err
}

// EndProcess sends SIGTERM, or SIGKILL with kill, to one process of the account's services, and returns whose it
// was. panel.ErrGone says that the process, known by its PID and start time, is not there any more;
// panel.ErrNotFound that it is none of the account's services.
func (c *Control) EndProcess(ctx context.Context, acct panel.Account, pid int, start uint64, kill bool, by panel.Actor) (string, error) {
	services, err := c.store.Services(ctx, acct.ID)
	if err != nil {
		return "", err
	}
	svc, group, err := c.holder(ctx, services, pid)
	if err != nil {
		return "", err
	}
	sig, word := syscall.SIGTERM, "SIGTERM"
	if kill {
		sig, word = syscall.SIGKILL, "SIGKILL"
	}
	if err := process.End(ctx, group, pid, start, sig); err != nil {
		return svc.Name, err
	}
	return svc.Name, c.store.AddEvent(ctx, panel.Event{Account: acct.ID, Service: svc.ID, ServiceName: svc.Name,
		Kind: panel.EventProcessEnd, By: by, At: time.Now(), PID: pid, Detail: word})
}

// holder finds the service that a process belongs to.
func (c *Control) holder(ctx context.Context, services []panel.Service, pid int) (panel.Service, process.Group, error) {
	ids := make([]panel.ServiceID, len(services))
	for i, svc := range services {
		ids[i] = svc.ID
	}
	live := groups(c.engine, ids)
	members, err := process.MembersOf(ctx, live)
	if err != nil {
		return panel.Service{}, process.Group{}, err
	}
	for _, g := range live {
		for _, member := range members[g.Service] {
			if member != pid {
				continue
			}
			for _, svc := range services {
				if svc.ID == g.Service {
					return svc, g, nil
				}
			}
		}
	}
	return panel.Service{}, process.Group{}, fmt.Errorf("process %d: %w", pid, panel.ErrGone)
}
