package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"upkeep/internal/fault"
	"upkeep/internal/rig"
)

// bin is a folder with upkeep and upkeep-helper as "make build" makes them. Any Unix user can run them.
var bin string

// watched is the path of another upkeep: the test binary itself, so that the race detector sees what it does. It
// serves; commands are run with the first, which starts ten times as fast.
var watched string

func TestMain(m *testing.M) {
	fault.Main()
	if filepath.Base(os.Args[0]) == "upkeep" {
		main()
	}
	status, err := runTests(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

func runTests(m *testing.M) (status int, err error) {
	dir, err := os.MkdirTemp("", "upkeep-bin")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	bin, watched = dir, filepath.Join(dir, "watched", "upkeep")
	if err := errors.Join(os.Chmod(dir, 0o711), install()); err != nil {
		return 0, err
	}
	if err := os.Setenv("PATH", dir+string(filepath.ListSeparator)+os.Getenv("PATH")); err != nil {
		return 0, err
	}
	// A race detector that found nothing would wait for a second at each end of a command.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0"); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

func install() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Dir(watched), 0o711); err != nil {
		return err
	}
	if err := linkOrCopy(self, watched); err != nil {
		return err
	}
	return rig.Build(bin)
}

// linkOrCopy copies only across file systems: with the race detector the binary has 100 MB.
func linkOrCopy(from, to string) error {
	if os.Link(from, to) == nil {
		return nil
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// openDir returns a new folder that any Unix user can pass through, as the one above homes must be.
func openDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "upkeep-test")
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
