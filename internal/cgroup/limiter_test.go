package cgroup

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"upkeep/internal/panel"
)

var (
	testAccount = panel.Limits{Memory: 512 << 20, CPUPercent: 150, Processes: 100}
	testService = panel.Limits{Memory: 256 << 20, CPUWeight: 50, CPUPercent: 400, Processes: 50}
)

// limiter makes one that keeps limits by v1 hierarchies, and leaves nothing behind.
func limiter(t *testing.T, tr *Tree) *Limiter {
	t.Helper()
	l, err := NewLimiter(instanceOf(tr), tr, testAccount, testService)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, base := range Trees(l.instance) {
			if base != tr.base {
				if err := removeTree(base); err != nil {
					t.Error(err)
				}
			}
		}
	})
	if l.Enforcement().Rung != panel.RungV1 {
		t.Skip("needs controllers in v1 hierarchies: ", l.Enforcement().Sentence())
	}
	return l
}

func instanceOf(tr *Tree) string { return strings.TrimPrefix(filepath.Base(tr.base), "upkeep-") }

// value is what stands in a file of the group of the controller.
func value(t *testing.T, l *Limiter, g Group, controller, file string) string {
	t.Helper()
	for i, h := range l.v1 {
		for _, name := range h.controllers {
			if name == controller {
				text, err := os.ReadFile(filepath.Join(g.dirs()[i], file))
				if err != nil {
					t.Fatal(err)
				}
				return strings.TrimSpace(string(text))
			}
		}
	}
	t.Skip("there is no v1 hierarchy of the controller ", controller)
	return ""
}

// above is the group two levels up: that of the account.
func (g Group) above() Group {
	return Group{limiter: g.limiter, name: filepath.Dir(filepath.Dir(g.name))}
}

func TestLimiterCreate(t *testing.T) {
	l := limiter(t, tree(t))
	g, err := l.Create("ann", "run", 7)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		group                  Group
		controller, file, want string
	}{
		{g, memoryController, "memory.limit_in_bytes", "268435456"},
		{g, pidsController, "pids.max", "50"},
		{g, cpuController, "cpu.shares", "512"},
		{g, cpuController, "cpu.cfs_quota_us", "150000"}, // not above that of the account
		{g.above(), memoryController, "memory.limit_in_bytes", "536870912"},
		{g.above(), pidsController, "pids.max", "100"},
		{g.above(), cpuController, "cpu.shares", "1024"},
		{g.above(), cpuController, "cpu.cfs_quota_us", "150000"},
	} {
		if got := value(t, l, c.group, c.controller, c.file); got != c.want {
			t.Errorf("%s of %s is %s, want %s", c.file, c.group.name, got, c.want)
		}
	}
	l.Remove(g)
	l.removals.Wait()
	for _, dir := range g.dirs() {
		if exists(filepath.Dir(filepath.Dir(dir))) {
			t.Errorf("%s stays with its account", dir)
		}
	}
	// The account's group is a new one, and gets its limits again.
	again, err := l.Create("ann", "run", 8)
	if err != nil {
		t.Fatal(err)
	}
	if got := value(t, l, again.above(), pidsController, "pids.max"); got != "100" {
		t.Errorf("the second group of the account has the limit %s", got)
	}
	l.Remove(again)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if left := Trees(l.instance); len(left) > 1 {
		t.Errorf("%v are left", left)
	}
}

// joined starts a program inside a group, as the launcher does.
func joined(t *testing.T, g Group) *exec.Cmd {
	t.Helper()
	script := ""
	for _, file := range g.Joins() {
		script += "echo 0 > " + file + " && "
	}
	cmd := exec.Command("sh", "-c", script+"exec sleep 1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // most have ended before
		_ = cmd.Wait()         // of SIGKILL
	})
	eventually(t, "it has joined", func() bool {
		for _, file := range g.Joins() {
			if text, err := os.ReadFile(file); err != nil || len(text) == 0 {
				return false
			}
		}
		return true
	})
	return cmd
}

// A later limiter finds the group of a run that lives by its process, wherever it is, and of one that has ended by
// its name; it sweeps away what nothing lives in, and nothing else.
func TestLimiterTakesOver(t *testing.T) {
	tr := tree(t)
	before := limiter(t, tr)
	var groups []Group
	for run := range 3 {
		g, err := before.Create("ann", "run", run)
		if err != nil {
			t.Fatal(err)
		}
		groups = append(groups, g)
	}
	cmd := joined(t, groups[1])
	after := limiter(t, tr)
	if got := after.Of(cmd.Process.Pid, ""); !slices.Equal(got.dirs(), groups[1].dirs()) {
		t.Errorf("of the process: %+v, want %+v", got, groups[1])
	}
	if got := after.Of(os.Getpid(), filepath.Join(tr.base, "ann", "run", "2")); !slices.Equal(got.dirs(), groups[2].dirs()) {
		t.Errorf("by its name: %+v, want %+v", got, groups[2])
	}
	if got := after.Of(os.Getpid(), ""); got.dirs() != nil || got.OutOfMemory() {
		t.Errorf("of a run that has none: %+v", got)
	}
	fresh, err := after.Create("ann", "run", 9)
	if err != nil {
		t.Fatal(err)
	}
	after.Sweep()
	for i, want := range []bool{false, true, false} {
		if got := exists(groups[i].dirs()[0]); got != want {
			t.Errorf("group %d is there: %v, want %v", i, got, want)
		}
	}
	if !exists(fresh.dirs()[0]) {
		t.Error("a new group was swept away")
	}
	// What still lives is not removed, and tried again.
	after.Remove(groups[1])
	after.removals.Wait()
	if !exists(groups[1].dirs()[0]) {
		t.Error("a group with a process is gone")
	}
	if err := errors.Join(cmd.Process.Kill(), ignoreKilled(cmd.Wait())); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is removed with another one", func() bool {
		after.Remove(fresh)
		return !exists(groups[1].dirs()[0])
	})
}

// An upkeep may have lived in another group of a hierarchy: what it started keeps the groups that it made.
func TestLimiterFindsOtherTrees(t *testing.T) {
	tr := tree(t)
	l := limiter(t, tr)
	var dirs []string
	for _, h := range l.v1 {
		top := mkdir(t, h.dir, fmt.Sprintf("elsewhere-%d", os.Getpid()))
		t.Cleanup(func() {
			if err := removeTree(top); err != nil {
				t.Error(err)
			}
		})
		dirs = append(dirs, mkdir(t, mkdir(t, mkdir(t, mkdir(t, top, treeName(l.instance)), "ann"), "run"), "5"))
	}
	there := Group{limiter: l, elsewhere: dirs}
	cmd := joined(t, there)
	later := limiter(t, tr)
	if got := later.Of(cmd.Process.Pid, "/upkeep-x/ann/run/5"); !slices.Equal(got.dirs(), dirs) {
		t.Errorf("%v, want %v", got.dirs(), dirs)
	}
	later.Sweep()
	if !exists(dirs[0]) {
		t.Error("a group with a process is gone")
	}
	if err := errors.Join(cmd.Process.Kill(), ignoreKilled(cmd.Wait())); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the groups are gone with the run", func() bool {
		later.Remove(there)
		later.removals.Wait()
		return !slices.ContainsFunc(dirs, exists)
	})
}

func ignoreKilled(err error) error {
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return nil
	}
	return err
}

// Limits do not depend on a v2 hierarchy.
func TestLimiterWithoutV2(t *testing.T) {
	tr := tree(t)
	limiter(t, tr) // skips, and cleans up
	l, err := NewLimiter(instanceOf(tr), nil, testAccount, testService)
	if err != nil {
		t.Fatal(err)
	}
	g, err := l.Create("ann", "run", 1)
	if err != nil || len(g.Joins()) == 0 {
		t.Fatalf("%v, %v", g.Joins(), err)
	}
	if got := value(t, l, g, pidsController, "pids.max"); got != "50" {
		t.Errorf("pids.max is %s", got)
	}
	cmd := joined(t, g)
	if got := l.Of(cmd.Process.Pid, ""); !slices.Equal(got.dirs(), g.dirs()) {
		t.Errorf("by its process: %v, want %v", got.dirs(), g.dirs())
	}
	if err := errors.Join(cmd.Process.Kill(), ignoreKilled(cmd.Wait())); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is removed", func() bool {
		l.Remove(g)
		l.removals.Wait()
		return !exists(g.dirs()[0])
	})
}

// Nothing needs no groups.
func TestZeroLimiter(t *testing.T) {
	var l Limiter
	g, err := l.Create("ann", "run", 1)
	if err != nil || len(g.Joins()) > 0 || g.OutOfMemory() {
		t.Errorf("%+v, %v", g, err)
	}
	l.Remove(g)
	l.Sweep()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if e := l.Enforcement(); e.Memory || e.CPU || e.Processes {
		t.Errorf("%+v", e)
	}
}

// Joining is on the way of every start.
func BenchmarkLimiter(b *testing.B) {
	tr := tree(b)
	l, err := NewLimiter(instanceOf(tr), tr, testAccount, testService)
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	var create, remove time.Duration
	run := 0
	for b.Loop() {
		run++
		begun := time.Now()
		g, err := l.Create("ann", "run", run)
		if err != nil {
			b.Fatal(err)
		}
		made := time.Now()
		l.Remove(g)
		l.removals.Wait()
		create, remove = create+made.Sub(begun), remove+time.Since(made)
	}
	b.ReportMetric(float64(create.Microseconds())/float64(b.N), "µs/create")
	b.ReportMetric(float64(remove.Microseconds())/float64(b.N), "µs/remove")
}

// Whoever looks from outside sees what the limiter itself found.
func TestLook(t *testing.T) {
	l := limiter(t, tree(t))
	for _, pid := range []int{0, os.Getpid()} {
		got := Look(pid)
		got.PerUser = l.Enforcement().PerUser // which is the supervisor's to say
		if got != l.Enforcement() {
			t.Errorf("process %d: %+v, want %+v", pid, got, l.Enforcement())
		}
	}
	if got := Look(1 << 30); got.Memory || got.Rung != panel.RungProcess || got.Reason == "" {
		t.Errorf("of a process that is not there: %+v", got)
	}
}
