package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Budgets of log capture. MB are millions of bytes.
const (
	captureMBs      = 250
	captureMillisMB = 2.5
)

// A line of the second writer, and the number that it begins with.
const (
	lineBytes    = 100
	numberDigits = 12
)

// writer is a service that writes when it is told to.
type writer struct {
	service int // also its place in the scene, from 1
	block   int // bytes of one write
	total   int // bytes of a round
}

func (b *bench) writer(service int) writer {
	w := writer{service: service, block: 8 << 10, total: 32_000 * 8 << 10}
	if service == 2 {
		w = writer{service: service, block: lineBytes, total: 640_000 * lineBytes}
	}
	if b.quick {
		w.total /= 2
	}
	return w
}

// writers is the scene of the two: one writes blocks, the other one a line at a time.
func (b *bench) writers() scene {
	s := scene{name: "two writers"}
	for service := 1; service <= 2; service++ {
		w := b.writer(service)
		s.commands = append(s.commands, fmt.Sprintf("%s %d %d", b.child, w.block, w.total))
	}
	return s
}

// round is what the capture of a writer's output took.
type round struct {
	took time.Duration
	cpu  time.Duration // of the daemon
}

// rounds are repeated, and the middle one counts: the file system has its own rhythm.
const rounds = 3

func capture(ctx context.Context, b *bench, w *world) ([]row, error) {
	if err := w.settle(ctx); err != nil {
		return nil, err
	}
	blocks, speed, err := w.middleRound(ctx, b.writer(1), func(r round) time.Duration { return r.took })
	if err != nil {
		return nil, err
	}
	lines, cpu, err := w.middleRound(ctx, b.writer(2), func(r round) time.Duration { return r.cpu })
	if err != nil {
		return nil, err
	}
	mbs, each := blocks/speed.took.Seconds(), ms(cpu.cpu)/lines
	return []row{{
		Name: "capture", What: "log capture, 8 KiB a write",
		Measured: fmt.Sprintf("%.0f MB/s, daemon's CPU %.2f ms/MB, every byte in the file", mbs, ms(speed.cpu)/blocks),
		Budget:   fmt.Sprintf("≥ %d MB/s", captureMBs), Verdict: verdict(mbs >= captureMBs),
		Values: map[string]float64{"mb_per_s": mbs, "cpu_ms_per_mb": ms(speed.cpu) / blocks},
	}, {
		Name: "capture", What: "log capture, one 100-byte line a write",
		Measured: fmt.Sprintf("daemon's CPU %.2f ms/MB at %.0f MB/s, every byte in the file", each, lines/cpu.took.Seconds()),
		Budget:   fmt.Sprintf("≤ %.1f ms/MB", captureMillisMB), Verdict: verdict(each <= captureMillisMB),
		Values: map[string]float64{"mb_per_s": lines / cpu.took.Seconds(), "cpu_ms_per_mb": each},
	}}, nil
}

// middleRound lets a writer write several times and returns the MB of a round and the median one.
func (w *world) middleRound(ctx context.Context, x writer, by func(round) time.Duration) (float64, round, error) {
	var all []round
	for range rounds {
		r, err := w.round(ctx, x)
		if err != nil {
			return 0, r, err
		}
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b round) int { return int(by(a) - by(b)) })
	return float64(x.total) / 1e6, all[rounds/2], nil
}

// round wakes the writer and waits until all it wrote is in the log.
func (w *world) round(ctx context.Context, x writer) (r round, err error) {
	file := w.logOf(x.service)
	before, err := os.Stat(file)
	if err != nil {
		return r, err
	}
	// The former round's pages would be written to the disk meanwhile.
	unix.Sync()
	begun := now()
	cpu, err := cpuTime(w.daemon.pid())
	if err != nil {
		return r, err
	}
	if err := unix.Kill(w.pids[x.service], unix.SIGUSR1); err != nil {
		return r, err
	}
	if _, err := w.bench.bell.next(ctx, time.Minute, func(p report) bool { return p.what == "written" }); err != nil {
		return r, err
	}
	if err := grown(ctx, file, before.Size()+int64(x.total)); err != nil {
		return r, err
	}
	r.took = now() - begun
	after, err := cpuTime(w.daemon.pid())
	r.cpu = after - cpu
	return r, err
}

// logOf is the log file of a service.
func (w *world) logOf(service int) string {
	return filepath.Join(w.account.Home, "admin/logs/services", fmt.Sprintf("service-%04d.log", service))
}

// grown waits until a file has exactly its expected size.
func grown(ctx context.Context, file string, size int64) error {
	for deadline := time.Now().Add(10 * time.Second); ; {
		st, err := os.Stat(file)
		if err != nil {
			return err
		}
		if st.Size() == size {
			return nil
		}
		if st.Size() > size || time.Now().After(deadline) {
			return fmt.Errorf("%s has %d bytes instead of %d", file, st.Size(), size)
		}
		if err := pause(ctx, time.Millisecond); err != nil {
			return err
		}
	}
}
