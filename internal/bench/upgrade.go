package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"slices"
	"sync"
	"time"
)

// upgrades is how often upkeep is replaced under load; no request may fail.
const upgrades = 10

// upgradeUnderLoad replaces the daemon again and again while visitors ask for a page, some of them with a new
// connection each time.
func upgradeUnderLoad(ctx context.Context, b *bench, w *world) (row, error) {
	b.bell.drain()
	loading, stop := context.WithCancel(ctx)
	defer stop()
	visitors := []*visitor{{fresh: true}, {fresh: true}, {}, {}}
	var group sync.WaitGroup
	for _, v := range visitors {
		group.Go(func() { v.ask(loading, w.daemon.url+"/signin") })
	}
	took, err := w.upgradeTimes(ctx, b.samples(upgrades))
	stop()
	group.Wait()
	if err != nil {
		return row{}, err
	}
	if err := w.settle(ctx); err != nil {
		return row{}, err
	}
	var asked, failed int
	var longest time.Duration
	var why string
	for _, v := range visitors {
		asked, failed, longest = asked+v.asked, failed+v.failed, max(longest, v.longest)
		if v.err != nil {
			why = ": " + v.err.Error()
		}
	}
	touched := w.touched()
	return row{
		Name: "restart", What: fmt.Sprintf("upkeep upgrade × %d under load, %d services", len(took), len(w.commands)),
		Measured: fmt.Sprintf("%d of %d requests failed%s, longest %s ms; %s s / %s s each, %d touched", failed, asked, why,
			millis(longest), secs(took[len(took)/2]), secs(took[len(took)-1]), touched),
		Budget: "0 failed, 0 touched", Verdict: verdict(failed == 0 && touched == 0 && asked > 0),
		Values: map[string]float64{"failed": float64(failed), "asked": float64(asked), "longest_ms": ms(longest),
			"p50_seconds": took[len(took)/2].Seconds(), "touched": float64(touched)},
	}, nil
}

func secs(d time.Duration) string { return fmt.Sprintf("%.2f", d.Seconds()) }

// upgradeTimes returns how long each of n upgrades took, shortest first.
func (w *world) upgradeTimes(ctx context.Context, n int) (took []time.Duration, err error) {
	for range n {
		begun := now()
		if err := w.upgrade(ctx); err != nil {
			return nil, err
		}
		took = append(took, now()-begun)
		// Visitors have to come in between, too.
		if err := pause(ctx, 300*time.Millisecond); err != nil {
			return nil, err
		}
	}
	slices.Sort(took)
	return took, nil
}

// upgrade puts the same binary in the daemon's place, which is as much work as another one.
func (w *world) upgrade(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, w.bench.upkeep, "upgrade", w.bench.upkeep, "--data", w.data).CombinedOutput()
	if err != nil {
		return fmt.Errorf("upkeep upgrade: %w: %s", err, out)
	}
	return w.daemon.waitStart(ctx)
}

// visitor asks for a page without a pause. A request on a kept connection that was closed meanwhile is asked anew on
// another one, as browsers do.
type visitor struct {
	fresh         bool // a new connection for each request
	asked, failed int
	longest       time.Duration
	err           error // of the last request that failed
}

// requestTime is the patience of a visitor.
const requestTime = 10 * time.Second

func (v *visitor) ask(ctx context.Context, url string) {
	client := &http.Client{Timeout: requestTime, Transport: &http.Transport{DisableKeepAlives: v.fresh}}
	defer client.CloseIdleConnections()
	for ctx.Err() == nil {
		begun := now()
		err := load(client, url)
		v.asked++
		v.longest = max(v.longest, now()-begun)
		if err != nil {
			v.failed, v.err = v.failed+1, err
		}
	}
}

// load gets a page to its last byte. It takes no context: a request that is broken off would be one that fails.
func load(client *http.Client, url string) error {
	answer, err := client.Get(url)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s", answer.Status)
	}
	return nil
}
