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
)

// server is a running "upkeep serve".
type server struct {
	t        *testing.T
	cmd      *exec.Cmd
	stderr   string // path
	terminal *os.File
	lines    chan string // of the standard output
	ended    chan struct{}

	address string
}

// serve starts the panel and returns once it says that it is ready.
func (in *installation) serve(args ...string) *server {
	in.t.Helper()
	return in.start(in.command(append([]string{"serve"}, args...)...), nil)
}

// serveInTerminal does the same in a terminal of its own.
func (in *installation) serveInTerminal(args ...string) *server {
	in.t.Helper()
	keyboard, screen := openTerminal(in.t)
	cmd := in.command(append([]string{"serve"}, args...)...)
	cmd.Stdin = screen
	cmd.SysProcAttr.Setsid, cmd.SysProcAttr.Setctty = true, true
	s := in.start(cmd, keyboard)
	if err := screen.Close(); err != nil {
		in.t.Fatal(err)
	}
	return s
}

func (in *installation) start(cmd *exec.Cmd, keyboard *os.File) *server {
	in.t.Helper()
	s := &server{t: in.t, cmd: cmd, terminal: keyboard, stderr: filepath.Join(in.dir, "stderr"),
		lines: make(chan string, 100), ended: make(chan struct{})}
	stderr, err := os.OpenFile(s.stderr, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
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
	in.t.Cleanup(s.kill)
	go func() {
		defer close(s.ended)
		// A service that held the standard output of upkeep would keep this loop, and the test, from ending.
		for scanner := bufio.NewScanner(stdout); scanner.Scan(); {
			s.lines <- scanner.Text()
		}
		close(s.lines)
		_ = cmd.Wait() // its status is asked of ProcessState
	}()
	s.address = s.expect("upkeep is ready: ")
	return s
}

// expect waits for a line of the standard output and returns what follows the prefix.
func (s *server) expect(prefix string) string {
	s.t.Helper()
	limit := time.After(patience)
	for {
		select {
		case line, ok := <-s.lines:
			if rest, found := strings.CutPrefix(line, prefix); found {
				return rest
			}
			if !ok {
				s.t.Fatalf("upkeep ended before it said %q: %s", prefix, s.said())
			}
		case <-limit:
			s.t.Fatalf("upkeep did not say %q: %s", prefix, s.said())
		}
	}
}

// said is what upkeep wrote to its standard error.
func (s *server) said() string {
	text, err := os.ReadFile(s.stderr)
	if err != nil {
		s.t.Error(err)
	}
	return string(text)
}

// end waits for the end after a signal or a key, and returns everything that was printed and not yet expected.
func (s *server) end() (printed string, status int) {
	s.t.Helper()
	var text strings.Builder
	limit := time.After(patience)
	for {
		select {
		case line, ok := <-s.lines:
			if ok {
				text.WriteString(line + "\n")
				continue
			}
			<-s.ended
			return text.String(), s.cmd.ProcessState.ExitCode()
		case <-limit:
			s.t.Fatalf("upkeep did not end; it printed %q: %s", text.String(), s.said())
		}
	}
}

// signal sends a signal and waits for the end.
func (s *server) signal(sig syscall.Signal) (printed string, status int) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
	return s.end()
}

// press types a key into the terminal.
func (s *server) press(key string) {
	s.t.Helper()
	if _, err := s.terminal.WriteString(key); err != nil {
		s.t.Fatal(err)
	}
}

// ctrlC is what the key sends to a terminal, which turns it into SIGINT.
const ctrlC = "\x03"

// kill is for the end of a test that has not ended the server.
func (s *server) kill() {
	_ = s.cmd.Process.Kill() // ended already is as good
	for range s.lines {
	}
	<-s.ended
	if strings.Contains(s.said(), "DATA RACE") {
		s.t.Errorf("upkeep has a data race: %s", s.said())
	}
	if s.t.Failed() {
		s.t.Logf("standard error of upkeep: %s", s.said())
	}
}

// browser opens a browser on the panel.
func (s *server) browser() *htmltest.Client {
	s.t.Helper()
	return htmltest.Open(s.t, s.address)
}

// wantEnd waits for the end and checks what upkeep says at it.
func (s *server) wantEnd(printed string, status int) func(wantText string) {
	return func(wantText string) {
		s.t.Helper()
		if status != 0 || !strings.Contains(printed, wantText) {
			s.t.Errorf("upkeep ended with status %d and printed %q, want 0 and %q", status, printed, wantText)
		}
	}
}
