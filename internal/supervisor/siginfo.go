package supervisor

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// childInfo is the part of the kernel's siginfo_t that waitid fills, which x/sys leaves blank.
type childInfo struct {
	signo, errno, code, _ int32
	pid                   int32
	uid                   uint32
	status                int32
}

// Values of childInfo.code: how the child ended.
const (
	cldExited = 1
	cldKilled = 2
	cldDumped = 3
)

func childOf(info *unix.Siginfo) int { return int((*childInfo)(unsafe.Pointer(info)).pid) }

// waitStatus puts what waitid told in the form of wait4, which package syscall can read.
func waitStatus(info *unix.Siginfo) syscall.WaitStatus {
	c := (*childInfo)(unsafe.Pointer(info))
	switch c.code {
	case cldKilled:
		return syscall.WaitStatus(c.status)
	case cldDumped:
		return syscall.WaitStatus(c.status | 0x80)
	}
	return syscall.WaitStatus(c.status << 8)
}
