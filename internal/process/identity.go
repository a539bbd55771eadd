package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"upkeep/internal/panel"
)

// BootID returns the name of this boot of the machine.
func BootID() (string, error) {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("read the boot id: %w", err)
	}
	return string(bytes.TrimSpace(text)), nil
}

// StartTicks returns when the process started, in clock ticks since boot; panel.ErrGone when there is none.
func StartTicks(pid int) (uint64, error) {
	s, err := readStat(pid)
	return s.start, err
}

// Identity returns what tells the process behind fd from every other of this boot. The process must not have been
// reaped: it is the caller's child, or its identity is compared afterwards. The inode is 0 where pidfds have none
// of their own (before Linux 6.9).
func Identity(fd int, pid int) (startTicks uint64, inode uint64, err error) {
	inode, err = pidfdInode(fd)
	if err != nil {
		return 0, 0, fmt.Errorf("identity of process %d: %w", pid, err)
	}
	startTicks, err = StartTicks(pid)
	return startTicks, inode, err
}

// pidfdInode returns the number that pidfs gives to a process and never gives again until the next boot. Older
// kernels show one anonymous inode for all pidfds, which is answered with 0.
func pidfdInode(fd int) (uint64, error) {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return 0, fmt.Errorf("statfs of a pidfd: %w", err)
	}
	if fs.Type != unix.PID_FS_MAGIC {
		return 0, nil
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, fmt.Errorf("stat of a pidfd: %w", err)
	}
	return st.Ino, nil
}

// Alive looks for the process with a recorded identity. When it exists, also as a zombie, fd is an open pidfd that
// the caller closes; otherwise fd is -1. A zombie is found and not alive, and [ExitStatus] of fd tells how it
// ended.
func Alive(id panel.Identity) (fd int, alive bool, err error) {
	boot, err := BootID()
	if err != nil {
		return -1, false, err
	}
	if id.BootID != boot || id.PID <= 0 {
		return -1, false, nil
	}
	h, err := Open(id.PID)
	if errors.Is(err, panel.ErrGone) {
		return -1, false, nil
	}
	if err != nil {
		return -1, false, err
	}
	same, err := h.is(id)
	if err != nil || !same {
		h.Close()
		return -1, false, err
	}
	return h.fd, !dead(h.fd), nil
}

// is compares the process behind the handle with a recorded one of the same boot.
func (h *Handle) is(id panel.Identity) (bool, error) {
	inode, err := pidfdInode(h.fd)
	if err != nil {
		return false, err
	}
	proven := inode != 0 && id.Inode != 0
	if proven && inode != id.Inode {
		return false, nil
	}
	start, err := StartTicks(h.pid)
	if errors.Is(err, panel.ErrGone) {
		return proven, nil // reaped since it was opened: the inode alone still says who it was
	}
	return start == id.StartTicks, err
}
