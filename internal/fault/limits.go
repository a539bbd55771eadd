package fault

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Threads is a limit of processes and threads around a running process: a control group of the v1 controller pids.
type Threads struct {
	t   testing.TB
	dir string
}

// ConfineThreads puts running processes into such a group, without a limit yet. After the test they are moved back and
// the group removed. It skips the test where there is no such controller.
func ConfineThreads(t testing.TB, pids ...int) *Threads {
	t.Helper()
	const hierarchy = "/sys/fs/cgroup/pids"
	dir, err := os.MkdirTemp(hierarchy, "upkeep-fault-")
	if err != nil {
		t.Skip("needs root, and the pids controller of cgroup v1: ", err)
	}
	g := &Threads{t, dir}
	t.Cleanup(func() {
		g.Lift()
		err := os.Remove(dir)
		for round := 0; errors.Is(err, unix.EBUSY) && round < 100; round++ { // what is moved may have forked meanwhile
			g.write(hierarchy, "cgroup.procs", g.read("cgroup.procs"))
			err = os.Remove(dir)
		}
		if err != nil {
			t.Error(err)
		}
	})
	for _, pid := range pids {
		g.write(dir, "cgroup.procs", strconv.Itoa(pid))
	}
	return g
}

// Leave lets so many more threads be made than there are now. A negative number takes room away that is in use, which
// ends nobody.
func (g *Threads) Leave(more int) {
	g.t.Helper()
	now, err := strconv.Atoi(strings.TrimSpace(g.read("pids.current")))
	if err != nil {
		g.t.Fatal(err)
	}
	g.write(g.dir, "pids.max", strconv.Itoa(max(now+more, 0)))
}

// Lift takes the limit away.
func (g *Threads) Lift() {
	g.t.Helper()
	g.write(g.dir, "pids.max", "max")
}

// Refused is how often the limit has been met.
func (g *Threads) Refused() int {
	g.t.Helper()
	var n int
	if _, err := fmt.Sscanf(g.read("pids.events"), "max %d", &n); err != nil {
		g.t.Fatal(err)
	}
	return n
}

func (g *Threads) read(file string) string {
	g.t.Helper()
	text, err := os.ReadFile(filepath.Join(g.dir, file))
	if err != nil {
		g.t.Fatal(err)
	}
	return string(text)
}

// write writes line by line, as the kernel wants it.
func (g *Threads) write(dir, file, text string) {
	g.t.Helper()
	for line := range strings.Lines(text) {
		err := os.WriteFile(filepath.Join(dir, file), []byte(line), 0)
		if err != nil && !strings.Contains(err.Error(), unix.ESRCH.Error()) { // it has ended meanwhile
			g.t.Fatal(err)
		}
	}
}

// Descriptors sets the soft limit of open descriptors of a running process so that it can open so many more and then
// none. The function that it returns puts back what was before.
func Descriptors(t testing.TB, pid, more int) (restore func()) {
	t.Helper()
	limit := numberOf(pid, more)
	// What it has open only for a moment leaves room again: so the least of many looks counts.
	for range 50 {
		time.Sleep(10 * time.Millisecond)
		limit = min(limit, numberOf(pid, more))
	}
	var old unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &old); err != nil {
		t.Skip("may not change the limits of another process: ", err)
	}
	low := unix.Rlimit{Cur: uint64(limit), Max: old.Max}
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &low, nil); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &old, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// numberOf is the number that a process's next descriptor will have, after so many more: the kernel gives the lowest
// that is free.
func numberOf(pid, more int) int {
	for n := 0; ; n++ {
		if _, err := os.Lstat(fmt.Sprintf("/proc/%d/fd/%d", pid, n)); err == nil {
			continue
		}
		if more == 0 {
			return n
		}
		more--
	}
}
