package process

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"upkeep/internal/panel"
)

// Handle is a pidfd: it means one process for ever, also after that one ended and its number was given away.
type Handle struct {
	fd  int
	pid int
}

// Open returns a handle on the process that has this number now, a zombie included. It returns panel.ErrGone when
// there is none. Compare its identity before relying on it.
func Open(pid int) (*Handle, error) {
	if pid <= 0 {
		return nil, fmt.Errorf("open process %d: %w", pid, panel.ErrGone)
	}
	fd, err := unix.PidfdOpen(pid, 0)
	switch {
	case err == nil:
		return &Handle{fd: fd, pid: pid}, nil
	case errors.Is(err, unix.ESRCH), errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOENT):
		// EINVAL, or ENOENT, is what a thread that leads no process gets.
		return nil, fmt.Errorf("open process %d: %w", pid, panel.ErrGone)
	default:
		return nil, fmt.Errorf("open process %d: %w", pid, err)
	}
}

// CheckPidfds is an error where pidfds cannot be used: on a kernel before Linux 5.4, or because a filter of system
// calls refuses one of those that they need.
func CheckPidfds() error {
	pid := os.Getpid()
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return refused("pidfd_open", err)
	}
	defer unix.Close(fd)
	if err := unix.PidfdSendSignal(fd, 0, nil, 0); err != nil {
		return refused("pidfd_send_signal", err)
	}
	// ECHILD: nobody is the child of itself, so the call has understood what a pidfd is.
	err = unix.Waitid(unix.P_PIDFD, fd, nil, unix.WEXITED|unix.WNOHANG, nil)
	if !errors.Is(err, unix.ECHILD) {
		return refused("waitid", err)
	}
	return nil
}

func refused(call string, err error) error {
	return fmt.Errorf("the system call %s is refused (%w); upkeep needs Linux 5.4 or newer, without a filter that keeps "+
		"it from watching processes", call, err)
}

// Close gives the pidfd back.
func (h *Handle) Close() error { return unix.Close(h.fd) }

// Signal sends a signal; panel.ErrGone when the process was reaped.
func (h *Handle) Signal(sig syscall.Signal) error { return Signal(h.fd, sig) }

// Signal sends a signal by pidfd; panel.ErrGone when the process was reaped. A zombie takes signals silently.
func Signal(fd int, sig syscall.Signal) error {
	err := unix.PidfdSendSignal(fd, sig, nil, 0)
	if errors.Is(err, unix.ESRCH) {
		err = panel.ErrGone
	}
	if err != nil {
		return fmt.Errorf("send signal %d: %w", sig, err)
	}
	return nil
}

// dead reports whether every thread of the process has ended; a leader that ended before its threads, which /proc
// shows as a zombie, does not count.
func dead(fd int) bool { return waitDead(fd, 0) }

// waitDead waits at most for d until the process is dead.
func waitDead(fd int, d time.Duration) bool {
	until := time.Now().Add(d)
	for {
		left := max(0, time.Until(until))
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(left.Milliseconds()))
		if n > 0 || !errors.Is(err, unix.EINTR) {
			return n > 0
		}
	}
}
