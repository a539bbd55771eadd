package supervisor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"upkeep/internal/panel"
)

func TestRunAndPause(t *testing.T) {
	onEachRung(t, func(t *testing.T, p plan) {
		s := newSite(t, p)
		id := s.add("ticker", s.script("ticker", "echo hello\nexec sleep 1000"))
		st := s.awaitState(id, panel.Running)
		if got := s.members(id); !slices.Equal(got, []int{st.PID}) {
			t.Errorf("members %v, want %d", got, st.PID)
		}
		identity, _ := s.Identity(id)
		if identity.PID != st.PID || (identity.Cgroup != "") != s.usesGroups() {
			t.Errorf("identity %+v", identity)
		}
		eventually(t, "the output is in the log", func() bool { return strings.Contains(s.log("ticker"), "hello") })
		s.pause(id)
		s.expectNothing()
		if st := s.status(id); st.State != panel.Paused || st.PID != 0 || !st.LastExit.Asked || st.LastExit.Signal != 15 {
			t.Errorf("status %+v, exit %+v", st, st.LastExit)
		}
		want := []panel.EventKind{panel.EventCreated, panel.EventStarted, panel.EventPaused, panel.EventEnded}
		if got := s.kinds(id); !slices.Equal(got, want) {
			t.Errorf("history %v, want %v", got, want)
		}
		eventually(t, "the end is in the log", func() bool { return strings.Contains(s.log("ticker"), "run 1 ended: ") })
		if got := s.log("ticker"); !strings.HasPrefix(got, fmt.Sprintf("upkeep: run 1 started, pid %d\nhello\n", st.PID)) {
			t.Errorf("log %q", got)
		}
	})
}

// TestRealExits compares how real programs end with what is said of it. One failure disables, so each runs once.
func TestRealExits(t *testing.T) {
	s := newSite(t, plan{policy: once()})
	for i, c := range []struct {
		script string
		want   panel.Exit
	}{
		{"exit 0", panel.Exit{Kind: panel.EndExited}},
		{"exit 1", panel.Exit{Kind: panel.EndExited, Code: 1}},
		{"exit 143", panel.Exit{Kind: panel.EndExited, Code: 143}},
		{"exit 255", panel.Exit{Kind: panel.EndExited, Code: 255}},
		{"kill -TERM $$", panel.Exit{Kind: panel.EndSignaled, Signal: 15}},
		{"kill -KILL $$", panel.Exit{Kind: panel.EndSignaled, Signal: 9}},
		{"kill -SEGV $$", panel.Exit{Kind: panel.EndSignaled, Signal: 11}},
		{"kill -HUP $$", panel.Exit{Kind: panel.EndSignaled, Signal: 1}},
		{"sleep 0.1; exit 3", panel.Exit{Kind: panel.EndExited, Code: 3}}, // after its start period
	} {
		id := s.add(fmt.Sprint("exit-", i), s.script(fmt.Sprint("exit-", i), c.script))
		st := s.awaitState(id, panel.Disabled)
		c.want.Run, c.want.At, c.want.Uptime = 1, st.LastExit.At, st.LastExit.Uptime
		if *st.LastExit != c.want || st.LastExit.Uptime <= 0 {
			t.Errorf("%s: %+v, want %+v", c.script, *st.LastExit, c.want)
		}
	}
}

func TestRealFailures(t *testing.T) {
	s := newSite(t, plan{policy: once()})
	home := s.account.Home
	put := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(home, name)
		check(t, os.WriteFile(path, []byte(text), mode))
		return path
	}
	plain := put("plain", "#!/bin/sh\n", 0o644)
	garbage := put("garbage", "neither a script nor a program", 0o755)
	lost := put("lost", "#!/nowhere/interpreter\n", 0o755)
	windows := put("windows", "#!/bin/sh\r\necho\r\n", 0o755)
	big := withEnvironment("BIG=" + strings.Repeat("x", 60_000))
	for i, c := range []struct {
		name    string
		command string
		change  func(*panel.Service)
		step    panel.Step
		errno   syscall.Errno
		detail  string
	}{
		{"no directory", "sleep 1000", inDirectory("a/b"), panel.StepDirectory, unix.ENOENT, home + "/a/b"},
		{"a file as directory", "sleep 1000", inDirectory("plain"), panel.StepDirectory, unix.ENOTDIR, plain},
		{"no program", "no-such-program 1", nil, panel.StepLookup, unix.ENOENT, "no-such-program"},
		{"no file", "./none", nil, panel.StepLookup, unix.ENOENT, "./none"},
		{"not executable", plain, nil, panel.StepLookup, unix.EACCES, plain},
		{"neither script nor program", garbage, nil, panel.StepExecute, unix.ENOEXEC, garbage},
		{"no interpreter", lost, nil, panel.StepExecute, unix.ENOENT, lost},
		{"Windows line ends", windows, nil, panel.StepExecute, unix.ENOENT, windows},
		{"an argument of 180 kB", "/bin/echo $BIG$BIG$BIG", big, panel.StepExecute, unix.E2BIG, "/bin/echo"},
		{"an argument of 1.2 MB", "/bin/echo" + " " + strings.Repeat("$BIG", 20), big, panel.StepExecute, unix.E2BIG, "/bin/echo"},
	} {
		if c.change == nil {
			c.change = func(*panel.Service) {}
		}
		id := s.add(fmt.Sprint("failure-", i), c.command, c.change)
		st := s.awaitState(id, panel.Disabled)
		want := panel.Exit{Kind: panel.EndNotRun, Step: c.step, Errno: int(c.errno), Detail: c.detail, Run: 1, At: st.LastExit.At}
		if *st.LastExit != want {
			t.Errorf("%s: %+v, want %+v", c.name, *st.LastExit, want)
		}
		eventually(t, c.name+" is stored and logged", func() bool {
			runs, err := s.store.Runs(t.Context(), id, 10)
			return err == nil && len(runs) == 1 && runs[0].End != nil &&
				strings.Contains(s.log(fmt.Sprint("failure-", i)), "run 1 could not start: ")
		})
	}
}

// The host's own faults say what is wrong and use no budget.
func TestRealHostFaults(t *testing.T) {
	for _, c := range []struct {
		name, user, detail string
	}{
		{"no such Unix user", "upkeep-no-such-user", "unknown user"},
		{"root", "root", errRoot.Error()},
	} {
		t.Run(c.name, func(t *testing.T) {
			if os.Geteuid() != 0 {
				t.Skip("without root every service runs as the one who started upkeep")
			}
			s := newSite(t, plan{policy: once(), user: c.user})
			id := s.add("never", s.script("never", "echo > started; exec sleep 1000"))
			st := s.awaitState(id, panel.Backoff)
			if e := st.LastExit; !e.Host || e.Step != panel.StepUser || !strings.Contains(e.Detail, c.detail) || st.Failures != 0 {
				t.Errorf("status %+v, exit %+v", st, e)
			}
			if s.read("started") != "" {
				t.Error("the program was executed")
			}
		})
	}
}

// A program that dies again and again is disabled, whether it dies at once or after it was called running.
func TestRealCrashLoop(t *testing.T) {
	for name, text := range map[string]string{"at once": "exit 1", "running for a while": "sleep 0.06; exit 1"} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, plan{})
			id := s.add("crash", s.script("crash", "echo $RUN_ID >> runs\n"+text))
			st := s.awaitState(id, panel.Disabled)
			if st.Run != 10 || st.Failures != 10 || st.LastExit.Code != 1 {
				t.Errorf("status %+v, exit %+v", st, st.LastExit)
			}
			runs := strings.Fields(s.read("runs"))
			if n := len(slices.Compact(slices.Clone(runs))); len(runs) != 10 || n != 10 {
				t.Errorf("runs %v, want ten different ones", runs)
			}
			eventually(t, "it is stored", func() bool {
				svc, err := s.store.ServiceByID(t.Context(), id)
				return err == nil && svc.Wanted == panel.WantedDisabled
			})
		})
	}
}

// A helper that has vanished, as in the middle of an upgrade, is the host's fault, and over as soon as it is back.
func TestHelperVanishes(t *testing.T) {
	helper := filepath.Join(t.TempDir(), "helper")
	copyHelper := func() {
		text, err := os.ReadFile(helperPath)
		check(t, err)
		check(t, os.WriteFile(helper+"~", text, 0o755))
		check(t, os.Rename(helper+"~", helper))
	}
	copyHelper()
	s := newSite(t, plan{policy: once(), helper: helper})
	first := s.add("first", "sleep 1000")
	s.awaitState(first, panel.Running)
	s.awaitSpare()
	check(t, os.Remove(helper))
	// What was started in advance still serves.
	var last panel.Status
	var ids []panel.ServiceID
	for i := range 2 {
		ids = append(ids, s.add(fmt.Sprint("sleep-", i), "sleep 1000"))
		last = s.await(ids[i], "settled", func(st panel.Status) bool { return st.State == panel.Running || st.State == panel.Backoff })
	}
	if e := last.LastExit; last.State != panel.Backoff || !e.Host || e.Step != panel.StepFork || e.Errno != int(unix.ENOENT) {
		t.Errorf("status %+v, exit %+v", last, e)
	}
	copyHelper()
	s.awaitState(ids[1], panel.Running)
	for _, id := range append(ids, first) {
		s.pause(id)
	}
	eventually(t, "only groups of launchers that wait are left", func() bool { return len(s.strayGroups()) == 0 })
}

// deaf is a Journal that cannot store the beginning of some runs.
type deaf struct {
	Journal
	runs int // up to this number
}

func (d deaf) BeginRun(ctx context.Context, r panel.RunStart) error {
	if r.Number <= d.runs {
		return fmt.Errorf("begin run: %w", unix.ENOSPC)
	}
	return d.Journal.BeginRun(ctx, r)
}

// What cannot be stored is not started: the next upkeep would not know of it.
func TestNothingRunsUnrecorded(t *testing.T) {
	s := newSite(t, plan{policy: once(), journal: func(j Journal) Journal { return deaf{j, 1} }})
	id := s.add("count", s.script("count", "echo $RUN_ID >> runs; exec sleep 1000"))
	st := s.awaitState(id, panel.Backoff)
	if e := st.LastExit; !e.Host || e.Step != panel.StepRecord || e.Errno != int(unix.ENOSPC) {
		t.Errorf("exit %+v", e)
	}
	if st := s.awaitState(id, panel.Running); st.Run != 2 {
		t.Errorf("run %d", st.Run)
	}
	eventually(t, "it has started", func() bool { return s.read("runs") != "" })
	if got := strings.Fields(s.read("runs")); len(got) != 1 {
		t.Errorf("runs %v, want one", got)
	}
	s.pause(id)
	eventually(t, "only groups of launchers that wait are left", func() bool { return len(s.strayGroups()) == 0 })
}
