package cgroup

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
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
	if err := tr.Close(); err != nil || !exists(path) {
		t.Errorf("Close with a run: %v, run exists: %v", err, exists(path))
	}
	if err := Remove(path); err != nil {
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
