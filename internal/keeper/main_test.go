package keeper

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The test binary plays all parts, so that the race detector sees what each does: with the verbs of the helper it is a
// keeper, and below a keeper it is a daemon.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) > 1 && (os.Args[1] == VerbKeep || os.Args[1] == VerbAdopt):
		os.Exit(keep(os.Args[1], os.Args[2:], shortTimes()))
	case len(os.Args) > 1 && os.Args[1] == strangerVerb:
		os.Exit(beStranger(os.Args[2]))
	case Below():
		os.Exit(beDaemon(os.Args[len(os.Args)-1]))
	}
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0"); err != nil { // a second at each end of a process
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// shortTimes are as different from each other as the real ones, and much shorter.
func shortTimes() times {
	return times{delays: []time.Duration{0, 20 * time.Millisecond, 40 * time.Millisecond}, good: time.Hour,
		stop: 300 * time.Millisecond, ready: 400 * time.Millisecond, leave: 10 * time.Second}
}

// beDaemon does what the file "plan" of the data directory says, or the one that bears the binary's name besides.
func beDaemon(dir string) int {
	interrupts := make(chan os.Signal, 4)
	signal.Notify(interrupts, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	plan, err := os.ReadFile(filepath.Join(dir, "plan-"+filepath.Base(os.Args[0])))
	if err != nil {
		plan, err = os.ReadFile(filepath.Join(dir, "plan"))
	}
	if err != nil {
		return 99
	}
	word, arg, _ := strings.Cut(string(plan), " ")
	if word == "unready" { // as in its first moments
		signal.Reset()
	}
	noteStart(dir)
	switch word {
	case "unready":
		select {}
	case "exit":
		code, _ := strconv.Atoi(arg)
		return code
	case "idle": // never joins
		return idle(dir, interrupts)
	case "deaf": // never joins nor ends
		for range interrupts {
		}
	}
	c, err := Join(dir, os.Args[0], slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 98
	}
	if word == "crash" { // takes over, and breaks down
		c.Ready()
		return 5
	}
	return serveAsPlanned(c, word, interrupts)
}

// idle makes an orphan at each SIGUSR1.
func idle(dir string, interrupts <-chan os.Signal) int {
	orders := make(chan os.Signal, 4)
	signal.Notify(orders, syscall.SIGUSR1)
	must := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	must(os.WriteFile(filepath.Join(dir, "idle"), nil, 0o600))
	for n := 0; ; n++ {
		select {
		case <-interrupts:
			return 0
		case <-orders:
			must(exec.Command("sh", "-c", `sh "$0/orphan-$1" & echo $! >> "$0/orphans"`, dir, itoa(n)).Run())
		}
	}
}

// serveAsPlanned takes over and ends as a daemon does; "stubborn" does not when another binary wants its place.
func serveAsPlanned(c *Client, word string, interrupts <-chan os.Signal) int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go c.Beat(ctx)
	c.Ready()
	for {
		select {
		case <-interrupts:
			c.Leave()
			return 0
		case <-c.StopAll():
			c.Leave()
			return 0
		case <-c.Replaced():
			if word != "stubborn" {
				return 0
			}
		}
	}
}

func noteStart(dir string) {
	f, err := os.OpenFile(filepath.Join(dir, "starts"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	fmt.Fprintf(f, "%d %s %d\n", os.Getpid(), filepath.Base(os.Args[0]), time.Now().UnixNano())
}

// run is a keeper with its data directory.
type run struct {
	t     testing.TB
	dir   string
	cmd   *exec.Cmd
	ended chan struct{}
}

// start starts a keeper over a daemon that follows the plan.
func start(t testing.TB, plan string) *run {
	t.Helper()
	return startIn(t, t.TempDir(), plan)
}

func startIn(t testing.TB, dir, plan string) *run {
	t.Helper()
	r := &run{t: t, dir: dir}
	r.plan("plan", plan)
	r.start(exec.Command(os.Args[0], VerbKeep, dir, os.Args[0], dir))
	eventually(t, "the daemon begins", func() bool { return len(r.starts()) > 0 }) // so that end knows it
	return r
}

// start starts the keeper, and makes sure that nothing of it outlives the test.
func (r *run) start(cmd *exec.Cmd) {
	r.t.Helper()
	r.cmd, r.ended = cmd, make(chan struct{})
	if cmd.Stderr == nil {
		cmd.Stderr = os.Stderr
	}
	must(r.t, cmd.Start())
	r.t.Cleanup(r.end)
	ended := r.ended
	go func() {
		defer close(ended)
		_ = cmd.Wait() // its status is asked of ProcessState
	}()
	eventually(r.t, "the keeper listens or has ended", func() bool {
		select {
		case <-ended:
			return true
		default:
		}
		socket, err := connect(r.dir)
		if err == nil {
			unix.Close(socket)
		}
		return err == nil
	})
}

// end kills the keeper, who would start another daemon, and then every daemon, which would start another keeper.
func (r *run) end() {
	for _, s := range r.starts() {
		if isOwn(s.pid, r.dir) {
			_ = unix.Kill(s.pid, unix.SIGSTOP) // gone already is as good
		}
	}
	_ = r.cmd.Process.Kill()
	<-r.ended
	for _, s := range r.starts() {
		killOwn(s.pid, r.dir)
	}
	if text, err := os.ReadFile(filepath.Join(r.dir, LockFile)); err == nil { // of a keeper that a daemon has started
		pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
		killOwn(pid, r.dir)
	}
}

// killOwn kills a process whose command line names the directory, and waits for its end.
func killOwn(pid int, dir string) {
	for isOwn(pid, dir) {
		_ = unix.Kill(pid, unix.SIGKILL) // gone already is as good
		time.Sleep(time.Millisecond)
	}
}

// freeze stops a process, and returns when it stands still.
func freeze(t testing.TB, pid int) {
	t.Helper()
	must(t, unix.Kill(pid, unix.SIGSTOP))
	eventually(t, "the process stands still", func() bool {
		tasks, err := filepath.Glob("/proc/" + itoa(pid) + "/task/*/stat")
		must(t, err)
		for _, path := range tasks {
			stat, err := os.ReadFile(path)
			if _, rest, _ := strings.Cut(string(stat), ") "); err == nil && !strings.HasPrefix(rest, "T") {
				return false
			}
		}
		return len(tasks) > 0
	})
}

func isOwn(pid int, dir string) bool {
	line, err := os.ReadFile("/proc/" + itoa(pid) + "/cmdline")
	return pid > 1 && err == nil && strings.Contains(string(line), dir)
}

func (r *run) plan(name, text string) {
	r.t.Helper()
	must(r.t, os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o600))
}

// status waits for the end of the keeper and returns its exit status.
func (r *run) status() int {
	r.t.Helper()
	select {
	case <-r.ended:
	case <-time.After(patience):
		r.t.Fatalf("the keeper does not end: %s", r.log())
	}
	return r.cmd.ProcessState.ExitCode()
}

func (r *run) log() string {
	text, _ := os.ReadFile(filepath.Join(r.dir, "keeper.log")) // only to explain a failure
	return string(text)
}

// begun is a daemon that was started.
type begun struct {
	pid  int
	name string
	at   time.Time
}

func (r *run) starts() (all []begun) {
	text, _ := os.ReadFile(filepath.Join(r.dir, "starts")) // missing: none yet
	for line := range strings.Lines(string(text)) {
		var s begun
		var nanos int64
		if n, _ := fmt.Sscan(line, &s.pid, &s.name, &nanos); n == 3 {
			s.at = time.Unix(0, nanos)
			all = append(all, s)
		}
	}
	return all
}

// value is one of those that [Status] tells.
func (r *run) value(key string) string {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	values, err := Status(ctx, r.dir)
	if err != nil {
		return err.Error()
	}
	return values[key]
}

func (r *run) number(key string) int {
	n, _ := strconv.Atoi(r.value(key))
	return n
}

// ready waits until a daemon has taken over that is not the former one, and returns its PID.
func (r *run) ready(former int) (pid int) {
	r.t.Helper()
	eventually(r.t, "a daemon is ready", func() bool {
		pid = r.number("daemon")
		return r.value("state") == "ready" && pid != former && pid != 0
	})
	return pid
}

// join makes the test process the daemon.
func (r *run) join() *Client {
	r.t.Helper()
	c, err := Join(r.dir, os.Args[0], slog.New(slog.DiscardHandler))
	must(r.t, err)
	r.t.Cleanup(func() { die(c) })
	return c
}

// die lets go of the keeper as a process that is killed does.
func die(c *Client) {
	c.mu.Lock()
	c.leaving = true // no new keeper
	gone := c.gone
	if c.socket >= 0 {
		_ = unix.Shutdown(c.socket, unix.SHUT_RDWR) // gone already is as good
	}
	c.mu.Unlock()
	<-gone
}

// descriptors counts the open descriptors of a process.
func openFDs(t testing.TB, pid int) int {
	t.Helper()
	names, err := os.ReadDir("/proc/" + itoa(pid) + "/fd")
	must(t, err)
	return len(names)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// patience bounds every wait. It is only ever used up by a test that fails.
const patience = 30 * time.Second

func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// patient is a context that ends after patience.
func patient(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}
