package main

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Of the stall: how long there is no daemon, how often the service writes, and which time between two lines is still
// the scheduler's. The output of that time is several times what a pipe of 1 MiB holds.
const (
	deadTime   = time.Minute
	paceMicros = 1000
	steadyLine = 1000 // bytes
	noStall    = 250 * time.Millisecond
)

// steadyWriter is the scene of a service that writes a line at a time, without hurry.
func (b *bench) steadyWriter() scene {
	return scene{name: "steady writer", commands: []string{fmt.Sprintf("%s %d 0 %d", b.child, steadyLine, paceMicros)}}
}

// stall keeps the daemon dead by making its binary one that does not start, and asks the service how long it had to
// wait for its output meanwhile.
func stall(ctx context.Context, b *bench, w *world) ([]row, error) {
	if err := w.settle(ctx); err != nil {
		return nil, err
	}
	b.bell.drain()
	writer := w.pids[1]
	if err := unix.Kill(writer, unix.SIGUSR1); err != nil {
		return nil, err
	}
	dead := b.length(deadTime)
	before, err := w.withoutDaemon(ctx, dead)
	if err != nil {
		return nil, err
	}
	meanwhile, err := os.Stat(w.logOf(1))
	if err == nil {
		err = w.upgrade(ctx)
	}
	if err == nil {
		err = unix.Kill(writer, unix.SIGUSR1)
	}
	if err != nil {
		return nil, err
	}
	r, err := b.bell.next(ctx, time.Minute, func(r report) bool { return r.what == "stalled" })
	if err != nil {
		return nil, err
	}
	kept := float64(meanwhile.Size()-before) / 1e6
	return []row{{
		Name: "stall", What: fmt.Sprintf("a service that writes 1 MB/s while there is no daemon for %v", dead),
		Measured: fmt.Sprintf("longest time between two lines %s ms; %.0f MB of it logged meanwhile", millis(r.at), kept),
		Budget:   fmt.Sprintf("none (≤ %v)", noStall), Verdict: verdict(r.at <= noStall && kept > 0),
		Values: map[string]float64{"stall_ms": ms(r.at), "logged_mb": kept, "dead_seconds": dead.Seconds()},
	}}, nil
}

// length is how long something lasts that takes its time.
func (b *bench) length(full time.Duration) time.Duration {
	if b.quick {
		return full / 5
	}
	return full
}

// withoutDaemon kills the daemon and sees to it that none comes back for a while. It returns the size of the log when
// that began.
func (w *world) withoutDaemon(ctx context.Context, dead time.Duration) (size int64, err error) {
	bad := w.upkeep + ".bad"
	if err := os.WriteFile(bad, []byte("#!/bin/sh\nexit 1\n"), 0o755); err != nil {
		return 0, err
	}
	if err := os.Rename(bad, w.upkeep); err != nil {
		return 0, err
	}
	former := w.daemon.pid()
	if err := syscall.Kill(former, syscall.SIGKILL); err != nil {
		return 0, err
	}
	st, err := os.Stat(w.logOf(1))
	if err != nil {
		return 0, err
	}
	if err := pause(ctx, dead); err != nil {
		return 0, err
	}
	if runsFrom(former, w.dir) || len(w.daemon.starts) > 0 {
		return 0, fmt.Errorf("there was a daemon all the same")
	}
	return st.Size(), nil
}
