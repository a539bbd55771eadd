package main

import (
	"context"
	"math/rand/v2"
	"slices"

	"golang.org/x/sys/unix"
)

// pick returns at most n of the processes that fit, at random.
func pick(chance *rand.Rand, n int, fits func(process) bool) []process {
	found := slices.DeleteFunc(processes(), func(p process) bool { return p.service == "" || p.zombie() || !fits(p) })
	chance.Shuffle(len(found), func(i, j int) { found[i], found[j] = found[j], found[i] })
	return found[:min(n, len(found))]
}

// killMains ends main processes by a signal, as an operator or a fault of theirs would.
func killMains(_ context.Context, c *chaos, chance *rand.Rand) error {
	signals := []unix.Signal{unix.SIGKILL, unix.SIGKILL, unix.SIGTERM, unix.SIGINT, unix.SIGHUP}
	sig := signals[chance.IntN(len(signals))]
	for _, p := range pick(chance, 1+chance.IntN(4), process.main) {
		c.report.fault("kill-mains", "%v by %v", p, sig)
		c.killed(p.run)
		_ = p.send(sig) // it may have ended meanwhile
	}
	return nil
}

// killChildren kills processes that are not the main one of their run.
func killChildren(_ context.Context, c *chaos, chance *rand.Rand) error {
	for _, p := range pick(chance, 1+chance.IntN(4), func(p process) bool { return p.helper }) {
		c.report.fault("kill-children", "%v", p)
		_ = p.send(unix.SIGKILL) // it may have ended meanwhile
	}
	return nil
}

// stopMains stops main processes as a debugger would, and lets them go on.
func stopMains(ctx context.Context, c *chaos, chance *rand.Rand) error {
	stopped := pick(chance, 1+chance.IntN(3), process.main)
	d := millis(chance, 500, 4000)
	for _, p := range stopped {
		c.report.fault("stop-mains", "%v for %v", p, d)
		_ = p.send(unix.SIGSTOP) // it may have ended meanwhile
	}
	err := pause(ctx, d)
	for _, p := range stopped {
		_ = p.send(unix.SIGCONT) // the same
	}
	return err
}
