package supervisor

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"upkeep/internal/fault"
	"upkeep/internal/process"
)

// reapedTell is set when a pidfd tells the exit status of a process that was reaped.
var reapedTell bool

// helperPath is upkeep-helper as it is shipped, without cgo.
var helperPath string

func TestMain(m *testing.M) {
	fault.Main()
	if pid := os.Getenv(tracerVariable); pid != "" {
		os.Exit(beTracer(pid))
	}
	if text := os.Getenv(daemonVariable); text != "" {
		os.Exit(beDaemon(text))
	}
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "upkeep-supervisor-")
	if err == nil {
		defer os.RemoveAll(dir)
		helperPath, err = buildHelper(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if reapedTell, err = askReaped(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func askReaped() (bool, error) {
	fd := -1
	cmd := exec.Command("true")
	cmd.SysProcAttr = &syscall.SysProcAttr{PidFD: &fd}
	if err := cmd.Run(); err != nil {
		return false, err
	}
	defer unix.Close(fd)
	_, known := process.ExitStatus(fd, cmd.Process.Pid)
	return known, nil
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
