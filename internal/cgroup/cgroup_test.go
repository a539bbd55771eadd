package cgroup

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestFindRefusesNames(t *testing.T) {
	for _, name := range []string{"", "a/b", "..", "a.b", "a\nb"} {
		if _, err := Find(name); err == nil || errors.Is(err, ErrUnavailable) {
			t.Errorf("Find(%q) = %v, want an error about the name", name, err)
		}
	}
}

func TestFindTwice(t *testing.T) {
	first := tree(t)
	instance := strings.TrimPrefix(first.base[strings.LastIndex(first.base, "/")+1:], "upkeep-")
	second, err := Find(instance)
	if err != nil || second.Base() != first.Base() {
		t.Errorf("second Find = %v, %v; want the same tree %s", second, err, first.Base())
	}
}

func TestCloseLeavesRuns(t *testing.T) {
	tr := tree(t)
	path := newRun(t, tr, 1)
	cmd := startIn(t, path, "sleep", "1000")
	if err := tr.Close(); err != nil || !exists(path) {
		t.Errorf("Close with a run: %v, run exists: %v", err, exists(path))
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := RemoveAfter(path, time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := tr.Close(); err != nil || exists(tr.Base()) {
		t.Errorf("Close without a run: %v, tree exists: %v", err, exists(tr.Base()))
	}
}

// Somebody without a delegated group learns that, in words.
func TestFindNotPermitted(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can become another user to try it")
	}
	program, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	cmd := exec.Command("/proc/self/fd/3") // the path itself leads through a directory of root's
	cmd.ExtraFiles = []*os.File{program}
	cmd.Env = []string{"CGROUP_TEST_FIND=not-permitted"}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got := string(out); !strings.HasPrefix(got, "true ") {
		t.Errorf("Find as nobody does not wrap ErrUnavailable: %s", got)
	}
}

// Sweep takes what is empty, at any depth, and leaves what something lives in.
func TestSweep(t *testing.T) {
	tr := tree(t)
	empty, err := tr.Create("ann", "run", 1)
	if err != nil {
		t.Fatal(err)
	}
	lived, err := tr.Create("bob", "run", 2)
	if err != nil {
		t.Fatal(err)
	}
	mkdir(t, mkdir(t, empty, "made"), "by-the-service")
	startIn(t, lived, "sleep", "1000")
	tr.Sweep()
	if exists(filepath.Join(tr.Base(), "ann")) {
		t.Error("the empty account stays")
	}
	if !populated(t, lived) {
		t.Error("the populated group is gone")
	}
}

// RemoveAfter waits for the last process to leave, and not for ever.
func TestRemoveAfter(t *testing.T) {
	path := newRun(t, tree(t), 1)
	cmd := startIn(t, path, "sleep", "1000")
	if err := RemoveAfter(path, 0); !errors.Is(err, ErrPopulated) {
		t.Errorf("while it lives: got %v, want %v", err, ErrPopulated)
	}
	done := make(chan error)
	go func() { done <- RemoveAfter(path, time.Minute) }()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil || exists(path) {
		t.Errorf("after its death: got %v, exists %v", err, exists(path))
	}
}
