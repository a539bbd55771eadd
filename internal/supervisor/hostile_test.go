package supervisor

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"upkeep/internal/panel"
)

// outside makes a folder outside of the home that only root may enter, with a program in it.
func (s *site) outside() string {
	s.t.Helper()
	if os.Geteuid() != 0 {
		s.t.Skip("needs root: what only root may use")
	}
	dir := filepath.Join(s.dir, "outside")
	check(s.t, os.Mkdir(dir, 0o700))
	check(s.t, os.WriteFile(filepath.Join(dir, "program"), []byte("#!/bin/sh\nexec sleep 1000\n"), 0o700))
	return dir
}

// own gives a file of the home to the account.
func (s *site) own(path string) string {
	s.t.Helper()
	who, err := lookUp(s.account)
	check(s.t, err)
	check(s.t, os.Lchown(path, who.cred.UID, who.cred.GID))
	return path
}

// Whatever stands in the place of the working directory, or of the program: upkeep's own rights open no way to it, a
// start does not hang, and what stands there is told.
func TestHostileDefinition(t *testing.T) {
	s := newSite(t, plan{policy: once()})
	home, outside := s.account.Home, s.outside()
	in := func(name string) string { return filepath.Join(home, name) }
	check(t, os.Symlink(outside, in("link")))
	check(t, os.Symlink(outside+"/program", in("linked")))
	check(t, os.Symlink("loop", in("loop")))
	check(t, os.Mkdir(in("closed"), 0))
	s.own(in("closed"))
	check(t, unix.Mkfifo(in("fifo"), 0o777))
	check(t, os.Chmod(in("fifo"), 0o777))
	s.own(in("fifo"))
	check(t, unix.Mknod(in("device"), unix.S_IFCHR|0o777, int(unix.Mkdev(1, 5)))) // as /dev/zero
	check(t, os.Chmod(in("device"), 0o777))
	check(t, os.WriteFile(in("roots"), []byte("#!/bin/sh\nexec sleep 1000\n"), 0o700))
	s.script("interpreted", "")
	check(t, os.WriteFile(in("interpreted"), []byte("#!"+in("fifo")+"\n"), 0o755))
	for i, c := range []struct {
		name      string
		command   string
		directory string
		step      panel.Step
		errno     syscall.Errno
		detail    string
	}{
		{"directory is a link to what only root may enter", "sleep 1000", "link", panel.StepDirectory, unix.EACCES, in("link")},
		{"directory is a link to itself", "sleep 1000", "loop", panel.StepDirectory, unix.ELOOP, in("loop")},
		{"directory is closed", "sleep 1000", "closed", panel.StepDirectory, unix.EACCES, in("closed")},
		{"directory is a FIFO", "sleep 1000", "fifo", panel.StepDirectory, unix.ENOTDIR, in("fifo")},
		{"directory is a device", "sleep 1000", "device", panel.StepDirectory, unix.ENOTDIR, in("device")},
		{"directory above the home", "sleep 1000", "../outside", panel.StepDirectory, unix.EACCES, outside},
		{"program is a link to root's", "./linked", "", panel.StepLookup, unix.EACCES, "./linked"},
		{"program is root's", "./roots", "", panel.StepLookup, unix.EACCES, "./roots"},
		{"program is a FIFO", "./fifo", "", panel.StepLookup, unix.EACCES, "./fifo"},
		{"program is a device", "./device", "", panel.StepLookup, unix.EACCES, "./device"},
		{"program is a folder", "./closed", "", panel.StepLookup, unix.EACCES, "./closed"},
		{"interpreter is a FIFO", "./interpreted", "", panel.StepExecute, unix.EACCES, "./interpreted"},
	} {
		id := s.add(fmt.Sprint("hostile-", i), c.command, inDirectory(c.directory))
		st := s.awaitState(id, panel.Disabled)
		want := panel.Exit{Kind: panel.EndNotRun, Step: c.step, Errno: int(c.errno), Detail: c.detail, Run: 1, At: st.LastExit.At}
		if *st.LastExit != want {
			t.Errorf("%s: %+v, want %+v", c.name, *st.LastExit, want)
		}
	}
}

// A program that would run as root, by its mode, runs as the account like any other.
func TestSetUserProgram(t *testing.T) {
	s := newSite(t, plan{})
	s.outside() // needs root
	sleep, err := os.ReadFile("/bin/sleep")
	check(t, err)
	path := filepath.Join(s.account.Home, "root")
	check(t, os.WriteFile(path, sleep, 0o755))
	check(t, unix.Chmod(path, 0o6755))
	pid := s.awaitState(s.add("root", "./root 1000"), panel.Running).PID
	who, err := lookUp(s.account)
	check(t, err)
	got := statusOf(t, pid)
	for name, want := range map[string]string{
		"Uid": fmt.Sprintf("%d %[1]d %[1]d %[1]d", who.cred.UID), "Gid": fmt.Sprintf("%d %[1]d %[1]d %[1]d", who.cred.GID),
		"CapEff": "0000000000000000", "NoNewPrivs": "1",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
}

// The working directory is now a folder, now a link to what only root may enter, at any moment of a start.
func TestDirectorySwapped(t *testing.T) {
	s := newSite(t, plan{})
	outside := s.outside()
	app, link := filepath.Join(s.account.Home, "app"), filepath.Join(s.account.Home, "link")
	check(t, os.Mkdir(app, 0o755))
	check(t, os.Symlink(outside, link))
	var end atomic.Bool
	swapped := make(chan struct{})
	go func() {
		defer close(swapped)
		for swaps := 0; !end.Load() || swaps%2 == 1; swaps++ {
			if err := unix.Renameat2(unix.AT_FDCWD, app, unix.AT_FDCWD, link, unix.RENAME_EXCHANGE); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	defer func() { end.Store(true); <-swapped }()
	id := s.add("pwd", "sh -c 'pwd -P >> ../where; exit 0'", inDirectory("app"))
	seen := map[panel.Step]int{}
	for i := range 40 {
		st := s.await(id, "over", func(st panel.Status) bool {
			return st.Run > i && (st.State == panel.Backoff || st.State == panel.Disabled || st.State == panel.Running)
		})
		if st.State == panel.Disabled || st.State == panel.Backoff {
			if e := st.LastExit; e.Kind == panel.EndNotRun {
				if e.Step != panel.StepDirectory || e.Errno != int(unix.EACCES) && e.Errno != int(unix.ELOOP) {
					t.Errorf("exit %+v", *e)
				}
				seen[e.Step]++
			}
			check(t, s.Start(t.Context(), id, ann))
		}
	}
	s.pause(id)
	for _, line := range strings.Fields(s.read("where")) {
		// The folder may have its other name by the time it asks.
		if line != app && line != link {
			t.Errorf("the program was executed in %s", line)
		}
	}
	t.Logf("executed %d times, refused %v", strings.Count(s.read("where"), "\n"), seen)
}

// What a customer puts into the environment of the program reaches nothing that runs before it with upkeep's rights.
func TestEnvironmentOfTheLauncher(t *testing.T) {
	s := newSite(t, plan{})
	first := s.add("first", "sleep 1000", withEnvironment("LD_PRELOAD=/nowhere.so\nGODEBUG=inittrace=1\nGOTRACEBACK=system\nMALLOC_CHECK_=3"))
	s.awaitState(first, panel.Running)
	s.awaitSpare()
	spares := s.host.(*realHost).spares
	spares.mu.Lock()
	pid := spares.ready[0].PID
	spares.mu.Unlock()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	check(t, err)
	got := strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00")
	if want := []string{"GOMAXPROCS=1", "GOGC=off"}; !slices.Equal(got, want) {
		t.Errorf("environment %q, want %q", got, want)
	}
	// The program itself has it, as asked.
	if !strings.Contains(s.log("first"), "/nowhere.so") {
		eventually(t, "the program's loader complains", func() bool { return strings.Contains(s.log("first"), "/nowhere.so") })
	}
}

// The home goes away: nothing runs outside of it, its output is kept, the page tells, and all is well once it is back.
func TestHomeGoesAndComesBack(t *testing.T) {
	policy := quick()
	policy.BudgetLimit = 1000
	s := newSite(t, plan{policy: policy})
	if os.Geteuid() != 0 {
		t.Skip("needs root: the home of an account of its own")
	}
	id := s.add("ticker", s.script("ticker", "echo here; exec sleep 1000"))
	pid := s.awaitState(id, panel.Running).PID
	away := s.account.Home + ".away"
	check(t, os.Rename(s.account.Home, away))
	send(t, pid, unix.SIGKILL)
	st := s.await(id, "without its directory", func(st panel.Status) bool {
		return st.LastExit != nil && st.LastExit.Kind == panel.EndNotRun && st.LogTrouble != ""
	})
	if e := st.LastExit; e.Step != panel.StepDirectory || e.Errno != int(unix.ENOENT) || e.Detail != s.account.Home {
		t.Errorf("exit %+v", *e)
	}
	if want := "The home folder is missing; output goes to upkeep's own folder until it is there again."; st.LogTrouble != want {
		t.Errorf("trouble %q, want %q", st.LogTrouble, want)
	}
	if _, err := os.Lstat(s.account.Home); err == nil {
		t.Error("upkeep has made a home")
	}
	check(t, os.Rename(away, s.account.Home))
	s.await(id, "well again", func(st panel.Status) bool { return st.State == panel.Running && st.LogTrouble == "" })
	eventually(t, "the log goes on", func() bool { return strings.Count(s.log("ticker"), "here\n") == 2 })
}

// A program opens its standard output anew, as programs do that were made for a terminal.
func TestStandardOutputReopened(t *testing.T) {
	onEachRung(t, func(t *testing.T, p plan) {
		p.policy = once()
		s := newSite(t, p)
		id := s.add("again", s.script("again", `echo a > /dev/stdout
echo b >> /dev/stderr
echo c > /proc/self/fd/1
exec > /dev/stdout
echo d
echo e | tee /dev/stderr > /dev/null`))
		s.awaitState(id, panel.Disabled)
		eventually(t, "the end is in the log", func() bool { return strings.Contains(s.log("again"), "run 1 ended: exit status 0") })
		_, got, _ := strings.Cut(s.log("again"), "\n")
		if got, _, _ = strings.Cut(got, "upkeep: "); got != "a\nb\nc\nd\ne\n" {
			t.Errorf("log %q", got)
		}
	})
}
