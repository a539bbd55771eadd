package main

import (
	"context"
	"fmt"
	"time"
)

// Budgets of pages.
const (
	servicesTime  = 20 * time.Millisecond
	servicesRows  = 50
	processesTime = 50 * time.Millisecond
)

// servicesPage measures the list of services.
func servicesPage(ctx context.Context, b *bench, w *world) ([]row, error) {
	v, err := w.visit(ctx, "/accounts/bench/services", "tr[data-service]", b.samples(200))
	if err != nil {
		return nil, err
	}
	return []row{{
		Name: "services", What: fmt.Sprintf("Services page, %d services", len(w.commands)), Measured: v.String(),
		Budget:  fmt.Sprintf("≤ %s ms, ≤ %d rows", millis(servicesTime), servicesRows),
		Verdict: verdict(v.p95 <= servicesTime && 0 < v.rows && v.rows <= servicesRows), Values: v.values(),
	}}, nil
}

// processesPage measures the list of processes.
func processesPage(ctx context.Context, b *bench, w *world) ([]row, error) {
	v, err := w.visit(ctx, "/accounts/bench/processes/services", "tr[data-pid]", b.samples(100))
	if err != nil {
		return nil, err
	}
	return []row{{
		Name: "processes", What: fmt.Sprintf("processes page, %d processes", len(w.commands)), Measured: v.String(),
		Budget: fmt.Sprintf("≤ %s ms", millis(processesTime)), Verdict: verdict(v.p95 <= processesTime && v.rows > 0), Values: v.values(),
	}}, nil
}
