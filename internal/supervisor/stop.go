package supervisor

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"upkeep/internal/cgroup"
	"upkeep/internal/panel"
	"upkeep/internal/process"
)

// signal sends to the main process, or to every process of the run. A process that has ended meanwhile is no
// fault: its exit is on its way.
func (h *realHost) signal(id panel.ServiceID, run int, sig signalKind, group bool) error {
	r, err := h.find(id, run)
	if err != nil {
		return err
	}
	send := func(fd int) error {
		if sig == sigHangup {
			return process.Signal(fd, unix.SIGHUP)
		}
		return errors.Join(process.Signal(fd, unix.SIGTERM), process.Signal(fd, unix.SIGCONT))
	}
	if sig == sigTerminate && r.identity.Cgroup != "" {
		err = cgroup.Thaw(r.identity.Cgroup)
	}
	if !group {
		return errors.Join(err, ignoreGone(send(r.pidfd)))
	}
	members, e := h.members(context.Background(), r)
	err = errors.Join(err, e)
	for _, pid := range members {
		if sig == sigTerminate && !r.ask(pid) {
			continue
		}
		err = errors.Join(err, ignoreGone(h.toMember(r, pid, send)))
	}
	return err
}

// ask notes that a process gets SIGTERM, and reports whether it is the first.
func (r *liveRun) ask(pid int) bool {
	if r.asked == nil {
		r.asked = map[int]bool{}
	}
	first := !r.asked[pid]
	r.asked[pid] = true
	return first
}

func ignoreGone(err error) error {
	if errors.Is(err, panel.ErrGone) {
		return nil
	}
	return err
}

// toMember calls send with a pidfd of a process that was a member when the pidfd was open: a PID alone could have
// become another's.
func (h *realHost) toMember(r *liveRun, pid int, send func(fd int) error) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err == unix.ESRCH {
		return panel.ErrGone
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	members, err := h.members(context.Background(), r)
	if err != nil {
		return err
	}
	for _, m := range members {
		if m == pid {
			return send(fd)
		}
	}
	return panel.ErrGone
}

// killTime is how long a worker waits for what it has killed. What takes longer is told by the group, and killed again
// a second later: nobody else waits for it meanwhile.
const killTime = 50 * time.Millisecond

// kill ends everything of the run at once.
func (h *realHost) kill(ctx context.Context, id panel.ServiceID, run int) error {
	r, err := h.find(id, run)
	if err != nil {
		return err
	}
	_, err = process.KillAll(ctx, r.group(), killTime)
	return err
}

// inspect lists the living processes of the run.
func (h *realHost) inspect(ctx context.Context, id panel.ServiceID, run int, stop bool) ([]int, error) {
	r, err := h.find(id, run)
	if err != nil {
		return nil, ignoreGone(err)
	}
	if stop {
		// Watch first and look second, so that no change falls in between.
		if err := h.report(r); err != nil {
			return nil, err
		}
	}
	return h.members(ctx, r)
}

// report begins to tell the engine about changes of the run's group.
func (h *realHost) report(r *liveRun) error {
	h.mu.Lock()
	begun := r.stopping
	r.stopping = true
	h.mu.Unlock()
	if begun {
		return nil
	}
	if r.identity.Cgroup != "" {
		return h.poll.watchGroup(r.identity.Cgroup, runKey{r.service, r.run})
	}
	select {
	case h.looking <- struct{}{}:
	default: // it looks already, or is about to
	}
	return nil
}

// groupsChanged tells the engine what is left of a run that is being stopped.
func (h *realHost) groupsChanged(key runKey) {
	r, err := h.find(key.service, key.run)
	if err != nil {
		return
	}
	if alive, err := h.members(context.Background(), r); err == nil {
		h.notify(key.service, evInspected{key.run, alive})
	}
}

// lookEvery is how often runs that are being stopped are looked at where no control group tells when one becomes
// empty.
const lookEvery = 50 * time.Millisecond

// lookAtStopping stands in for the notices of control groups, as long as something is being stopped.
func (h *realHost) lookAtStopping(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.looking:
		}
		if !h.lookUntilNone(ctx) {
			return
		}
	}
}

// lookUntilNone looks at runs that are being stopped until there is none; false when ctx ended.
func (h *realHost) lookUntilNone(ctx context.Context) bool {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for keys := h.stoppingRuns(); len(keys) > 0; keys = h.stoppingRuns() {
		for _, key := range keys {
			h.groupsChanged(key)
		}
		select {
		case <-ctx.Done():
			return false
		case <-ticker.C:
		}
	}
	return true
}

func (h *realHost) stoppingRuns() []runKey {
	h.mu.Lock()
	defer h.mu.Unlock()
	var keys []runKey
	for _, r := range h.runs {
		if r.stopping && r.identity.Cgroup == "" {
			keys = append(keys, runKey{r.service, r.run})
		}
	}
	return keys
}
