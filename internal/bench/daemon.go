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

	"upkeep/internal/rig"
)

// daemon is an "upkeep serve" under measurement: the keeper that it becomes, and the daemon below that.
type daemon struct {
	cmd    *exec.Cmd // the keeper
	data   string
	said   string             // file with the daemon's log
	url    string             // of the panel
	begun  time.Duration      // when it was started
	ready  time.Duration      // when it said so last
	starts chan time.Duration // each time a daemon says that it is ready
	ended  chan struct{}      // closed when the keeper has ended
}

// startTime is more than any start needs.
const startTime = 2 * time.Minute

// start starts a daemon and waits until it is ready.
func (w *world) startDaemon(ctx context.Context) (*daemon, error) {
	d := &daemon{data: w.data, said: w.dir + "/said", starts: make(chan time.Duration, 1<<10), ended: make(chan struct{})}
	log, err := os.OpenFile(d.said, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	d.cmd = exec.Command(w.upkeep, "serve", "--config", os.DevNull, "--data", w.data, "--homes", w.dir+"/homes",
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
		return nil, errors.Join(err, d.crash())
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
				d.starts <- now()
				select {
				case address <- url:
				default: // it stays the same
				}
			}
		}
		_ = d.cmd.Wait() // how it ended is nobody's concern here
	}()
	if err := d.waitStart(ctx); err != nil {
		return err
	}
	// By number: a name would be looked up for every connection.
	d.url = strings.Replace(<-address, "localhost", "127.0.0.1", 1)
	return nil
}

// waitStart waits until a daemon, the first one or another one, says that it is ready.
func (d *daemon) waitStart(ctx context.Context) error {
	select {
	case d.ready = <-d.starts:
		return nil
	case <-d.ended:
	case <-time.After(startTime):
	case <-ctx.Done():
	}
	said, _ := os.ReadFile(d.said)
	return fmt.Errorf("upkeep did not become ready: %s", bytes.TrimSpace(said[max(0, len(said)-maxSaid):]))
}

// maxSaid bounds what an error repeats of the daemon's log.
const maxSaid = 4 << 10

// pid is the daemon's. There may be another one after each end.
func (d *daemon) pid() int { return rig.Daemon(d.data) }

// keeper is the PID of the keeper.
func (d *daemon) keeper() int { return d.cmd.Process.Pid }

// cpuTime is what daemon and keeper have used.
func (d *daemon) cpuTime() (time.Duration, error) {
	daemon, errD := cpuTime(d.pid())
	keeper, errK := cpuTime(d.keeper())
	return daemon + keeper, errors.Join(errD, errK)
}

// kill kills the daemon alone and waits until the keeper has brought another one up.
func (d *daemon) kill(ctx context.Context) error {
	if err := syscall.Kill(d.pid(), syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill the daemon: %w", err)
	}
	return d.waitStart(ctx)
}

// endTime is more than any end needs.
const endTime = 20 * time.Second

// end ends the daemon and the keeper as a service manager would; services run on.
func (d *daemon) end() error {
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-d.ended:
		return nil
	case <-time.After(endTime):
	}
	return errors.Join(errors.New("upkeep did not end by SIGTERM"), d.crash())
}

// crash kills both.
func (d *daemon) crash() error {
	err := rig.Crash(d.data)
	<-d.ended
	return err
}

// goroutines ends the daemon by SIGQUIT, upon which the runtime writes down every goroutine, and counts them. It
// leaves another daemon.
func (d *daemon) goroutines(ctx context.Context) (int, error) {
	if err := syscall.Kill(d.pid(), syscall.SIGQUIT); err != nil {
		return 0, err
	}
	if err := d.waitStart(ctx); err != nil {
		return 0, err
	}
	said, err := os.ReadFile(d.said)
	return bytes.Count(said, []byte("\ngoroutine ")), err
}
