package fault

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Refusal is a system call that fails.
type Refusal struct {
	Call     int           // its number
	Errno    syscall.Errno // what it fails with
	Argument uint32        // refuse only a call whose second argument is this; 0 refuses every one
}

// Offsets in struct seccomp_data, and the actions, of <linux/seccomp.h>. The second argument's lower half comes first
// on little-endian machines, which all that Go and upkeep run on are.
const (
	offsetCall   = 0
	offsetSecond = 16 + 8
	allow        = 0x7fff0000
	failWith     = 0x00050000
)

// filter installs what c refuses, for this thread and what it becomes.
func (c Confinement) filter() error {
	if len(c.Refuse) == 0 {
		return nil
	}
	var program []unix.SockFilter
	for _, r := range c.Refuse {
		program = append(program, r.code()...)
	}
	program = append(program, ret(allow))
	// Without privileges a filter is only allowed to who gives up gaining any.
	if unix.Geteuid() != 0 {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return err
		}
	}
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	const setModeFilter = 1 // SECCOMP_SET_MODE_FILTER
	if _, _, e := unix.RawSyscall(unix.SYS_SECCOMP, setModeFilter, 0, uintptr(unsafe.Pointer(&prog))); e != 0 {
		return e
	}
	return nil
}

// code is the classic BPF for one refusal; what does not fit falls through to the next.
func (r Refusal) code() []unix.SockFilter {
	fail := ret(failWith | uint32(r.Errno))
	if r.Argument == 0 {
		return []unix.SockFilter{load(offsetCall), unless(uint32(r.Call), 1), fail}
	}
	return []unix.SockFilter{load(offsetCall), unless(uint32(r.Call), 3), load(offsetSecond), unless(r.Argument, 1), fail}
}

func load(offset uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
}

// unless skips instructions when the value loaded is another.
func unless(value uint32, skip uint8) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: value, Jf: skip}
}

func ret(action uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: action}
}
