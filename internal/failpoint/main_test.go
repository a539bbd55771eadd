package failpoint_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"upkeep/internal/rig"
)

// bin is a folder with upkeep and upkeep-helper as the tag makes them, and the service of the tests. Any Unix user can
// run them.
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
	if bin, err = os.MkdirTemp("", "upkeep-failpoint-bin"); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(bin)) }()
	if err := errors.Join(os.Chmod(bin, 0o711), rig.Build(bin, "failpoint"), buildChild()); err != nil {
		return 0, err
	}
	// Each world waits most of the time.
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

func buildChild() error {
	cmd := exec.Command("go", "build", "-o", filepath.Join(bin, "child"), "./testdata/child")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the service of the tests: %w: %s", err, out)
	}
	return nil
}
