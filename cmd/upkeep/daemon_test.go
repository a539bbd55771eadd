package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"upkeep/internal/htmltest"
	"upkeep/internal/rig"
)

// daemon is a running "upkeep serve".
type daemon struct {
	t        *testing.T
	in       *installation
	cmd      *exec.Cmd
	terminal *os.File
	lines    chan string // of the standard output
	ended    chan struct{}

	address string
	printed []string // what expect and end have read of the lines
}

// serve starts the panel and returns once it says that it is ready.
func (in *installation) serve(args ...string) *daemon {
	in.t.Helper()
	return in.start(in.serving(args), nil)
}

func (in *installation) serving(args []string) *exec.Cmd {
	helper := filepath.Join(bin, "upkeep-helper")
	return in.program(watched, append([]string{"serve", "--helper", helper}, args...)...)
}

// serveInTerminal does the same in a terminal of its own.
func (in *installation) serveInTerminal(args ...string) *daemon {
	in.t.Helper()
	keyboard, screen := openTerminal(in.t)
	cmd := in.serving(args)
	cmd.Stdin = screen
	cmd.SysProcAttr.Setsid, cmd.SysProcAttr.Setctty = true, true
	d := in.start(cmd, keyboard)
	if err := screen.Close(); err != nil {
		in.t.Fatal(err)
	}
	return d
}

// start starts upkeep and waits until it is ready.
func (in *installation) start(cmd *exec.Cmd, keyboard *os.File) *daemon {
	in.t.Helper()
	d := in.begin(cmd, keyboard)
	d.awaitReady()
	return d
}

func (d *daemon) awaitReady() {
	d.t.Helper()
	d.address = d.expect("upkeep is ready: ")
}

func (in *installation) begin(cmd *exec.Cmd, keyboard *os.File) *daemon {
	in.t.Helper()
	d := &daemon{t: in.t, cmd: cmd, terminal: keyboard, in: in, lines: make(chan string, 100),
		ended: make(chan struct{})}
	stderr, err := os.OpenFile(in.stderr(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		in.t.Fatal(err)
	}
	defer stderr.Close()
	cmd.Stderr = stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		in.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		in.t.Fatal(err)
	}
	in.daemons = append(in.daemons, d)
	go func() {
		defer close(d.ended)
		// A service that held the standard output of upkeep would keep this loop, and the test, from ending.
		for scanner := bufio.NewScanner(stdout); scanner.Scan(); {
			d.lines <- scanner.Text()
		}
		close(d.lines)
		_ = cmd.Wait() // its status is asked of ProcessState
	}()
	return d
}

// expect waits for a line of the standard output and returns what follows the prefix.
func (d *daemon) expect(prefix string) string {
	d.t.Helper()
	limit := time.After(patience)
	for {
		select {
		case line, ok := <-d.lines:
			d.printed = append(d.printed, line)
			if rest, found := strings.CutPrefix(line, prefix); found {
				return rest
			}
			if !ok {
				d.t.Fatalf("upkeep ended before it said %q: %s", prefix, d.in.said())
			}
		case <-limit:
			d.t.Fatalf("upkeep did not say %q: %s", prefix, d.in.said())
		}
	}
}

// end waits for the end, which must be a good one, and for what upkeep says at it.
func (d *daemon) end(says string) {
	d.t.Helper()
	d.expect(says)
	limit := time.After(patience)
	for open := true; open; {
		select {
		case _, open = <-d.lines:
		case <-limit:
			d.t.Fatalf("upkeep did not end: %s", d.in.said())
		}
	}
	<-d.ended
	if status := d.cmd.ProcessState.ExitCode(); status != 0 {
		d.t.Errorf("upkeep ended with status %d, want 0: %s", status, d.in.said())
	}
}

// terminate ends upkeep as a service manager does. Its services run on.
func (d *daemon) terminate() {
	d.t.Helper()
	d.send(syscall.SIGTERM)
	d.end("upkeep stops; services run on and are taken over by the next start.")
}

// crash ends upkeep, daemon and keeper, without a chance to do anything about it.
func (d *daemon) crash() {
	d.t.Helper()
	if err := rig.Crash(d.in.data); err != nil {
		d.t.Fatal(err)
	}
	<-d.ended
}

func (d *daemon) send(sig syscall.Signal) {
	d.t.Helper()
	if err := d.cmd.Process.Signal(sig); err != nil {
		d.t.Fatal(err)
	}
}

// press types a key into the terminal.
func (d *daemon) press(key string) {
	d.t.Helper()
	if _, err := d.terminal.WriteString(key); err != nil {
		d.t.Fatal(err)
	}
}

// ctrlC is what the key sends to a terminal, which turns it into SIGINT.
const ctrlC = "\x03"

// kill is for the end of a test, whether upkeep has ended or not.
func (d *daemon) kill() {
	if err := rig.Crash(d.in.data); err != nil { // ended already is as good
		d.t.Error(err)
	}
	for range d.lines {
	}
	<-d.ended
}

// browser opens a browser on the panel.
func (d *daemon) browser() *htmltest.Client {
	d.t.Helper()
	return htmltest.Open(d.t, d.address)
}
