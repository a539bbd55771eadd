package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// bareLoop does the least that keeps programs up: it waits for pidfds in one epoll set, and forks and executes
// again whatever has ended. It is what upkeep is compared with.
type bareLoop struct {
	bench   *bench
	null    *os.File
	epoll   int
	event   int         // eventfd that ends the loop
	service map[int]int // by pidfd
	group   sync.WaitGroup
	err     error // of the loop, once it has ended
}

// bareRespawns measures a bare loop with some services.
func (b *bench) bareRespawns(ctx context.Context, services, n int) (latency, error) {
	b.bell.drain()
	loop, err := b.startBare(services)
	if err != nil {
		return latency{}, fmt.Errorf("bare loop: %w", err)
	}
	pids, _, err := b.bell.started(ctx, services, 30*time.Second)
	var l latency
	if err == nil {
		l, err = b.respawns(ctx, pids, n)
	}
	return l, errors.Join(err, loop.stop())
}

func (b *bench) startBare(services int) (l *bareLoop, err error) {
	l = &bareLoop{bench: b, epoll: -1, event: -1, service: map[int]int{}}
	if l.null, err = os.OpenFile(os.DevNull, os.O_RDWR, 0); err == nil {
		l.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	}
	if err == nil {
		l.event, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	}
	if err == nil {
		err = l.watch(l.event)
	}
	for i := 1; i <= services && err == nil; i++ {
		err = l.spawn(i)
	}
	if err != nil {
		return nil, errors.Join(err, l.stop())
	}
	l.group.Go(l.run)
	return l, nil
}

func (l *bareLoop) watch(fd int) error {
	return unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
}

func (l *bareLoop) spawn(service int) error {
	pidfd := -1
	null := l.null.Fd()
	_, err := syscall.ForkExec(l.bench.child, []string{l.bench.child}, &syscall.ProcAttr{
		Dir:   "/",
		Env:   []string{"BENCH_SOCKET=" + l.bench.bell.path, "SERVICE_ID=" + strconv.Itoa(service)},
		Files: []uintptr{null, null, null},
		Sys:   &syscall.SysProcAttr{Setsid: true, PidFD: &pidfd},
	})
	if err != nil {
		return err
	}
	l.service[pidfd] = service
	return l.watch(pidfd)
}

func (l *bareLoop) run() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	events := make([]unix.EpollEvent, 64)
	for {
		n, err := unix.EpollWait(l.epoll, events, -1)
		if err != nil && err != unix.EINTR {
			l.err = err
			return
		}
		for _, ev := range events[:max(n, 0)] {
			if int(ev.Fd) == l.event {
				return
			}
			if l.err = l.ended(int(ev.Fd)); l.err != nil {
				return
			}
		}
	}
}

func (l *bareLoop) ended(pidfd int) error {
	if err := unix.Waitid(unix.P_PIDFD, pidfd, nil, unix.WEXITED, nil); err != nil {
		return err
	}
	service := l.service[pidfd]
	delete(l.service, pidfd)
	unix.Close(pidfd)
	return l.spawn(service)
}

// stop ends the loop first, so that nothing is started any more, and then the programs.
func (l *bareLoop) stop() error {
	_, _ = unix.Write(l.event, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // the counter cannot be full
	l.group.Wait()
	for pidfd := range l.service {
		_ = unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0) // one that has ended is waited for below
		_ = unix.Waitid(unix.P_PIDFD, pidfd, nil, unix.WEXITED, nil)
		unix.Close(pidfd)
	}
	for _, fd := range []int{l.epoll, l.event} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
	if l.null != nil {
		l.null.Close()
	}
	return l.err
}
