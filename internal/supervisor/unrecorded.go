package supervisor

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"upkeep/internal/cgroup"
	"upkeep/internal/command"
	"upkeep/internal/panel"
	"upkeep/internal/process"
)

// adoptUnrecorded looks for a run of the service that lives and is later than the recorded one. There is one when
// the journal comes from a backup: what was started since, it does not know. The run is recorded now. It returns nil
// when there is none.
func (h *realHost) adoptUnrecorded(ctx context.Context, svc panel.Service, acct panel.Account, rec panel.Recovery) (event, error) {
	found, err := h.carriersOf(ctx, svc, acct, rec.Number)
	if err != nil {
		return nil, fmt.Errorf("look for runs that are not recorded: %w", err)
	}
	if len(found) == 0 {
		return nil, nil
	}
	start, fd, err := h.recognise(svc, acct, rec.Number, found)
	if err != nil {
		return nil, fmt.Errorf("look at process %d: %w", found[0].PID, err)
	}
	h.Log.Warn("a run that is not recorded lives: it is taken over", "service", svc.ID, "run", start.Number, "pid", start.PID)
	if err := h.Journal.BeginRun(ctx, start); err != nil {
		h.Log.Error("record start", "service", svc.ID, "err", err) // the next take-over finds it again
	}
	h.settle(svc.ID) // the recorded run, of which nothing lives
	r := &liveRun{service: svc.ID, run: start.Number, identity: start.Identity, pidfd: fd}
	h.hold(r)
	h.attach(ctx, svc, acct)
	adopted := evAdopt{pid: start.PID, startedAt: start.At, unrecorded: &start}
	if fd >= 0 {
		h.Keeper.Put(r.name(), r.pidfd)
	} else {
		adopted.ended = h.exitUnseen(r, panel.Recovery{RunStart: start})
	}
	return adopted, nil
}

// carriersOf are the processes of the service's latest run that lives and has no record, the one that began first at
// the front. Those of another Unix user only pretend.
func (h *realHost) carriersOf(ctx context.Context, svc panel.Service, acct panel.Account, recorded int) ([]process.Carrier, error) {
	if h.carriers == nil {
		all, err := process.Carriers(ctx, h.Instance, h.FIFOs)
		if err != nil {
			return nil, err
		}
		h.carriers = map[panel.ServiceID][]process.Carrier{}
		for _, c := range all {
			h.carriers[c.Service] = append(h.carriers[c.Service], c)
		}
	}
	if len(h.carriers[svc.ID]) == 0 {
		return nil, nil
	}
	own, err := lookUp(acct)
	if err != nil {
		return nil, nil // nobody runs as a user that does not exist; the start will say so
	}
	latest := recorded
	for _, c := range h.carriers[svc.ID] {
		if c.UID == own.cred.UID {
			latest = max(latest, c.Run)
		}
	}
	var found []process.Carrier
	for _, c := range h.carriers[svc.ID] {
		if c.UID == own.cred.UID && (c.Run == 0 || (c.Run == latest && latest > recorded)) {
			found = append(found, c)
		}
	}
	slices.SortFunc(found, func(a, b process.Carrier) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.PID, b.PID))
	})
	return found, nil
}

// recognise makes the record of a run of its processes. The main process leads the session of the one that began
// first; where it has ended, the descriptor is -1. A helper that left the session and is all that is left passes for
// the main process: nothing tells them apart.
func (h *realHost) recognise(svc panel.Service, acct panel.Account, recorded int, found []process.Carrier) (start panel.RunStart, fd int, err error) {
	number := recorded + 1 // where only the FIFO tells
	for _, c := range found {
		number = max(number, c.Run)
	}
	main := found[0]
	start = panel.RunStart{Service: svc.ID, Number: number, Version: svc.Version, Cause: panel.CauseBoot}
	if cmd, err := command.Parse(svc.Command); err == nil {
		start.Shell = cmd.Shell
	}
	if start.At, err = process.StartedAt(main.Start); err != nil {
		return start, -1, err
	}
	start.BootID, start.Marker = h.bootID, h.marker(svc.ID, number)
	start.PID, start.StartTicks = main.Session, main.Start
	start.Cgroup = h.groupOf(main.PID, acct)
	fd, _, err = process.Alive(start.Identity)
	if fd >= 0 {
		_, start.Inode, err = process.Identity(fd, start.PID)
	}
	return start, fd, err
}

// groupOf is the group of the run that a process is in; empty when it is in none of this installation's.
func (h *realHost) groupOf(pid int, acct panel.Account) string {
	path, err := cgroup.Of(pid)
	if err != nil {
		return ""
	}
	// <where upkeep was>/upkeep-<instance>/<account>/run/<serial>, and below that what the service made itself
	above, rest, ok := strings.Cut(path, "/upkeep-"+h.Instance+"/"+acct.Name+"/run/")
	if !ok {
		return ""
	}
	serial, _, _ := strings.Cut(rest, "/")
	return filepath.Join(above, "upkeep-"+h.Instance, acct.Name, "run", serial)
}
