package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Budgets of memory.
const (
	fixedMiB   = 40
	perService = 4 << 10 // bytes
	keeperMiB  = 6
)

// footprint reads what the daemon takes with the services at rest. The rows are made at the end, of all scenes.
func footprint(ctx context.Context, b *bench, w *world) ([]row, error) {
	if err := w.settle(ctx); err != nil {
		return nil, err
	}
	u, err := b.usageOf(w.daemon)
	if err == nil {
		b.footprints[len(w.commands)], w.usage = u, u
	}
	return nil, err
}

// endDaemon ends the daemon; one whose memory was measured in a way that also tells its goroutines.
func (w *world) endDaemon() (err error) {
	if w.usage == nil {
		return w.daemon.end()
	}
	w.usage.goroutines, err = w.daemon.goroutines(context.Background())
	return errors.Join(err, w.daemon.end())
}

// footprintRows compares the daemon's use of the machine at different numbers of services.
func (b *bench) footprintRows() []row {
	if len(b.footprints) == 0 {
		return nil
	}
	var counts []int
	for n := range b.footprints {
		counts = append(counts, n)
	}
	slices.Sort(counts)
	rows := []row{b.fixedRow(counts[0])}
	for i, n := range counts[1:] {
		rows = append(rows, b.slopeRow(counts[i], n))
	}
	for _, n := range counts[1:] {
		rows = append(rows, b.keeperRow(n))
	}
	return append(rows, b.countsRow(counts))
}

func (b *bench) fixedRow(n int) row {
	u := b.footprints[n]
	return row{
		Name: "memory", What: fmt.Sprintf("memory of daemon, keeper and launchers, %d idle service(s)", n),
		Measured: fmt.Sprintf("PSS %.1f MiB (%.1f anonymous, keeper %.1f, launchers %.1f; RSS of the daemon %.1f, of the keeper %.1f)",
			mib(u.total()), mib(u.anonymous), mib(u.keeper), mib(u.launchers), mib(u.rss), mib(u.keeperRSS)),
		Budget: fmt.Sprintf("≤ %d MiB", fixedMiB), Verdict: verdict(mib(u.total()) <= fixedMiB),
		Values: u.values(),
	}
}

// slopeRow shows the memory of each further service. What the first n services need is in the fixed part.
func (b *bench) slopeRow(n, more int) row {
	u, former := b.footprints[more], b.footprints[n]
	each := (u.total() - former.total()) / int64(more-n)
	return row{
		Name: "memory", What: fmt.Sprintf("… each service from %d to %d", n, more),
		Measured: fmt.Sprintf("%.1f KiB (PSS %.1f MiB, %.1f anonymous)", float64(each)/1024, mib(u.total()), mib(u.anonymous)),
		Budget:   fmt.Sprintf("≤ %d KiB", perService>>10), Verdict: verdict(each <= perService),
		Values: u.values(),
	}
}

// keeperRow shows the memory of the keeper alone, which has a budget at b.many services.
func (b *bench) keeperRow(n int) row {
	u := b.footprints[n]
	r := row{
		Name: "memory", What: fmt.Sprintf("… of it the keeper, %d services", n),
		Measured: fmt.Sprintf("RSS %.1f MiB, PSS %.1f MiB", mib(u.keeperRSS), mib(u.keeper)), Budget: "–", Verdict: "–",
	}
	if n <= b.many {
		r.Budget, r.Verdict = fmt.Sprintf("≤ %d MiB", keeperMiB), verdict(mib(u.keeperRSS) <= keeperMiB)
	}
	return r
}

// countsRow shows what must not grow. Descriptors may: a service has its output and its process.
func (b *bench) countsRow(counts []int) row {
	var threads, goroutines, descriptors []string
	least, most := b.footprints[counts[0]], b.footprints[counts[len(counts)-1]]
	for _, n := range counts {
		u := b.footprints[n]
		threads = append(threads, fmt.Sprint(u.threads))
		goroutines = append(goroutines, fmt.Sprint(u.goroutines))
		descriptors = append(descriptors, fmt.Sprint(u.descriptors))
	}
	grown := most.threads > least.threads+someThreads || most.goroutines > least.goroutines+someGoroutines
	return row{
		Name: "memory", What: fmt.Sprintf("threads · goroutines · descriptors at %s services", strings.Trim(fmt.Sprint(counts), "[]")),
		Measured: fmt.Sprintf("%s · %s · %s", strings.Join(threads, " "), strings.Join(goroutines, " "), strings.Join(descriptors, " ")),
		Budget:   "the first two do not grow", Verdict: verdict(!grown),
	}
}

// How much counts may differ by chance: workers that ran at the same time each left a thread behind.
const (
	someThreads    = 8
	someGoroutines = 8
)

func (u *usage) values() map[string]float64 {
	return map[string]float64{"pss_bytes": float64(u.pss), "rss_bytes": float64(u.rss), "anonymous_bytes": float64(u.anonymous),
		"launchers_bytes": float64(u.launchers), "keeper_bytes": float64(u.keeper), "keeper_rss_bytes": float64(u.keeperRSS), "threads": float64(u.threads), "goroutines": float64(u.goroutines),
		"descriptors": float64(u.descriptors)}
}

// errMemory keeps the benchmark from filling a small machine.
var errMemory = errors.New("not enough free memory for so many programs")

// roomFor checks that n programs fit into the machine's memory, with as much again left.
func (b *bench) roomFor(n int) error {
	info, err := os.Stat(b.child)
	if err != nil {
		return err
	}
	each := int64(100 << 10) // of the kernel and of the program in C
	if info.Size() > 1<<20 {
		each = 2 << 20 // the one in Go
	}
	var st unix.Sysinfo_t
	if err := unix.Sysinfo(&st); err != nil {
		return err
	}
	if uint64(2*each*int64(n)) > uint64(st.Freeram+st.Bufferram)*uint64(st.Unit) {
		return errMemory
	}
	return nil
}
