package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"upkeep/internal/logs"
	"upkeep/internal/panel"
	"upkeep/internal/privilege"
)

// Budgets of an extract. Two times count as the same when the larger file's is at most sameTimes the other's.
const (
	extractTime  = 5 * time.Millisecond
	extractLines = 500
	sameTimes    = 1.5
)

// extract reads the last lines of a small and of a large log.
func extract(ctx context.Context, b *bench, _ *world) ([]row, error) {
	dir := filepath.Join(b.dir, "extract")
	if err := os.MkdirAll(dir, 0o711); err != nil { // the services' user passes through it
		return nil, err
	}
	defer os.RemoveAll(dir)
	l, err := logs.New(logs.Options{State: filepath.Join(dir, "state")})
	if err != nil {
		return nil, err
	}
	logCtx, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- l.Run(logCtx) }()
	small, large := int64(10<<20), int64(1<<30)
	if b.quick {
		large = 100 << 20
	}
	rows, err := b.extracts(ctx, l, filepath.Join(dir, "home"), small, large)
	stop()
	return rows, errors.Join(err, <-ended)
}

func (b *bench) extracts(ctx context.Context, l *logs.Logs, home string, small, large int64) ([]row, error) {
	acct, err := newAccount(home, serviceUser)
	if err != nil {
		return nil, err
	}
	src := logs.Source{Service: 1, Account: 1, Name: "large", Home: home, OwnUser: !acct.Shared}
	if src.OwnUser {
		uid, gid, err := idsOf(serviceUser)
		if err != nil {
			return nil, err
		}
		src.Cred = privilege.Credentials{UID: uid, GID: gid}
	}
	var found []latency
	for _, size := range []int64{small, large} {
		one, err := b.extractFrom(ctx, l, src, size)
		if err != nil {
			return nil, fmt.Errorf("log of %.0f MiB: %w", mib(size), err)
		}
		found = append(found, one)
	}
	return []row{extractRow(small, found[0], found[0]), extractRow(large, found[1], found[0])}, nil
}

func extractRow(size int64, l, first latency) row {
	r := ratio(l.p50, first.p50)
	return row{
		Name: "extract", What: fmt.Sprintf("extract of %d lines from a log of %.0f MiB", extractLines, mib(size)),
		Measured: fmt.Sprintf("%v (%.2f × of the small log)", l, r), Budget: fmt.Sprintf("≤ %s ms, the same for both", millis(extractTime)),
		Verdict: verdict(l.p95 <= extractTime && r <= sameTimes),
		Values:  map[string]float64{"p50_ms": ms(l.p50), "p95_ms": ms(l.p95), "ratio": r},
	}
}

// extractFrom writes a log of that size and reads its end many times.
func (b *bench) extractFrom(ctx context.Context, l *logs.Logs, src logs.Source, size int64) (latency, error) {
	path := filepath.Join(src.Home, "admin/logs/services", src.Name+".log")
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), writeLog(path, size)); err != nil {
		return latency{}, err
	}
	defer os.Remove(path)
	if src.OwnUser {
		if err := os.Chown(path, src.Cred.UID, src.Cred.GID); err != nil {
			return latency{}, err
		}
	}
	var samples []time.Duration
	for range b.samples(500) {
		begun := now()
		x, err := l.Extract(ctx, src, panel.LogQuery{Lines: extractLines})
		if err != nil {
			return latency{}, err
		}
		samples = append(samples, now()-begun)
		if len(x.Lines) != extractLines {
			return latency{}, fmt.Errorf("%d lines instead of %d", len(x.Lines), extractLines)
		}
	}
	return latencyOf(samples), nil
}

// writeLog writes numbered lines of some 100 bytes.
func writeLog(path string, size int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(f, 1<<20)
	for written, i := int64(0), 0; written < size; i++ {
		n, err := fmt.Fprintf(out, "2026-01-02T15:04:05.000Z line %010d of a log that a service has written for a long time\n", i)
		if err != nil {
			return errors.Join(err, f.Close())
		}
		written += int64(n)
	}
	return errors.Join(out.Flush(), f.Close())
}
