package journey

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"upkeep/internal/rig"
)

// bin is a folder with upkeep and upkeep-helper beside each other, as they are installed. Any Unix user can run them.
var bin string

func TestMain(m *testing.M) {
	status, err := runTests(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

func runTests(m *testing.M) (status int, err error) {
	if missing() != "" {
		return m.Run(), nil // every test says what is missing
	}
	// Everything that is made for a moment, by Chromium as well, goes into one folder.
	dir, err := os.MkdirTemp("", "upkeep-journey")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, remove(dir)) }()
	bin = filepath.Join(dir, "bin")
	if err := errors.Join(os.Chmod(dir, 0o711), os.Mkdir(bin, 0o755), rig.Build(bin), os.Setenv("TMPDIR", dir)); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, theBrowser.close()) }()
	return m.Run(), nil
}

// remove takes a folder away. The last processes of Chromium may still be writing into it.
func remove(dir string) error {
	deadline := time.Now().Add(patience)
	for {
		err := os.RemoveAll(dir)
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// missing says what this machine lacks for the tests, and nothing when it has everything.
func missing() string {
	if browserPath() == "" {
		return "no Chromium is installed"
	}
	if err := exec.Command("perl", "-MIO::Socket::IP", "-e", "1").Run(); err != nil {
		return "perl with IO::Socket::IP is not installed"
	}
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		return "the machine has no IPv6: " + err.Error()
	}
	l.Close()
	return ""
}

// need skips a test on a machine that cannot run it.
func need(t *testing.T) {
	t.Helper()
	if what := missing(); what != "" {
		t.Skip(what)
	}
}

// patience bounds every wait. It is far more than anything takes, so that a busy machine fails no test.
const patience = 40 * time.Second

// eventually waits until something is so, and fails the test when it never is; instead says what is so in its place.
func eventually(t *testing.T, what string, done func() bool, instead func() string) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	again := time.NewTicker(25 * time.Millisecond)
	defer again.Stop()
	for {
		if done() {
			return
		}
		select {
		case <-again.C:
		case <-deadline.C:
			t.Fatalf("after %v still not so: %s; instead: %s", patience, what, instead())
		}
	}
}

// openDir returns a new folder that any Unix user can pass through, as the one above homes must be.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "host")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}
