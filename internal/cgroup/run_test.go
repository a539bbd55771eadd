package cgroup

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestCreateAndRemove(t *testing.T) {
	tr := tree(t)
	path := newRun(t, tr, 7)
	if want := filepath.Join(tr.Base(), "account", "service", "7"); path != want {
		t.Fatalf("path %s, want %s", path, want)
	}
	if populated(t, path) || processes(t, path) != nil {
		t.Error("a new group is not empty")
	}
	other := newRun(t, tr, 8)
	if err := Remove(path); err != nil {
		t.Fatal(err)
	}
	if exists(path) || !exists(other) {
		t.Error("Remove did not take away exactly its run")
	}
	if err := errors.Join(Remove(other), Remove(other)); err != nil {
		t.Fatal(err)
	}
	if exists(filepath.Join(tr.Base(), "account")) || !exists(tr.Base()) {
		t.Error("the account's directory stays, or the tree is gone")
	}
}

func TestCreateRefusesNames(t *testing.T) {
	tr := tree(t)
	for _, name := range []string{"", ".", "..", "a/b", "a.b"} {
		if _, err := tr.Create(name, "service", 1); err == nil {
			t.Errorf("account %q accepted", name)
		}
		if _, err := tr.Create("account", name, 1); err == nil {
			t.Errorf("service %q accepted", name)
		}
	}
}

func TestCreateReplacesEmpty(t *testing.T) {
	tr := tree(t)
	path := newRun(t, tr, 1)
	mkdir(t, path, "made-by-the-service")
	before := inode(t, path)
	if again := newRun(t, tr, 1); again != path {
		t.Fatalf("second path %s", again)
	}
	if inode(t, path) == before {
		t.Error("the same directory was used again")
	}
}

func TestPopulatedIsKept(t *testing.T) {
	tr := tree(t)
	path := newRun(t, tr, 1)
	inner := mkdir(t, path, "inner")
	cmd := startIn(t, inner, "sleep", "60")
	if _, err := tr.Create("account", "service", 1); !errors.Is(err, ErrPopulated) {
		t.Errorf("Create on a populated group: %v", err)
	}
	if err := Remove(path); !errors.Is(err, ErrPopulated) {
		t.Errorf("Remove of a populated group: %v", err)
	}
	if pids := processes(t, path); len(pids) != 1 || pids[0] != cmd.Process.Pid {
		t.Errorf("processes %v, want the one of the inner group, %d", pids, cmd.Process.Pid)
	}
}

// Two runs of one service end and begin at the same time, as when a service is restarted while the former run is
// being cleaned up.
func TestCreateAgainstRemove(t *testing.T) {
	tr := tree(t)
	var wg sync.WaitGroup
	for run := range 2 {
		wg.Go(func() {
			for range 300 {
				path, err := tr.Create("account", "service", run)
				if err == nil {
					err = Remove(path)
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// The kernel kills what is cloned into a group that was killed before. So another run never gets the path of a
// killed one, and the same run gets a new directory.
func TestKilledGroupIsNotUsedAgain(t *testing.T) {
	tr := tree(t)
	first := newRun(t, tr, 1)
	if !survives(t, first) {
		t.Skip("this process lives in a group that was killed once: whatever it clones into another group dies")
	}
	if err := Kill(first); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the killed group is empty", func() bool { return !populated(t, first) })
	t.Logf("a process cloned into the killed group survives: %v", survives(t, first))

	second := newRun(t, tr, 2)
	if second == first {
		t.Fatal("another run has the path of the killed one")
	}
	if !survives(t, second) {
		t.Error("a process cloned into the next run's group was killed")
	}
	killed := inode(t, first)
	if newRun(t, tr, 1); inode(t, first) == killed {
		t.Error("the killed directory was used again")
	}
	if !survives(t, first) {
		t.Error("a process cloned into the group made again was killed")
	}
}

// survives reports whether a process can be cloned into the group and run to its end.
func survives(t *testing.T, path string) bool {
	t.Helper()
	cmd := startIn(t, path, "sh", "-c", "exit 3")
	_ = cmd.Wait() // of exit 3, or of SIGKILL: the status says which
	eventually(t, "the group is empty again", func() bool { return !populated(t, path) })
	return cmd.ProcessState.ExitCode() == 3
}

func inode(t *testing.T, path string) uint64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Ino
}

func TestMissingGroup(t *testing.T) {
	path := filepath.Join(tree(t).Base(), "missing")
	if yes, err := Populated(path); yes || err != nil {
		t.Errorf("Populated = %v, %v", yes, err)
	}
	if yes, err := isFrozen(path); yes || err != nil {
		t.Errorf("Frozen = %v, %v", yes, err)
	}
	if pids, err := Processes(path); pids != nil || err != nil {
		t.Errorf("Processes = %v, %v", pids, err)
	}
	if used, err := CPU(path); used != 0 || err != nil {
		t.Errorf("CPU = %v, %v", used, err)
	}
	if err := errors.Join(Kill(path), Thaw(path), Remove(path)); err != nil {
		t.Error(err)
	}
}

func TestCPU(t *testing.T) {
	tr := tree(t)
	path := newRun(t, tr, 1)
	startIn(t, path, "sh", "-c", "while :; do :; done")
	eventually(t, "the loop used 50 ms", func() bool {
		used, err := CPU(path)
		if err != nil {
			t.Fatal(err)
		}
		return used > 50*time.Millisecond
	})
}

func TestExists(t *testing.T) {
	path := newRun(t, tree(t), 1)
	for path, want := range map[string]bool{path: true, path + "/none": false, t.TempDir(): false, "": false} {
		if got := Exists(path); got != want {
			t.Errorf("%q exists: %v, want %v", path, got, want)
		}
	}
	if err := Remove(path); err != nil {
		t.Fatal(err)
	}
	if Exists(path) {
		t.Error("a removed group exists")
	}
}
