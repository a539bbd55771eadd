package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"
)

// names of what can be measured, in the order of the table.
var names = []string{"respawn", "memory", "cold", "idle", "capture", "loss", "services", "extract", "processes", "restart", "stall", "neighbour"}

// measure is one entry of the plan.
type measure struct {
	name string
	with scene // what has to run meanwhile
	take func(context.Context, *bench, *world) ([]row, error)
}

// plan lists the measures in an order in which each scene is set up once.
func (b *bench) plan() []measure {
	one, many, most := b.idle(1), b.idle(b.many), b.idle(b.most)
	return []measure{
		{"extract", scene{}, extract},
		{"neighbour", scene{}, neighbour},
		{"respawn", one, respawn},
		{"memory", one, footprint},
		{"capture", b.writers(), capture},
		{"loss", b.writers(), loss},
		{"stall", b.steadyWriter(), stall},
		{"cold", many, coldStart},
		{"idle", many, idleCPU},
		{"memory", many, footprint},
		{"services", many, servicesPage},
		{"processes", many, processesPage},
		{"respawn", many, respawn},
		{"restart", many, restart},
		{"memory", most, footprint},
		{"processes", most, processesPage},
	}
}

// measureAll carries out the plan. A measure that fails becomes a row that says so.
func (b *bench) measureAll(ctx context.Context, chosen []string) {
	for _, m := range b.plan() {
		if !slices.Contains(chosen, m.name) {
			continue
		}
		begun := time.Now()
		rows, err := b.takeIn(ctx, m)
		if err != nil {
			rows = append(rows, notMeasured(m.name, fmt.Sprintf("%s %s", m.name, m.with.name), err))
		}
		b.rows = append(b.rows, rows...)
		fmt.Fprintf(os.Stderr, "%-10s %-14s %6.1f s\n", m.name, m.with.name, time.Since(begun).Seconds())
	}
	b.leave()
	b.rows = append(b.rows, b.footprintRows()...)
	slices.SortStableFunc(b.rows, func(x, y row) int {
		return slices.Index(names, x.Name) - slices.Index(names, y.Name)
	})
}

func (b *bench) takeIn(ctx context.Context, m measure) ([]row, error) {
	w, err := b.enter(ctx, m.with)
	if err != nil {
		return nil, err
	}
	return m.take(ctx, b, w)
}

// pause waits, or returns early when the run is over.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
