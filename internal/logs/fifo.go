package logs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"upkeep/internal/keeper"
	"upkeep/internal/panel"
)

// pipeBytes is the size asked for: the most an ordinary process may have (fs.pipe-max-size). It is how much a
// service can write while upkeep is away.
const pipeBytes = 1 << 20

// ensureFIFO makes the FIFO of a service. It must belong to the service's user, or opening /dev/stdout would
// be refused to the program. Whatever else is at the path is replaced: the folder is upkeep's own.
func ensureFIFO(path string, src Source) error {
	var st unix.Stat_t
	err := unix.Lstat(path, &st)
	if err == nil && st.Mode&unix.S_IFMT == unix.S_IFIFO && int(st.Uid) == src.owner() {
		return unix.Chmod(path, 0o600)
	}
	if err == nil {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("replace what is not a FIFO of user %d: %w", src.owner(), err)
		}
	}
	if err := unix.Mkfifo(path, 0o600); err != nil {
		return fmt.Errorf("make FIFO %s: %w", path, err)
	}
	if src.OwnUser && os.Geteuid() == 0 {
		if err := unix.Lchown(path, src.Cred.UID, src.Cred.GID); err != nil {
			return fmt.Errorf("give FIFO %s to user %d: %w", path, src.Cred.UID, err)
		}
	}
	return nil
}

func sameFile(fd int, path string) bool {
	var a, b unix.Stat_t
	return unix.Fstat(fd, &a) == nil && unix.Lstat(path, &b) == nil && a.Dev == b.Dev && a.Ino == b.Ino
}

// watch opens the reading end and adds it to the epoll set, not yet armed. It is opened for writing too:
// upkeep itself then counts as a writer, so a FIFO that no process holds looks idle instead of hung up, and
// costs nothing.
func (s *stream) watch(path string) error {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open %s to read: %w", path, err)
	}
	// Refused when the user has used up fs.pipe-user-pages-soft: the pipe then stays as small as it is.
	_, _ = unix.FcntlInt(uintptr(fd), unix.F_SETPIPE_SZ, pipeBytes)
	size, err := unix.FcntlInt(uintptr(fd), unix.F_GETPIPE_SZ, 0)
	if err == nil {
		err = unix.EpollCtl(s.l.epoll, unix.EPOLL_CTL_ADD, fd, s.interest(unix.EPOLLONESHOT))
	}
	if err != nil {
		unix.Close(fd)
		return fmt.Errorf("watch %s: %w", path, err)
	}
	s.fifo, s.capacity = fd, int64(size)
	return nil
}

// arm asks for one report when the FIFO holds something.
func (s *stream) arm() {
	err := unix.EpollCtl(s.l.epoll, unix.EPOLL_CTL_MOD, s.fifo, s.interest(unix.EPOLLIN|unix.EPOLLONESHOT))
	if err != nil {
		s.l.log.Error("watch output", "service", s.id, "err", err)
	}
}

// interest carries the number of the service, which is never given twice, rather than that of a descriptor.
func (s *stream) interest(events uint32) *unix.EpollEvent {
	return &unix.EpollEvent{Events: events, Fd: int32(s.id), Pad: int32(s.id >> 32)}
}

func serviceOf(e unix.EpollEvent) panel.ServiceID {
	return panel.ServiceID(uint64(uint32(e.Fd)) | uint64(uint32(e.Pad))<<32)
}

// unread is the number of bytes in a FIFO.
func unread(fd int) (int64, error) {
	n, err := unix.IoctlGetInt(fd, unix.TIOCINQ)
	return int64(n), err
}

// removeFiles removes what upkeep has of a service, and has the keeper let go of it: it may still hold what the daemon
// before had open.
func (l *Logs) removeFiles(id panel.ServiceID) {
	l.keeper.Drop(keeper.FIFO(int64(id)))
	l.keeper.Drop(keeper.Log(int64(id)))
	for _, path := range []string{l.fifoPath(id), l.fallbackPath(id), l.fallbackPath(id) + formerSuffix} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			l.log.Error("remove log of deleted service", "service", id, "err", err)
		}
	}
}
