package supervisor

import (
	"context"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"upkeep/internal/cgroup"
	"upkeep/internal/panel"
)

// poller is the one epoll set: a pidfd for every main process, one inotify descriptor for all control groups, and
// an eventfd that wakes it.
type poller struct {
	epoll  int
	event  int
	groups *cgroup.Watcher

	mu   sync.Mutex
	fds  map[int]runKey    // pidfd → whose
	path map[string]runKey // control group that is being stopped → whose
}

type runKey struct {
	service panel.ServiceID
	run     int
}

func newPoller() (*poller, error) {
	p := &poller{fds: map[int]runKey{}, path: map[string]runKey{}}
	var err error
	if p.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	if p.event, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	if p.groups, err = cgroup.NewWatcher(); err != nil {
		return nil, err
	}
	for _, fd := range []int{p.event, p.groups.FD()} {
		if err := p.add(fd, unix.EPOLLIN); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *poller) add(fd int, events uint32) error {
	err := unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
	return os.NewSyscallError("epoll_ctl", err)
}

// watch reports when the process behind pidfd ends. Once is enough: a dead process stays readable.
func (p *poller) watch(pidfd int, key runKey) error {
	p.mu.Lock()
	p.fds[pidfd] = key
	p.mu.Unlock()
	return p.add(pidfd, unix.EPOLLIN|unix.EPOLLONESHOT)
}

func (p *poller) forget(pidfd int) {
	p.mu.Lock()
	delete(p.fds, pidfd)
	p.mu.Unlock()
	// It may never have been watched, which is no fault.
	_ = unix.EpollCtl(p.epoll, unix.EPOLL_CTL_DEL, pidfd, nil)
}

// watchGroup reports every change of a control group's population.
func (p *poller) watchGroup(path string, key runKey) error {
	p.mu.Lock()
	p.path[path] = key
	p.mu.Unlock()
	return p.groups.Add(path)
}

func (p *poller) unwatchGroup(path string) {
	p.mu.Lock()
	_, watched := p.path[path]
	delete(p.path, path)
	p.mu.Unlock()
	if watched {
		p.groups.Remove(path)
	}
}

func (p *poller) wake() {
	one := []byte{1, 0, 0, 0, 0, 0, 0, 0}
	_, _ = unix.Write(p.event, one) // a full counter wakes as well
}

// wait blocks a thread until ctx ends, and reports what happens.
func (p *poller) wait(ctx context.Context, exited, changed func(runKey)) error {
	events := make([]unix.EpollEvent, 128)
	for ctx.Err() == nil {
		n, err := unix.EpollWait(p.epoll, events, -1)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("epoll_wait: %w", err)
		}
		for _, ev := range events[:n] {
			p.report(int(ev.Fd), exited, changed)
		}
	}
	return nil
}

func (p *poller) report(fd int, exited, changed func(runKey)) {
	switch fd {
	case p.event:
		return // ctx has ended
	case p.groups.FD():
		paths, err := p.groups.Read()
		if err != nil {
			return // the deadline of the stop looks again
		}
		for _, path := range paths {
			p.mu.Lock()
			key, ok := p.path[path]
			p.mu.Unlock()
			if ok {
				changed(key)
			}
		}
		return
	}
	p.mu.Lock()
	key, ok := p.fds[fd]
	p.mu.Unlock()
	if ok {
		exited(key)
	}
}

func (p *poller) close() {
	unix.Close(p.epoll)
	unix.Close(p.event)
	_ = p.groups.Close() // nothing is lost with it
}
