package process

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"upkeep/internal/failpoint"
)

// ExitStatus returns how a process ended that is not a child of the caller; for a child, waitid says it. It is not
// known while the process lives, and when it was reaped before anybody held a pidfd on it, on kernels before 6.15
// when it was reaped at all.
//
// A reaped process is asked by its pidfd. One that still waits for its parent is read from /proc: PIDFD_GET_INFO
// stays silent until then. It may be reaped in between, hence the second question.
func ExitStatus(fd, pid int) (status syscall.WaitStatus, known bool) {
	if status, known = reapedStatus(fd); known {
		return status, true
	}
	zombie, ok := zombieStatus(fd, pid)
	if status, known = reapedStatus(fd); known {
		return status, true
	}
	return zombie, ok
}

func reapedStatus(fd int) (syscall.WaitStatus, bool) {
	if failpoint.Broken("pidfd.exit") { // as before Linux 6.15
		return 0, false
	}
	info := unix.PidfdInfo{Mask: unix.PIDFD_INFO_EXIT}
	if err := unix.IoctlPidfdInfo(fd, &info); err != nil || info.Mask&unix.PIDFD_INFO_EXIT == 0 {
		return 0, false
	}
	return syscall.WaitStatus(info.Exit_code), true
}

func zombieStatus(fd, pid int) (syscall.WaitStatus, bool) {
	s, err := readStat(pid)
	if err != nil || !s.zombie() {
		return 0, false
	}
	if s.exitCode == 0 && !inspectable(pid) {
		return 0, false
	}
	// As long as the zombie is there to be signalled it holds its number, and the file was its own.
	if err := unix.PidfdSendSignal(fd, 0, nil, 0); errors.Is(err, unix.ESRCH) {
		return 0, false
	}
	return syscall.WaitStatus(s.exitCode), true
}

// inspectable reports whether the kernel shows us the exit code of a zombie: it writes 0 for who may not look.
// Following /proc/PID/exe asks for the same permission, and a zombie has no such file.
func inspectable(pid int) bool {
	_, err := os.Readlink(procPath(pid, "exe"))
	return err == nil || errors.Is(err, os.ErrNotExist)
}
