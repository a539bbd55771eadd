package supervisor

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"upkeep/internal/cgroup"
	"upkeep/internal/failpoint"
	"upkeep/internal/keeper"
	"upkeep/internal/panel"
	"upkeep/internal/process"
)

// takeOver looks what is left of the service's latest run, recorded or not.
func (h *realHost) takeOver(ctx context.Context, svc panel.Service, acct panel.Account, rec panel.Recovery) (event, error) {
	found, err := h.takeOverRecorded(ctx, svc, acct, rec)
	if _, nothing := found.(evBoot); err != nil || !nothing {
		return found, err
	}
	if other, err := h.adoptUnrecorded(ctx, svc, acct, rec); err != nil || other != nil {
		return other, err
	}
	return found, nil
}

// takeOverRecorded looks what is left of a recorded run. Nothing that lives is ever started a second time: a main
// process is recognised by its identity, and helpers that outlived it by the run's control group or marker. What
// cannot be found out is an error, and not "nothing".
func (h *realHost) takeOverRecorded(ctx context.Context, svc panel.Service, acct panel.Account, rec panel.Recovery) (event, error) {
	boot := evBoot{cause: panel.CauseBoot}
	if !rec.Live {
		return boot, nil
	}
	rec.At = startOf(rec, time.Now(), rec.BootID == h.bootID)
	boot.startedAt = rec.At
	unseen := &panel.Exit{Kind: panel.EndUnknown, Host: true, At: time.Now()}
	if rec.PID == 0 || rec.BootID != h.bootID {
		boot.lost = unseen
		return boot, nil
	}
	if !cgroup.Exists(rec.Cgroup) {
		rec.Cgroup = "" // it cannot be seen from here: what is left of the run is found without
	}
	fd, alive, err := process.Alive(rec.Identity)
	if err != nil {
		return nil, fmt.Errorf("look for process %d: %w", rec.PID, err)
	}
	failpoint.At("takeover.looked")
	r := &liveRun{service: svc.ID, run: rec.Number, identity: rec.Identity, pidfd: fd}
	r.limits = h.limiter.Of(rec.PID, rec.Cgroup)
	if alive {
		h.closeKept(r.name())
		h.hold(r)
		h.Keeper.Put(r.name(), r.pidfd)
		failpoint.At("takeover.held")
		h.attach(ctx, svc, acct)
		failpoint.At("takeover.attached")
		return evAdopt{pid: rec.PID, startedAt: rec.At}, nil
	}
	exit := h.exitUnseen(r)
	explain(exit, r)
	if kept, ok := h.left.FDs[r.name()]; ok && fd < 0 {
		// What it left behind may take a while to stop. Until the end is stored, the keeper, or the next one, needs the
		// pidfd for the status.
		r.pidfd = kept
		delete(h.left.FDs, r.name())
		h.Keeper.Put(r.name(), r.pidfd)
	}
	failpoint.At("takeover.ended")
	left, err := h.members(ctx, r)
	if err != nil {
		return nil, fmt.Errorf("look for what is left of run %d: %w", rec.Number, err)
	}
	h.hold(r)
	h.attach(ctx, svc, acct)
	if len(left) == 0 {
		boot.lost, boot.cause = exit, panel.CauseExit
		return boot, nil
	}
	return evAdopt{pid: rec.PID, startedAt: rec.At, ended: exit}, nil
}

// startOf is when a run began. The wall clock may have been set since; but during the same boot the kernel knows how
// long ago the process was made, which is never after the start and, unless a launcher waited, hardly before it.
func startOf(rec panel.Recovery, now time.Time, sameBoot bool) time.Time {
	age, err := process.Age(rec.StartTicks)
	if made := now.Add(-age); sameBoot && err == nil && rec.PID != 0 && (rec.At.Before(made) || rec.At.After(now)) {
		return made
	}
	return tied(rec.At, now)
}

// exitUnseen is the exit of a main process that ended while upkeep was away: what the keeper saw, or what the
// kernel still knows by a pidfd that somebody has kept open.
func (h *realHost) exitUnseen(r *liveRun) *panel.Exit {
	seen := h.left.Exits[r.name()]
	exit := h.statusBy(r.pidfd, r)
	if exit == nil && seen.Known {
		exit = exitOf(seen.Status)
	}
	if kept, ok := h.left.FDs[r.name()]; ok && exit == nil {
		exit = h.statusBy(kept, r)
	}
	if exit == nil { // it may have ended since the keeper was asked
		if exit, seen = h.seenByKeeper(r); exit == nil {
			exit = &panel.Exit{Kind: panel.EndUnknown, Host: true, At: time.Now()}
		}
	}
	if !seen.At.IsZero() { // by the wall clock, which may have been set since
		now := time.Now()
		exit.At = earlier(tied(seen.At, now), now)
	}
	return exit
}

// statusBy is the exit of a run's main process as a pidfd tells it; nil when it does not.
func (h *realHost) statusBy(fd int, r *liveRun) *panel.Exit {
	if fd < 0 {
		return nil
	}
	status, known := process.ExitStatus(fd, r.identity.PID)
	if !known {
		return nil
	}
	return exitOf(status)
}

// statusOf is the exit of a main process that is not upkeep's own child. Its parent, the keeper or init, may not have
// waited for it yet, and where the kernel does not say how a process ended that was waited for, the keeper does.
func (h *realHost) statusOf(r *liveRun) *panel.Exit {
	for range statusTries {
		if exit := h.statusBy(r.pidfd, r); exit != nil {
			return exit
		}
		if exit, _ := h.seenByKeeper(r); exit != nil {
			return exit
		}
		time.Sleep(statusStep)
	}
	return &panel.Exit{Kind: panel.EndUnknown, Host: true, At: time.Now()}
}

// seenByKeeper asks the keeper how a main process ended; nil when it does not know.
func (h *realHost) seenByKeeper(r *liveRun) (*panel.Exit, keeper.Exit) {
	held := h.Keeper.List(r.name())
	for _, fd := range held.FDs {
		unix.Close(fd)
	}
	seen := held.Exits[r.name()]
	if !seen.Known {
		return nil, seen
	}
	return exitOf(seen.Status), seen
}

// The keeper waits for a child as soon as that has ended; on a busy machine that takes some milliseconds.
const (
	statusTries = 10
	statusStep  = 10 * time.Millisecond
)

// tookOver closes what the keeper handed over, once every recorded run was looked for, and has it let go of what
// belongs to no run any more.
func (h *realHost) tookOver(ctx context.Context, services []panel.Service) error {
	h.mu.Lock()
	mine := make(map[string]bool, len(h.runs))
	for _, r := range h.runs {
		mine[r.name()] = true
	}
	h.mu.Unlock()
	for name, fd := range h.left.FDs {
		unix.Close(fd)
		if !mine[name] {
			h.Keeper.Drop(name)
		}
	}
	h.left = keeper.Held{}
	err := h.endChecksOf(ctx, services)
	h.limiter.Sweep()
	if h.tree != nil {
		h.tree.Sweep() // launchers of the daemon before have noticed by now that it is gone
	}
	return err
}

// closeKept closes the keeper's copy of a pidfd that this daemon has its own of. To keep both of thousands of services
// until all are taken over could be more than the machine allows.
func (h *realHost) closeKept(name string) {
	if fd, ok := h.left.FDs[name]; ok {
		unix.Close(fd)
		delete(h.left.FDs, name)
	}
}

// refillKeeper gives a new keeper everything that the one before held.
func (h *realHost) refillKeeper() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range h.runs {
		h.Keeper.Put(r.name(), r.pidfd)
	}
}

// attach opens the way of the output again.
func (h *realHost) attach(ctx context.Context, svc panel.Service, acct panel.Account) {
	who, err := lookUp(acct)
	if err == nil {
		err = h.Output.Attach(ctx, sourceOf(svc, acct, who))
	}
	if err != nil {
		h.Log.Error("open output again", "service", svc.ID, "err", err)
	}
}
