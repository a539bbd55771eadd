package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// report is what the program of a service says of itself.
type report struct {
	what    string // "started", "written" or "stalled"
	service int
	pid     int
	at      time.Duration // on the clock of now; how long when stalled
}

// bell is the socket at which services report.
type bell struct {
	path    string
	conn    *net.UnixConn
	reports chan report
}

// now reads the clock that is the same in every process of the machine.
func now() time.Duration {
	var at unix.Timespec
	// It cannot fail for this clock.
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &at)
	return time.Duration(at.Nano())
}

func hangBell(path string) (*bell, error) {
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, err
	}
	// As many as there can be services: nobody may have to wait for the reader.
	b := &bell{path: path, conn: conn, reports: make(chan report, 1<<14)}
	if err := os.Chmod(path, 0o777); err != nil {
		conn.Close()
		return nil, err
	}
	go b.listen()
	return b, nil
}

// listen ends when the socket is closed.
func (b *bell) listen() {
	buf := make([]byte, 256)
	for {
		n, err := b.conn.Read(buf)
		if err != nil {
			return
		}
		var r report
		if _, err := fmt.Sscan(string(buf[:n]), &r.what, &r.service, &r.pid, &r.at); err == nil {
			b.reports <- r
		}
	}
}

func (b *bell) close() { b.conn.Close() }

// drain forgets what was reported so far.
func (b *bell) drain() {
	for len(b.reports) > 0 {
		<-b.reports
	}
}

// next returns the next report that fits.
func (b *bell) next(ctx context.Context, limit time.Duration, fits func(report) bool) (report, error) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		select {
		case r := <-b.reports:
			if fits(r) {
				return r, nil
			}
		case <-timer.C:
			return report{}, fmt.Errorf("a service reported nothing for %v", limit)
		case <-ctx.Done():
			return report{}, errors.New("out of time, or interrupted")
		}
	}
}

// started waits until n different services have started and returns their PIDs, and when the last one's main()
// began.
func (b *bell) started(ctx context.Context, n int, limit time.Duration) (pids map[int]int, last time.Duration, err error) {
	pids = make(map[int]int, n)
	for len(pids) < n {
		r, err := b.next(ctx, limit, func(r report) bool { return r.what == "started" })
		if err != nil {
			return nil, 0, fmt.Errorf("%d of %d services have started: %w", len(pids), n, err)
		}
		pids[r.service], last = r.pid, max(last, r.at)
	}
	return pids, last, nil
}
