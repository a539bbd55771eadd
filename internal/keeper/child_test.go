package keeper

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A first daemon that fails ends the keeper, with the status that a shell without a keeper would see.
func TestFirstDaemonFails(t *testing.T) {
	for plan, want := range map[string]int{"exit 1": 1, "exit 7": 7, "exit 0": 0} {
		if got := startIn(t, t.TempDir(), plan).status(); got != want {
			t.Errorf("plan %q: keeper ends with %d, want %d", plan, got, want)
		}
	}
	r := &run{t: t, dir: t.TempDir()}
	r.start(exec.Command(os.Args[0], VerbKeep, r.dir, "/does/not/exist", r.dir))
	if got := r.status(); got != startFailed {
		t.Errorf("no daemon: keeper ends with %d, want %d", got, startFailed)
	}
	if exists(filepath.Join(r.dir, socketName)) {
		t.Error("the keeper has left its socket behind")
	}
}

// Each signal that asks the keeper for its end ends the daemon well, and then the keeper; and so does each that
// reaches the daemon itself.
func TestAskedToEnd(t *testing.T) {
	for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGHUP} {
		for _, whom := range []string{"keeper", "daemon"} {
			t.Run(whom+" gets "+unix.SignalName(sig), func(t *testing.T) {
				r := start(t, "serve")
				pid := r.ready(0)
				if whom == "keeper" {
					pid = r.cmd.Process.Pid
				}
				must(t, unix.Kill(pid, sig))
				if got := r.status(); got != 0 {
					t.Errorf("keeper ends with %d, want 0", got)
				}
				if n := len(r.starts()); n != 1 {
					t.Errorf("daemons started: %d, want 1", n)
				}
			})
		}
	}
}

// A keeper that learns at once that its daemon has ended and that it has said goodbye believes both, whichever it
// looks at first.
func TestGoodbyeAndEndAtOnce(t *testing.T) {
	for range 20 {
		r := start(t, "serve")
		pid := r.ready(0)
		keeper := r.cmd.Process.Pid
		freeze(t, keeper)
		must(t, unix.Kill(pid, unix.SIGTERM))
		eventually(t, "the daemon has ended", func() bool {
			stat, err := os.ReadFile("/proc/" + itoa(pid) + "/stat")
			return err == nil && strings.Contains(string(stat), ") Z ")
		})
		must(t, unix.Kill(keeper, unix.SIGCONT))
		if got := r.status(); got != 0 {
			t.Errorf("keeper ends with %d, want 0", got)
		}
		if n := len(r.starts()); n != 1 {
			t.Fatalf("daemons started: %d, want 1", n)
		}
	}
}

// A daemon that is so young that it does not listen to signals yet dies of them, which is no failure.
func TestDaemonAskedToEndTooEarly(t *testing.T) {
	r := start(t, "serve")
	r.ready(0)
	r.plan("plan", "unready")
	must(t, unix.Kill(r.number("daemon"), unix.SIGKILL))
	eventually(t, "the next one has begun", func() bool { return len(r.starts()) == 2 })
	must(t, unix.Kill(r.starts()[1].pid, unix.SIGTERM))
	if got := r.status(); got != 128+int(unix.SIGTERM) {
		t.Errorf("keeper ends with %d, want %d", got, 128+int(unix.SIGTERM))
	}
}

// Between two daemons, the keeper itself ends when asked to; in a terminal by the same key as ever.
func TestAskedToEndWithoutADaemon(t *testing.T) {
	for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGHUP} {
		r := &run{t: t, dir: t.TempDir()}
		r.plan("plan", "serve")
		cmd := exec.Command(os.Args[0], VerbKeep, r.dir, os.Args[0], r.dir)
		if sig == unix.SIGINT { // as in the foreground of a terminal
			openTerminal(t, cmd)
		}
		r.start(cmd)
		r.ready(0)
		r.plan("plan", "exit 3")
		must(t, unix.Kill(r.number("daemon"), unix.SIGKILL))
		eventually(t, "there is no daemon", func() bool {
			return r.value("state") == "down" && len(r.starts()) > 1
		})
		must(t, r.cmd.Process.Signal(sig))
		if got := r.status(); got != 0 && got != 3 { // 3: the signal came when there was one for a moment
			t.Errorf("%v: keeper ends with %d, want 0", sig, got)
		}
	}
}

// openTerminal makes a terminal that cmd controls.
func openTerminal(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	must(t, err)
	t.Cleanup(func() { keyboard.Close() })
	fd := int(keyboard.Fd())
	must(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	must(t, err)
	screen, err := os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|unix.O_NOCTTY, 0)
	must(t, err)
	t.Cleanup(func() { screen.Close() })
	cmd.Stdin = screen
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true, Setctty: true}
}

// A daemon that was killed is back at once, however often; one that breaks down is started again ever more slowly.
func TestDelays(t *testing.T) {
	r := start(t, "serve")
	pid := r.ready(0)
	for range 5 {
		must(t, unix.Kill(pid, unix.SIGKILL))
		pid = r.ready(pid)
	}
	if n := strings.Count(r.log(), "started again in"); n != 0 {
		t.Errorf("delays after SIGKILL: %d, want none", n)
	}
	r.plan("plan", "crash")
	must(t, unix.Kill(pid, unix.SIGKILL))
	want := []string{"20ms", "40ms", "40ms"}
	eventually(t, "the delays grow", func() bool { return strings.Count(r.log(), "started again in") >= len(want) })
	var got []string
	for line := range strings.Lines(r.log()) {
		if _, delay, ok := strings.Cut(line, "started again in "); ok {
			got = append(got, strings.TrimSpace(delay))
		}
	}
	if strings.Join(got[:3], " ") != strings.Join(want, " ") {
		t.Errorf("delays: %v, want %v", got, want)
	}
}

func TestDefaultDelays(t *testing.T) {
	want := []time.Duration{0, 1, 2, 4, 8, 16, 30}
	got := defaultTimes().delays
	for i := range want {
		if len(got) != len(want) || got[i] != want[i]*time.Second {
			t.Fatalf("delays: %v, want %v seconds", got, want)
		}
	}
}

// The number of descriptors does not grow with the number of daemons.
func TestDescriptorsStayConstant(t *testing.T) {
	r := start(t, "serve")
	pid := r.ready(0)
	settle := func() int {
		pid = r.ready(pid)
		return openFDs(t, r.cmd.Process.Pid)
	}
	must(t, unix.Kill(pid, unix.SIGKILL))
	before := settle()
	rounds := 500
	if testing.Short() {
		rounds = 50
	}
	for range rounds {
		must(t, unix.Kill(pid, unix.SIGKILL))
		pid = r.ready(pid)
	}
	eventually(t, "as many descriptors as before", func() bool { return openFDs(t, r.cmd.Process.Pid) <= before })
}

// binary is another name of the daemon's, with a plan of its own.
func (r *run) binary(name, plan string) string {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	must(r.t, os.Symlink(os.Args[0], path))
	r.plan("plan-"+name, plan)
	return path
}

func TestUpgrade(t *testing.T) {
	r := start(t, "serve")
	former := r.ready(0)
	next := r.binary("next", "serve")
	must(t, Upgrade(patient(t), r.dir, next))
	pid := r.number("daemon")
	if pid == former || r.value("binary") != next {
		t.Errorf("daemon %d is %s, want another than %d, and %s", pid, r.value("binary"), former, next)
	}
	// The new one is what is started from now on.
	must(t, unix.Kill(pid, unix.SIGKILL))
	r.ready(pid)
	if got := r.starts()[2].name; got != "next" {
		t.Errorf("after a kill, %s was started, want next", got)
	}

	for name, plan := range map[string]string{"fails": "exit 9", "hangs": "unready", "deaf": "deaf"} {
		path := r.binary(name, plan)
		n := len(r.starts())
		err := Upgrade(patient(t), r.dir, path)
		if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "goes on") {
			t.Errorf("upgrade to one that %s: %v, want that the former one goes on", name, err)
		}
		if got := r.value("binary"); got != next || r.value("state") != "ready" {
			t.Errorf("after one that %s: %s is %s, want %s to be ready", name, got, r.value("state"), next)
		}
		if got := len(r.starts()) - n; got != 2 {
			t.Errorf("after one that %s: %d daemons were started, want that one and the former", name, got)
		}
	}
	text := filepath.Join(r.dir, "text")
	must(t, os.WriteFile(text, []byte("no program"), 0o755))
	if err := Upgrade(patient(t), r.dir, text); err == nil || !strings.Contains(err.Error(), unix.ENOEXEC.Error()) {
		t.Errorf("upgrade to what is no program: %v, want %v", err, unix.ENOEXEC)
	}
	r.ready(0)
	pid = r.number("daemon")
	for _, path := range []string{"relative", "/does/not/exist", "/etc/passwd", ""} {
		if err := Upgrade(patient(t), r.dir, path); err == nil || !strings.Contains(err.Error(), "cannot execute") {
			t.Errorf("upgrade to %q: %v, want a refusal", path, err)
		}
	}
	if got := r.number("daemon"); got != pid {
		t.Errorf("refused upgrades have replaced the daemon %d by %d", pid, got)
	}
}

// When neither the new nor the former one comes up, the former one is tried again.
func TestUpgradeThatEndsBadly(t *testing.T) {
	r := start(t, "serve")
	r.ready(0)
	r.plan("plan", "exit 4")
	err := Upgrade(patient(t), r.dir, r.binary("next", "exit 9"))
	if err == nil || !strings.Contains(err.Error(), "tried again") {
		t.Errorf("upgrade: %v, want that the former one is tried again", err)
	}
	r.plan("plan", "serve")
	r.ready(0)
	if got := r.starts(); got[len(got)-1].name == "next" {
		t.Error("the new one was started again")
	}
}

// A daemon that does not make room is ended by force.
func TestUpgradeOfAStubbornDaemon(t *testing.T) {
	r := start(t, "stubborn")
	r.ready(0)
	must(t, Upgrade(patient(t), r.dir, r.binary("next", "serve")))
	if got := r.starts(); len(got) != 2 || got[1].name != "next" {
		t.Errorf("daemons started: %v, want next behind the first", got)
	}
}

func TestUpgradesAtOnce(t *testing.T) {
	r := start(t, "serve")
	r.ready(0)
	paths := []string{r.binary("a", "serve"), r.binary("b", "serve"), r.binary("c", "serve")}
	errs := make([]error, len(paths))
	var group sync.WaitGroup
	for i, path := range paths {
		group.Go(func() { errs[i] = Upgrade(patient(t), r.dir, path) })
	}
	group.Wait()
	good := 0
	for _, err := range errs {
		if err == nil {
			good++
		} else if !strings.Contains(err.Error(), "another upgrade is under way") {
			t.Errorf("upgrade: %v", err)
		}
	}
	if good == 0 || len(r.starts()) != 1+good {
		t.Errorf("%d upgrades were good, and %d daemons started", good, len(r.starts()))
	}
}

// An upgrade mends a daemon that does not start any more.
func TestUpgradeBetweenTwoDaemons(t *testing.T) {
	r := start(t, "serve")
	r.ready(0)
	r.plan("plan", "exit 3")
	must(t, unix.Kill(r.number("daemon"), unix.SIGKILL))
	eventually(t, "it breaks down", func() bool { return len(r.starts()) > 3 })
	must(t, Upgrade(patient(t), r.dir, r.binary("next", "serve")))
	r.ready(0)
	n := len(r.starts())
	time.Sleep(100 * time.Millisecond) // a timer that was forgotten would start another daemon by now
	if got := len(r.starts()); got != n {
		t.Errorf("%d more daemons were started after the upgrade", got-n)
	}
}

// A keeper that is asked to end in the middle of an upgrade does so.
func TestEndDuringAnUpgrade(t *testing.T) {
	r := start(t, "serve")
	r.ready(0)
	outcome := make(chan error, 1)
	go func() { outcome <- Upgrade(patient(t), r.dir, r.binary("next", "idle")) }()
	eventually(t, "the new one has begun", func() bool { return len(r.starts()) == 2 })
	must(t, r.cmd.Process.Signal(unix.SIGTERM))
	r.status()
	if err := <-outcome; err == nil {
		t.Error("the upgrade succeeded, want an error")
	}
}

func TestStopAll(t *testing.T) {
	r := start(t, "serve")
	r.ready(0)
	must(t, StopAll(patient(t), r.dir))
	if got := r.status(); got != 0 {
		t.Errorf("keeper ends with %d, want 0", got)
	}

	r = start(t, "idle")
	if err := StopAll(patient(t), r.dir); err == nil || errors.Is(err, ErrNone) {
		t.Errorf("stop-all without a daemon: %v, want an error that says so", err)
	}
	r = start(t, "stubborn")
	r.ready(0)
	freeze(t, r.number("daemon"))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := StopAll(ctx, r.dir); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("stop-all of a daemon that stands still: %v, want %v", err, context.DeadlineExceeded)
	}
}

// The keeper asks to be spared when memory runs out. Services must not be, so neither is the daemon.
func TestProtectionIsTheKeepersAlone(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to be protected at all")
	}
	score := func(pid int) string {
		text, err := os.ReadFile("/proc/" + itoa(pid) + "/oom_score_adj")
		must(t, err)
		return strings.TrimSpace(string(text))
	}
	r := start(t, "serve")
	pid := r.ready(0)
	if score(r.cmd.Process.Pid) != "-900" {
		t.Skip("needs CAP_SYS_RESOURCE, to be protected at all")
	}
	for range 2 {
		if got, want := score(pid), score(os.Getpid()); got != want {
			t.Errorf("daemon: oom_score_adj %s, want %s, as the keeper's parent has", got, want)
		}
		must(t, unix.Kill(pid, unix.SIGKILL))
		pid = r.ready(pid)
	}
}
