package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// lossKills is the budget's number of kills; all lines have to be there.
const lossKills = 200

// loss kills the daemon again and again while a service writes numbered lines at full speed, and looks for each
// line in the log.
func loss(ctx context.Context, b *bench, w *world) ([]row, error) {
	file := w.logOf(2)
	before, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	kills, written, err := w.killWhileWriting(ctx, b.samples(lossKills))
	if err != nil {
		return nil, err
	}
	if err := w.atRest(ctx, file); err != nil {
		return nil, err
	}
	lines, wrong, err := checkLines(file, before.Size())
	if err != nil {
		return nil, err
	}
	missing := written - lines
	return []row{{
		Name: "loss", What: "lines lost, doubled or torn when the daemon is killed (SIGKILL) under full output",
		Measured: fmt.Sprintf("%d missing, %d out of order of %d lines in %d kills", missing, wrong, written, kills),
		Budget:   fmt.Sprintf("0 in %d kills", lossKills), Verdict: verdict(missing == 0 && wrong == 0),
		Values: map[string]float64{"missing": float64(missing), "wrong": float64(wrong), "lines": float64(written), "kills": float64(kills)},
	}}, nil
}

// longestLoss bounds the kills in time: a restart on a slow machine takes a while.
const longestLoss = 75 * time.Second

// killWhileWriting returns how often the daemon was killed, and how many lines the service has written.
func (w *world) killWhileWriting(ctx context.Context, n int) (kills, lines int, err error) {
	x := w.bench.writer(2)
	w.bench.bell.drain()
	written := func(r report) bool { return r.what == "written" }
	more := func() error { lines += x.total / x.block; return unix.Kill(w.pids[x.service], unix.SIGUSR1) }
	err = more()
	for begun := now(); err == nil && kills < n && now()-begun < longestLoss; kills++ {
		// Between 10 and 40 ms, so that deaths fall into every moment of the capture.
		if err = pause(ctx, 10*time.Millisecond+time.Duration(kills%31)*time.Millisecond); err != nil {
			break
		}
		if len(w.bench.bell.reports) > 0 && written(<-w.bench.bell.reports) {
			err = more()
		}
		err = errors.Join(err, w.daemon.kill(ctx))
	}
	if err == nil {
		_, err = w.bench.bell.next(ctx, time.Minute, written)
	}
	return kills, lines, err
}

// atRest waits until a log does not grow any more.
func (w *world) atRest(ctx context.Context, file string) error {
	for size := int64(-1); ; {
		st, err := os.Stat(file)
		if err != nil {
			return err
		}
		if st.Size() == size {
			return nil
		}
		size = st.Size()
		if err := pause(ctx, time.Second); err != nil {
			return err
		}
	}
}

// checkLines counts the numbered lines of a log from a position on, and those that do not follow the line before.
// Lines of upkeep's own are not looked at.
func checkLines(file string, from int64) (lines, wrong int, err error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		return 0, 0, err
	}
	last, own := -1, []byte("upkeep: ")
	text := bufio.NewScanner(f)
	for text.Scan() {
		line := text.Bytes()
		if bytes.HasPrefix(line, own) {
			continue
		}
		lines++
		number, err := strconv.Atoi(string(line[:min(numberDigits, len(line))]))
		if err != nil || len(line) != lineBytes-1 || (last >= 0 && number != last+1) {
			wrong++
		}
		last = number
	}
	return lines, wrong, text.Err()
}
