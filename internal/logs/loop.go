package logs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// makeWatch makes the epoll set and the eventfd that interrupts it.
func (l *Logs) makeWatch() error {
	var err error
	if l.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("make epoll set: %w", err)
	}
	if l.signal, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return fmt.Errorf("make eventfd: %w", err)
	}
	// Service 0, which does not exist, stands for the eventfd. Edge-triggered: it is never read.
	e := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET}
	if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, l.signal, &e); err != nil {
		return fmt.Errorf("watch eventfd: %w", err)
	}
	return nil
}

func (l *Logs) wake() {
	one := []byte{1, 0, 0, 0, 0, 0, 0, 0}
	// EAGAIN says that the counter is full, after 2^56 calls: it wakes nobody then, but it cannot happen.
	_, _ = unix.Write(l.signal, one)
}

// Run captures output until ctx ends. It then moves what stands in the FIFOs, closes everything and returns
// nil; services write on into their FIFOs, for the next Run to find. Workers that hang in a home are left
// behind after a few seconds, which is an error.
func (l *Logs) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, l.wake)
	defer stop()
	events := make([]unix.EpollEvent, 256)
	for ctx.Err() == nil {
		millis := l.expire()
		n, err := unix.EpollWait(l.epoll, events, millis)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return errors.Join(fmt.Errorf("wait for output: %w", err), l.leaveAll())
		}
		l.wakes.Add(1)
		for _, e := range events[:max(n, 0)] {
			l.readable(e)
		}
	}
	return l.leaveAll()
}

// expire gives a turn to the streams that have waited, and says for how many milliseconds there is no other.
func (l *Logs) expire() (millis int) {
	come, millis := l.timers.due(time.Now())
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range come {
		l.schedule(s)
	}
	return millis
}

// readable lets a service that has written wait for its turn.
func (l *Logs) readable(e unix.EpollEvent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.streams[serviceOf(e)]
	if s == nil {
		return
	}
	now := time.Now()
	if wait := s.pace.next(now, &l.tuning); wait > 0 {
		l.timers.add(now.Add(wait), s)
		return
	}
	l.schedule(s)
}

// later gives the stream a turn after d.
func (l *Logs) later(s *stream, d time.Duration) {
	if l.timers.add(time.Now().Add(d), s) {
		l.wake()
	}
}

func (l *Logs) isEnded() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ended
}

// leaveAll closes every stream and waits for the workers.
func (l *Logs) leaveAll() error {
	l.mu.Lock()
	l.ended = true
	for _, s := range l.streams {
		s.requests = append(s.requests, request{serve: (*stream).end, end: ignore})
		l.schedule(s)
	}
	l.mu.Unlock()
	select {
	case <-l.pool.close():
		l.release()
		return nil
	case <-time.After(l.leaveAfter):
		// Descriptors stay open: a worker that comes back must not meet others under their numbers.
		return errors.New("end log capture: a home hangs")
	}
}
