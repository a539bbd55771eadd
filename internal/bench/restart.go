package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"
)

// restartTime is the budget from the end of the old daemon's service to the new one's.
const restartTime = time.Second

// restart ends the daemon and starts it again, under which no service may suffer.
func restart(ctx context.Context, b *bench, w *world) ([]row, error) {
	b.bell.drain()
	asked := now()
	if err := w.daemon.end(syscall.SIGTERM); err != nil {
		return nil, err
	}
	ended := now()
	if err := w.resume(ctx); err != nil {
		return nil, err
	}
	d := w.daemon
	// Longer than a wrong start would take to show itself.
	if err := w.settle(ctx); err != nil {
		return nil, err
	}
	touched := w.touched()
	took := d.ready - asked
	n := len(w.commands)
	return []row{{
		Name: "restart", What: fmt.Sprintf("restart of the daemon with %d services", n),
		Measured: fmt.Sprintf("%.2f s until all are adopted (%.2f s to end, %.2f s to take over), %d touched",
			took.Seconds(), (ended - asked).Seconds(), (d.ready - d.begun).Seconds(), touched),
		Budget: "≤ 1 s, 0 touched", Verdict: verdict(took <= restartTime && touched == 0),
		Values: map[string]float64{"seconds": took.Seconds(), "touched": float64(touched)},
	}, notMeasured("restart", "… HTTP requests that fail meanwhile", errors.New("needs the keeper, which holds the socket"))}, nil
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
