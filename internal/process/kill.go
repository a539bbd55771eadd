package process

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"upkeep/internal/cgroup"
	"upkeep/internal/panel"
)

// killRounds bounds KillAll: each round kills everything that was there at its beginning.
const killRounds = 10

// KillAll kills every process of the group and waits for their end, no longer than patience; only those that wait for
// a disk or the network inside the kernel need more than milliseconds. It returns those that are left. Without a control group all members are stopped before any is killed, so that
// none can start another while the list is worked through.
func KillAll(ctx context.Context, g Group, patience time.Duration) (left []int, err error) {
	until := time.Now().Add(patience)
	for range killRounds {
		handles, err := killRound(ctx, g)
		if err != nil {
			return nil, fmt.Errorf("kill processes: %w", err)
		}
		if len(handles) == 0 {
			return nil, nil
		}
		err = awaitAll(ctx, handles, until)
		closeAll(handles)
		if err != nil {
			return nil, fmt.Errorf("kill processes: %w", err)
		}
		if !time.Now().Before(until) {
			break
		}
	}
	return Members(ctx, g)
}

// killRound kills once, and returns handles on what was there.
func killRound(ctx context.Context, g Group) ([]*Handle, error) {
	if g.Identity.Cgroup != "" {
		// First of all, because there may be more processes than handles could be opened on.
		if err := cgroup.Kill(g.Identity.Cgroup); err != nil {
			return nil, err
		}
		return openMembers(ctx, g)
	}
	handles, err := openMembers(ctx, g)
	if err != nil || len(handles) == 0 {
		return nil, err
	}
	err = stopAll(ctx, g, &handles)
	// Whatever went wrong, nothing stays behind stopped.
	if err = errors.Join(err, signalEach(handles, syscall.SIGKILL)); err != nil {
		closeAll(handles)
		return nil, err
	}
	return handles, nil
}

// stopAll stops the processes and those that they started before they stood still, until there are no new ones. It
// adds the latter to handles.
func stopAll(ctx context.Context, g Group, handles *[]*Handle) error {
	fresh := *handles
	for range killRounds {
		if err := signalEach(fresh, syscall.SIGSTOP); err != nil {
			return err
		}
		all, err := openMembers(ctx, g)
		if err != nil {
			return err
		}
		fresh = fresh[:0:0]
		for _, h := range all {
			if slices.ContainsFunc(*handles, func(known *Handle) bool { return known.pid == h.pid }) {
				h.Close()
				continue
			}
			fresh = append(fresh, h)
		}
		if len(fresh) == 0 {
			return nil
		}
		*handles = append(*handles, fresh...)
	}
	return nil
}

// openMembers opens a handle on each member, as far as descriptors go; to get none although some live is an error. A
// number read before a handle is opened may belong to somebody else by then, so membership is asked for twice and must
// hold both times; a member that came in between is for the next call.
func openMembers(ctx context.Context, g Group) ([]*Handle, error) {
	pids, err := Members(ctx, g)
	if err != nil || len(pids) == 0 {
		return nil, err
	}
	handles := make([]*Handle, 0, len(pids))
	for _, pid := range pids {
		h, e := Open(pid)
		if e == nil {
			handles = append(handles, h)
		} else if !errors.Is(e, panel.ErrGone) {
			err = e
		}
	}
	if err != nil && len(handles) == 0 {
		return nil, err
	}
	again, err := Members(ctx, g)
	if err != nil {
		closeAll(handles)
		return nil, err
	}
	return slices.DeleteFunc(handles, func(h *Handle) bool {
		_, still := slices.BinarySearch(again, h.pid)
		if !still {
			h.Close()
		}
		return !still
	}), nil
}

func signalEach(handles []*Handle, sig syscall.Signal) error {
	var errs []error
	for _, h := range handles {
		if err := h.Signal(sig); err != nil && !errors.Is(err, panel.ErrGone) {
			errs = append(errs, fmt.Errorf("process %d: %w", h.pid, err))
		}
	}
	return errors.Join(errs...)
}

func awaitAll(ctx context.Context, handles []*Handle, until time.Time) error {
	const step = 100 * time.Millisecond // how late the end of ctx is noticed
	for _, h := range handles {
		for !waitDead(h.fd, min(step, time.Until(until))) {
			if err := ctx.Err(); err != nil {
				return err
			}
			if !time.Now().Before(until) {
				return nil
			}
		}
	}
	return nil
}

func closeAll(handles []*Handle) {
	for _, h := range handles {
		h.Close()
	}
}

// End sends a signal to one process of the group, named by its number and start time. It returns panel.ErrGone when
// that process has ended, whoever has its number now, and panel.ErrNotFound when it is not one of the group.
func End(ctx context.Context, g Group, pid int, startTicks uint64, sig syscall.Signal) error {
	h, err := Open(pid)
	if err != nil {
		return fmt.Errorf("end process: %w", err)
	}
	defer h.Close()
	start, err := StartTicks(pid)
	if err != nil {
		return fmt.Errorf("end process: %w", err)
	}
	if start != startTicks || dead(h.fd) {
		return fmt.Errorf("end process %d: %w", pid, panel.ErrGone)
	}
	members, err := Members(ctx, g)
	if err != nil {
		return fmt.Errorf("end process: %w", err)
	}
	if _, ok := slices.BinarySearch(members, pid); !ok {
		return fmt.Errorf("end process %d: %w", pid, absence(pid, startTicks))
	}
	return h.Signal(sig)
}

// absence says why a process that just lived is not among the members of a group. It leaves its control group
// shortly before it is dead.
func absence(pid int, startTicks uint64) error {
	s, err := readStat(pid)
	if err != nil || s.start != startTicks || s.flags&flagExiting != 0 {
		return panel.ErrGone
	}
	return panel.ErrNotFound
}
