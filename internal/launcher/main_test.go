package launcher

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// helper is the path of upkeep-helper as it is shipped, without cgo.
var helper string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "upkeep-launcher-")
	if err == nil {
		defer os.RemoveAll(dir)
		err = os.Chmod(dir, 0o755) // also for the users that programs run as
	}
	if err == nil {
		helper, err = buildHelper(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func buildHelper(dir string) (string, error) {
	path := filepath.Join(dir, "upkeep-helper")
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", path, "upkeep/cmd/upkeep-helper")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the helper: %w\n%s", err, out)
	}
	return path, nil
}
