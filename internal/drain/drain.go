// Package drain moves the output of a service from its FIFO to its log file. The daemon and the keeper both do so,
// at times of each other, and this is all that they have to agree on: the size of the file is how far the output was
// moved, and whoever holds the service's lock may move it.
package drain

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Lock says who may move the output of which service. It is one file with a byte for every service, locked by the
// kernel for whoever has the file open: it is free again the moment its holder dies.
type Lock struct{ file *os.File }

// Open opens the locks of a state directory, for one process. Its own threads are not kept apart.
func Open(state string) (*Lock, error) {
	f, err := os.OpenFile(filepath.Join(state, "drain.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the locks of the output: %w", err)
	}
	return &Lock{f}, nil
}

// Close gives up every lock.
func (l *Lock) Close() error { return l.file.Close() }

// Try takes the lock of a service; false when another process holds it.
func (l *Lock) Try(service int64) bool { return l.set(service, unix.F_WRLCK) == nil }

// Give gives it back.
func (l *Lock) Give(service int64) {
	_ = l.set(service, unix.F_UNLCK) // it fails for a descriptor that is closed, and there is nothing to give then
}

func (l *Lock) set(service int64, kind int16) error {
	fl := unix.Flock_t{Type: kind, Start: service, Len: 1}
	return unix.FcntlFlock(l.file.Fd(), unix.F_OFD_SETLK, &fl)
}

// Flock locks a whole file or folder for this process. EWOULDBLOCK says that another one has it. It waits a moment for
// what a process leaves behind that was killed while it started another: that one has the file open until its execve.
func Flock(f *os.File) error {
	for until := time.Now().Add(flockTime); ; time.Sleep(flockStep) {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err != unix.EWOULDBLOCK && err != unix.EINTR || time.Now().After(until) {
			return err
		}
	}
}

const (
	flockTime = 500 * time.Millisecond
	flockStep = 5 * time.Millisecond
)

// Move moves at most n bytes from a FIFO to the place off of a file, which must not be open for appending. EAGAIN
// says that the FIFO is empty. The kernel takes bytes out of the FIFO only when they are in the file.
func Move(fifo, file int, off, n int64) (int64, error) {
	for {
		moved, err := unix.Splice(fifo, nil, file, &off, int(n), unix.SPLICE_F_NONBLOCK|unix.SPLICE_F_MOVE)
		if err == unix.EINTR {
			continue
		}
		if err == nil && moved == 0 { // nobody could write: not while we ourselves could, and no reason to spin
			return 0, unix.EAGAIN
		}
		return max(moved, 0), err
	}
}
