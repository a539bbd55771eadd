package main

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// times is the budget of what is compared with a bare loop.
const times = 2

// apart is the time between two deaths: services die one by one, and every loop may catch its breath.
const apart = 20 * time.Millisecond

// respawn compares the time from the death of a service to its next main() with that of a bare loop.
func respawn(ctx context.Context, b *bench, w *world) ([]row, error) {
	if err := w.settle(ctx); err != nil {
		return nil, err
	}
	before, err := cpuTime(w.daemon.pid())
	if err != nil {
		return nil, err
	}
	n := b.samples(200)
	ours, err := b.respawns(ctx, w.pids, n)
	if err != nil {
		return nil, err
	}
	after, err := cpuTime(w.daemon.pid())
	if err != nil {
		return nil, err
	}
	bare, err := b.bareRespawns(ctx, len(w.commands), n)
	if err != nil {
		return nil, err
	}
	r := ratio(ours.p50, bare.p50)
	return []row{{
		Name: "respawn", What: fmt.Sprintf("death of a service → its next main(), %d service(s)", len(w.commands)),
		Measured: fmt.Sprintf("%v; bare loop %v: %.2f × / %.2f × (daemon's CPU %s ms each)",
			ours, bare, r, ratio(ours.p95, bare.p95), millis((after-before)/time.Duration(n))),
		Budget: fmt.Sprintf("≤ %d ×", times), Verdict: verdict(r <= times),
		Values: map[string]float64{"p50_ms": ms(ours.p50), "p95_ms": ms(ours.p95), "bare_p50_ms": ms(bare.p50),
			"bare_p95_ms": ms(bare.p95), "ratio": r},
	}}, nil
}

// respawns kills n times one of the services, round about, and measures until the main() of its next run.
func (b *bench) respawns(ctx context.Context, pids map[int]int, n int) (latency, error) {
	order := make([]int, 0, len(pids))
	for service := range pids {
		order = append(order, service)
	}
	var samples []time.Duration
	for i := range n {
		service := order[i%len(order)]
		b.bell.drain()
		died := now()
		if err := unix.Kill(pids[service], unix.SIGKILL); err != nil {
			return latency{}, fmt.Errorf("kill service %d: %w", service, err)
		}
		r, err := b.bell.next(ctx, 10*time.Second, func(r report) bool { return r.service == service && r.what == "started" })
		if err != nil {
			return latency{}, fmt.Errorf("service %d was killed: %w", service, err)
		}
		samples, pids[service] = append(samples, r.at-died), r.pid
		if err := pause(ctx, apart); err != nil {
			return latency{}, err
		}
	}
	return latencyOf(samples), nil
}
