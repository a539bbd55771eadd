// Package privilege is what upkeep does with, and without, the rights of root: touching a home as the account
// it belongs to, and giving up the one right that would let a write ignore the account's disk quota.
//
// Everything here concerns the file system identity of single threads (see setfsuid(2)). Running a program as
// another user is the launcher's work.
package privilege

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Credentials name a Unix user. Groups are the supplementary groups; nil means none, never "those of upkeep".
type Credentials struct {
	UID, GID int
	Groups   []int
}

// As runs f with the file system identity of c: every file that f opens or makes is checked and owned as if c
// had done it. When upkeep is not root, or already is c, it just calls f.
//
// f runs on another goroutine, on a thread of its own, and must return: it must not panic, start goroutines
// that touch files, or call [runtime.Goexit]. Descriptors that f opened stay usable afterwards.
func As(c Credentials, f func() error) error {
	if own := os.Geteuid(); own != 0 || c.UID == own {
		return f()
	}
	result := make(chan error, 1)
	go assume(c, f, result)
	return <-result
}

// assume locks a thread, changes it, runs f and changes it back. A thread that cannot be changed back must
// serve nobody else: the goroutine then ends while locked, and the runtime ends the thread with it.
func assume(c Credentials, f func() error, result chan<- error) {
	runtime.LockOSThread()
	if unix.Gettid() == os.Getpid() {
		// The main thread cannot be ended and its identity is the one /proc shows for the whole process, so
		// it is kept out of the way until another thread has done the work.
		inner := make(chan error, 1)
		go assume(c, f, inner)
		result <- <-inner
		runtime.UnlockOSThread()
		return
	}
	own, err := current()
	if err != nil {
		runtime.UnlockOSThread()
		result <- err
		return
	}
	if err = become(c); err == nil {
		err = f()
	}
	if become(own) == nil {
		runtime.UnlockOSThread()
	}
	result <- err
}

// unchanged is no valid identifier: setfsuid and setfsgid answer it with the present value and change nothing.
const unchanged = -1

func current() (Credentials, error) {
	uid, err := unix.SetfsuidRetUid(unchanged)
	if err != nil {
		return Credentials{}, fmt.Errorf("read file system user: %w", err)
	}
	gid, err := unix.SetfsgidRetGid(unchanged)
	if err != nil {
		return Credentials{}, fmt.Errorf("read file system group: %w", err)
	}
	groups, err := unix.Getgroups()
	if err != nil {
		return Credentials{}, fmt.Errorf("read supplementary groups: %w", err)
	}
	return Credentials{UID: uid, GID: gid, Groups: groups}, nil
}

// become changes the calling thread and reads the result back, because setfsuid and setfsgid report no errors.
func become(c Credentials) error {
	if err := setGroups(c.Groups); err != nil {
		return fmt.Errorf("set supplementary groups: %w", err)
	}
	if _, err := unix.SetfsgidRetGid(c.GID); err != nil {
		return fmt.Errorf("set file system group %d: %w", c.GID, err)
	}
	if _, err := unix.SetfsuidRetUid(c.UID); err != nil {
		return fmt.Errorf("set file system user %d: %w", c.UID, err)
	}
	now, err := current()
	if err != nil {
		return err
	}
	if now.UID != c.UID || now.GID != c.GID || !sameGroups(now.Groups, c.Groups) {
		return fmt.Errorf("become user %d: the kernel refused: %w", c.UID, unix.EPERM)
	}
	return nil
}

// setGroups is the raw call: the one of package syscall changes every thread of the process.
func setGroups(groups []int) error {
	raw := make([]uint32, len(groups)+1) // one more, so that an address exists for no groups at all
	for i, g := range groups {
		raw[i] = uint32(g)
	}
	_, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(groups)), uintptr(unsafe.Pointer(&raw[0])), 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// sameGroups compares as sets: the kernel sorts what it is given.
func sameGroups(a, b []int) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}
