package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// daemon is an "upkeep serve" under measurement.
type daemon struct {
	cmd   *exec.Cmd
	said  string        // file with its log
	url   string        // of its panel
	begun time.Duration // when it was started
	ready time.Duration // when it said so
	ended chan struct{} // closed when it has ended
}

// startTime is more than any start needs.
const startTime = 2 * time.Minute

// start starts a daemon and waits until it is ready.
func (w *world) startDaemon(ctx context.Context) (*daemon, error) {
	d := &daemon{said: w.dir + "/said", ended: make(chan struct{})}
	log, err := os.OpenFile(d.said, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	d.cmd = exec.Command(w.bench.upkeep, "serve", "--config", os.DevNull, "--data", w.data, "--homes", w.dir+"/homes",
		"--listen", "127.0.0.1:0", "--helper", w.bench.helper,
		// A killed service counts as failing: without delay and without a budget, so that it always starts at once.
		"--backoff", "0s", "--budget-failures", "1000000000", "--budget-window", "1ms",
		// All services are of one account.
		"--limit-account-processes", "0")
	d.cmd.Args = append(d.cmd.Args, w.flags...)
	d.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "GOTRACEBACK=all"}
	d.cmd.Stderr = log
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // a Ctrl-C is for the benchmark, which ends it itself
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	d.begun = now()
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	if err := d.waitReady(ctx, out); err != nil {
		return nil, errors.Join(err, d.end(syscall.SIGKILL))
	}
	return d, nil
}

// waitReady reads the line that names the address, and leaves somebody to read on.
func (d *daemon) waitReady(ctx context.Context, out io.Reader) error {
	address := make(chan string, 1)
	go func() {
		defer close(d.ended)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if url, ok := strings.CutPrefix(lines.Text(), "upkeep is ready: "); ok {
				d.ready = now()
				address <- url
			}
		}
		_ = d.cmd.Wait() // how it ended is nobody's concern here
	}()
	select {
	case url := <-address:
		// By number: a name would be looked up for every connection.
		d.url = strings.Replace(url, "localhost", "127.0.0.1", 1)
		return nil
	case <-d.ended:
	case <-time.After(startTime):
	case <-ctx.Done():
	}
	said, _ := os.ReadFile(d.said)
	return fmt.Errorf("upkeep did not become ready: %s", bytes.TrimSpace(said))
}

func (d *daemon) pid() int { return d.cmd.Process.Pid }

// end sends a signal and waits for the end; services run on.
func (d *daemon) end(sig syscall.Signal) error {
	if err := d.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-d.ended:
		return nil
	case <-time.After(20 * time.Second):
	}
	err := d.cmd.Process.Kill()
	<-d.ended
	return errors.Join(fmt.Errorf("upkeep did not end by %v", sig), err)
}

// goroutines ends the daemon by SIGQUIT, upon which the runtime writes down every goroutine, and counts them.
func (d *daemon) goroutines() (int, error) {
	if err := d.end(syscall.SIGQUIT); err != nil {
		return 0, err
	}
	said, err := os.ReadFile(d.said)
	return bytes.Count(said, []byte("\ngoroutine ")), err
}
