package supervisor

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"upkeep/internal/panel"
	"upkeep/internal/process"
)

// watch begins to report the exit of a run's main process. When the kernel has no room for that it tries again: an
// exit is never missed for good.
func (h *realHost) watch(id panel.ServiceID, run int) {
	r, err := h.find(id, run)
	if err == nil {
		if err = h.poll.watch(r.pidfd, runKey{id, run}); err != nil {
			time.AfterFunc(lookAgain, func() { h.watch(id, run) })
		}
	}
	if err != nil {
		h.Log.Error("watch run", "service", id, "run", run, "err", err)
	}
}

// exited takes the status of a main process that ended.
func (h *realHost) exited(key runKey) {
	at := time.Now()
	r, err := h.find(key.service, key.run)
	if err != nil {
		return // the run was let go meanwhile
	}
	var exit *panel.Exit
	if r.child {
		exit = h.peek(r)
	} else {
		exit = h.statusOf(r)
	}
	exit.At = at
	explain(exit, r)
	h.notify(key.service, evExited{key.run, *exit})
}

// peek is the exit of a main process that is upkeep's child and has ended. It stays a zombie until its end is
// stored. Whoever traces a process can hold back its end from the parent, for as long as they like: then /proc tells.
func (h *realHost) peek(r *liveRun) *panel.Exit {
	status, ok := waitPidfd(r.pidfd, unix.WNOWAIT|unix.WNOHANG)
	if !ok {
		status, ok = process.ExitStatus(r.pidfd, r.identity.PID)
	}
	if !ok {
		return &panel.Exit{Kind: panel.EndUnknown, Host: true, At: time.Now()}
	}
	return exitOf(status)
}

// reap reaps the main process of a run that has ended, when it is upkeep's child and was not reaped yet. One whose end
// is held back is left to reapOrphans.
func (h *realHost) reap(r *liveRun) {
	h.mu.Lock()
	mine := h.mains[r.identity.PID]
	delete(h.mains, r.identity.PID)
	h.mu.Unlock()
	if mine {
		waitPidfd(r.pidfd, unix.WNOHANG)
		poke() // an orphan that ended at the same time may stand behind it
	}
}

// waitPidfd reaps a child by its pidfd, once it has ended: options may hold WNOWAIT to leave it, and WNOHANG not to
// wait for the end.
func waitPidfd(fd, options int) (syscall.WaitStatus, bool) {
	var info unix.Siginfo
	for {
		err := unix.Waitid(unix.P_PIDFD, fd, &info, unix.WEXITED|options, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil || info.Signo == 0 {
			return 0, false
		}
		return waitStatus(&info), true
	}
}

// exitOf describes a wait status.
func exitOf(status syscall.WaitStatus) *panel.Exit {
	exit := &panel.Exit{Kind: panel.EndExited, Code: status.ExitStatus(), At: time.Now()}
	if status.Signaled() {
		exit.Kind, exit.Code = panel.EndSignaled, 0
		exit.Signal, exit.CoreDumped = int(status.Signal()), status.CoreDump()
	}
	return exit
}

// poked wakes reapOrphans besides SIGCHLD.
var poked = make(chan struct{}, 1)

func poke() {
	select {
	case poked <- struct{}{}:
	default:
	}
}

// reapOrphans reaps what became upkeep's child because its parent left it. It never takes the status of a main
// process, which belongs to the run.
func (h *realHost) reapOrphans(ctx context.Context) {
	children := make(chan os.Signal, 1)
	signal.Notify(children, syscall.SIGCHLD)
	defer signal.Stop(children)
	for {
		for h.reapOne() {
		}
		select {
		case <-ctx.Done():
			return
		case <-children:
		case <-poked:
		}
	}
}

// reapOne looks at one child that ended, and reaps it when it is nobody's main process.
func (h *realHost) reapOne() bool {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	if err != nil || info.Signo == 0 {
		return false
	}
	pid := childOf(&info)
	if !h.spares.lost(pid) && (h.isMain(pid) || h.spares.owns(pid)) {
		return false // its own wait is about to happen, and pokes
	}
	return unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOHANG, nil) == nil
}

// isMain reports whether pid is the main process of a run whose status was not taken yet.
func (h *realHost) isMain(pid int) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.mains[pid]
}

// members lists the living processes of a run.
func (h *realHost) members(ctx context.Context, r *liveRun) ([]int, error) {
	return process.Members(ctx, r.group())
}
