package cgroup

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the test binary ask, as another user, whether control groups can be used.
func TestMain(m *testing.M) {
	if instance := os.Getenv("CGROUP_TEST_FIND"); instance != "" {
		_, err := Find(instance)
		fmt.Println(errors.Is(err, ErrUnavailable), err)
		os.Exit(0)
	}
	if controller := os.Getenv("CGROUP_TEST_DELEGATE"); controller != "" {
		tellDelegated(controller)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// tree returns a tree of its own for a test, which leaves nothing behind.
func tree(tb testing.TB) *Tree {
	tb.Helper()
	instance := strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(tb.Name()))
	t, err := Find(fmt.Sprintf("%s-%d", instance, os.Getpid()))
	if errors.Is(err, ErrUnavailable) {
		tb.Skip("needs control groups that this process may change: ", err)
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { clean(tb, t) })
	return t
}

func clean(tb testing.TB, t *Tree) {
	if err := Kill(t.base); err != nil {
		tb.Error(err)
	}
	eventually(tb, "tree is empty", func() bool { return !populated(tb, t.base) })
	if err := removeTree(t.base); err != nil {
		tb.Error(err)
	}
}

func newRun(tb testing.TB, t *Tree, run int) string {
	tb.Helper()
	path, err := t.Create("account", "service", run)
	if err != nil {
		tb.Fatal(err)
	}
	return path
}

// startIn clones a program into a group. It is reaped at the end of the test.
func startIn(tb testing.TB, path string, argv ...string) *exec.Cmd {
	tb.Helper()
	dir, err := os.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer dir.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, UseCgroupFD: true, CgroupFD: int(dir.Fd())}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = cmd.Process.Kill() // most have ended before
		_ = cmd.Wait()         // of SIGKILL
	})
	return cmd
}

// startTree puts a shell and its two children, one of them in another session and deaf to SIGTERM, into a group.
func startTree(tb testing.TB, path string) {
	tb.Helper()
	startIn(tb, path, "sh", "-c", `sleep 60 & setsid sh -c 'trap "" TERM; sleep 60' & wait`)
	eventually(tb, "all of the tree run", func() bool { return len(processes(tb, path)) == 4 })
}

func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatal("waited in vain until ", what)
		}
	}
}

func populated(tb testing.TB, path string) bool {
	tb.Helper()
	yes, err := Populated(path)
	if err != nil {
		tb.Fatal(err)
	}
	return yes
}

func processes(tb testing.TB, path string) []int {
	tb.Helper()
	pids, err := Processes(path)
	if err != nil {
		tb.Fatal(err)
	}
	return pids
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func mkdir(tb testing.TB, elem ...string) string {
	tb.Helper()
	path := filepath.Join(elem...)
	if err := os.Mkdir(path, 0o755); err != nil {
		tb.Fatal(err)
	}
	return path
}

// isFrozen reports whether everything in the group stands still. A missing group is not frozen.
func isFrozen(path string) (bool, error) {
	value, err := field(path, "cgroup.events", "frozen")
	return value == 1, err
}
