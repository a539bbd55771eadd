package main

import (
	"context"
	"fmt"
	"time"
)

// idlePercent is the budget: of one core.
const idlePercent = 0.2

// idleCPU measures what daemon and keeper do when nothing happens and nobody looks.
func idleCPU(ctx context.Context, b *bench, w *world) ([]row, error) {
	if err := w.settle(ctx); err != nil {
		return nil, err
	}
	span := 10 * time.Second
	begun := now()
	before, err := w.daemon.cpuTime()
	if err != nil {
		return nil, err
	}
	if err := pause(ctx, span); err != nil {
		return nil, err
	}
	after, err := w.daemon.cpuTime()
	if err != nil {
		return nil, err
	}
	percent := 100 * ratio(after-before, now()-begun)
	return []row{{
		Name: "idle", What: fmt.Sprintf("idle CPU, %d services, nobody looking", len(w.commands)),
		Measured: fmt.Sprintf("%.3f %% of a core (%s ms in 10 s)", percent, millis(after-before)),
		Budget:   fmt.Sprintf("≤ %.1f %%", idlePercent), Verdict: verdict(percent <= idlePercent),
		Values: map[string]float64{"percent": percent},
	}}, nil
}
