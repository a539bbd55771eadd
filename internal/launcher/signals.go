package launcher

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sigaction is the kernel's struct: handler, flags, restorer, mask. The zero value is the default disposition.
type sigaction struct {
	handler, flags, restorer uintptr
	mask                     uint64
}

// lastSignal is SIGRTMAX.
const lastSignal = 64

// resetSignals gives every signal its default disposition and empties the mask. execve resets handlers by itself,
// but a signal that was ignored (SIGHUP under nohup, SIGPIPE under many supervisors) would stay ignored in the
// program.
func resetSignals() {
	var action sigaction
	for s := 1; s <= lastSignal; s++ {
		if s == int(unix.SIGKILL) || s == int(unix.SIGSTOP) {
			continue
		}
		unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(s), uintptr(unsafe.Pointer(&action)), 0,
			unsafe.Sizeof(action.mask), 0, 0)
	}
	var empty uint64
	unix.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&empty)), 0,
		unsafe.Sizeof(empty), 0, 0)
}

// setGroups sets the supplementary groups of this thread.
func setGroups(groups []uint32, n int) syscall.Errno {
	_, _, e := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(n), uintptr(unsafe.Pointer(&groups[0])), 0)
	return e
}
