package main

import (
	"context"
	"fmt"
	"time"
)

// restartTime is the budget from the end of the old daemon's service to the new one's.
const restartTime = time.Second

// restart ends the daemon in each way that there is. No service may suffer from any of them.
func restart(ctx context.Context, b *bench, w *world) ([]row, error) {
	var rows []row
	for _, way := range []struct {
		what string
		take func(context.Context, *world) error
	}{
		{"SIGKILL of the daemon", func(ctx context.Context, w *world) error { return w.daemon.kill(ctx) }},
		{"SIGKILL of daemon and keeper, upkeep serve", crashAndResume},
		{"SIGTERM, upkeep serve", endAndResume},
	} {
		r, err := w.restarted(ctx, way.what, way.take)
		if err != nil {
			return rows, fmt.Errorf("%s: %w", way.what, err)
		}
		rows = append(rows, r)
	}
	upgrades, err := upgradeUnderLoad(ctx, b, w)
	return append(rows, upgrades), err
}

func crashAndResume(ctx context.Context, w *world) error {
	if err := w.daemon.crash(); err != nil {
		return err
	}
	return w.resume(ctx)
}

func endAndResume(ctx context.Context, w *world) error {
	if err := w.daemon.end(); err != nil {
		return err
	}
	return w.resume(ctx)
}

// resume starts another daemon on the same data.
func (w *world) resume(ctx context.Context) error {
	d, err := w.startDaemon(ctx)
	w.daemon = d
	return err
}

func (w *world) restarted(ctx context.Context, what string, take func(context.Context, *world) error) (row, error) {
	w.bench.bell.drain()
	asked := now()
	if err := take(ctx, w); err != nil {
		return row{}, err
	}
	took := w.daemon.ready - asked
	// Longer than a wrong start would take to show itself.
	if err := w.settle(ctx); err != nil {
		return row{}, err
	}
	touched := w.touched()
	return row{
		Name: "restart", What: fmt.Sprintf("%s, %d services", what, len(w.commands)),
		Measured: fmt.Sprintf("%.2f s until all are adopted, %d touched", took.Seconds(), touched),
		Budget:   "≤ 1 s, 0 touched", Verdict: verdict(took <= restartTime && touched == 0),
		Values: map[string]float64{"seconds": took.Seconds(), "touched": float64(touched)},
	}, nil
}

// touched counts the services that were started again, or whose process is gone.
func (w *world) touched() int {
	again := map[int]bool{}
	for len(w.bench.bell.reports) > 0 {
		again[(<-w.bench.bell.reports).service] = true
	}
	for service, pid := range w.pids {
		if !runsFrom(pid, w.bench.dir) {
			again[service] = true
		}
	}
	return len(again)
}
