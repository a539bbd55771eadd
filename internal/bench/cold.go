package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"upkeep/internal/launcher"
)

// coldStart compares the start of the daemon with all its services with a loop that starts as many by launchers.
func coldStart(_ context.Context, _ *bench, w *world) ([]row, error) {
	r := ratio(w.started, w.bare)
	n := len(w.commands)
	return []row{{
		Name: "cold", What: fmt.Sprintf("%d services from cold, from the start of upkeep to the last main()", n),
		Measured: fmt.Sprintf("%.2f s (%s ms each); bare loop with launchers %.2f s: %.2f ×",
			w.started.Seconds(), millis(w.started/time.Duration(n)), w.bare.Seconds(), r),
		Budget: fmt.Sprintf("≤ %d ×", times), Verdict: verdict(r <= times),
		Values: map[string]float64{"seconds": w.started.Seconds(), "bare_seconds": w.bare.Seconds(), "ratio": r},
	}}, nil
}

// bareLaunches starts as many programs as the scene has services, one after the other by a launcher, and ends
// them again. It returns the time until the last main().
func (b *bench) bareLaunches(ctx context.Context, w *world) (took time.Duration, err error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	defer func() { err = errors.Join(err, endProcesses(b.dir)) }()
	b.bell.drain()
	begun := now()
	for i := range w.commands {
		if err := b.launch(w, i+1, null); err != nil {
			return 0, err
		}
	}
	_, last, err := b.bell.started(ctx, len(w.commands), 10*time.Second)
	return last - begun, err
}

func (b *bench) launch(w *world, service int, output *os.File) error {
	l, err := launcher.Start(b.helper)
	if err != nil {
		return err
	}
	defer func() {
		if l.PidFD >= 0 {
			unix.Close(l.PidFD)
		}
	}()
	spec := launcher.Spec{
		NoNewPrivs: true, Umask: 0o027, OpenFile: 1024, Directory: w.account.Home, Argv: []string{b.child},
		Env: []string{"PATH=/usr/bin:/bin", "BENCH_SOCKET=" + b.bell.path, "SERVICE_ID=" + strconv.Itoa(service)},
	}
	if !w.account.Shared {
		spec.SetUser = true
		if spec.UID, spec.GID, err = idsOf(serviceUser); err != nil {
			return err
		}
	}
	return l.Execute(&spec, output)
}
