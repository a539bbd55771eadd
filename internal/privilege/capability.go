package privilege

import (
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// DropResource takes CAP_SYS_RESOURCE from the whole process, for good: with it, writes to homes would ignore
// disk quotas and use the blocks reserved for root, whatever the file system identity of the thread. It does
// nothing when the process does not have it. Limits above the hard ones (descriptors, pipe sizes) must be
// raised before. A program executed as root gets the capability back and must drop it itself.
//
// Call it at the start, before the first [As]. It needs a program built with CGO_ENABLED=0; with cgo Go cannot
// reach all threads, and the error wraps [syscall.ENOTSUP].
func DropResource() error { return drop(unix.CAP_SYS_RESOURCE) }

// drop takes a capability below 32 from the effective and permitted sets of every thread.
func drop(capability int) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return fmt.Errorf("read capabilities: %w", err)
	}
	bit := uint32(1) << capability
	if (sets[0].Effective|sets[0].Permitted)&bit == 0 {
		return nil
	}
	sets[0].Effective &^= bit
	sets[0].Permitted &^= bit
	_, _, errno := syscall.AllThreadsSyscall(unix.SYS_CAPSET,
		uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&sets[0])), 0)
	if errno != 0 {
		return fmt.Errorf("drop capability %d: %w", capability, errno)
	}
	return nil
}
