package logs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"upkeep/internal/drain"
	"upkeep/internal/fault"
	"upkeep/internal/keeper"
	"upkeep/internal/panel"
)

// playKept is a daemon below a keeper. Its arguments are the state directory and a home for each service, from 1 on.
// It captures until it is killed, and does not begin as long as there is a file "wait".
func playKept() {
	state := os.Args[1]
	fail := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	for exists(filepath.Join(state, "wait")) {
		time.Sleep(5 * time.Millisecond)
	}
	c, err := keeper.Join(state, os.Args[0], slog.New(slog.DiscardHandler))
	fail(err)
	l, err := New(Options{State: state, Keeper: c})
	fail(err)
	for i, home := range os.Args[2:] {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		fail(l.Attach(ctx, sourceIn(panel.ServiceID(i+1), home)))
		cancel()
	}
	go c.Beat(context.Background())
	c.Ready()
	fail(l.Run(context.Background()))
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// kept is a keeper, its daemon, and the writing ends of the services.
type kept struct {
	t      testing.TB
	state  string
	srcs   []Source
	w      []*os.File
	keeper *exec.Cmd
}

func startKept(t testing.TB, srcs ...Source) *kept {
	t.Helper()
	k := &kept{t: t, state: t.TempDir(), srcs: srcs}
	must(t, os.Mkdir(filepath.Join(k.state, "fifos"), 0o700))
	args := []string{keeper.VerbKeep, k.state, os.Args[0], k.state}
	for _, src := range srcs {
		fifo := filepath.Join(k.state, "fifos", strconv.Itoa(int(src.Service)))
		must(t, ensureFIFO(fifo, src))
		w, err := os.OpenFile(fifo, os.O_RDWR, 0)
		must(t, err)
		t.Cleanup(func() { w.Close() })
		k.w = append(k.w, w)
		args = append(args, src.Home)
	}
	k.keeper = exec.Command(os.Args[0], args...)
	k.keeper.Stderr = os.Stderr
	must(t, k.keeper.Start())
	t.Cleanup(k.end)
	k.ready(0)
	return k
}

// end ends both so that neither starts the other again.
func (k *kept) end() {
	pid := k.daemon()
	if pid > 0 {
		_ = unix.Kill(pid, unix.SIGSTOP) // gone already is as good
	}
	_ = k.keeper.Process.Kill()
	_ = k.keeper.Wait()
	eventually(k.t, "the daemon is gone", func() bool {
		line, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
		if pid <= 0 || err != nil || !strings.Contains(string(line), k.state) {
			return true
		}
		_ = unix.Kill(pid, unix.SIGKILL)
		return false
	})
}

func (k *kept) status() map[string]string {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	values, err := keeper.Status(ctx, k.state)
	if err != nil {
		return map[string]string{}
	}
	return values
}

func (k *kept) daemon() int {
	pid, _ := strconv.Atoi(k.status()["daemon"])
	return pid
}

// ready waits until a daemon other than the former one has taken over.
func (k *kept) ready(former int) (pid int) {
	k.t.Helper()
	eventually(k.t, "a daemon is ready", func() bool {
		pid = k.daemon()
		return pid != 0 && pid != former && k.status()["state"] == "ready"
	})
	return pid
}

// kill kills the daemon. The next one does not begin before resume.
func (k *kept) kill() (pid int) {
	k.t.Helper()
	must(k.t, os.WriteFile(filepath.Join(k.state, "wait"), nil, 0o600))
	pid = k.daemon()
	must(k.t, unix.Kill(pid, unix.SIGKILL))
	eventually(k.t, "the keeper moves output", func() bool { return k.status()["moving"] == "true" })
	return pid
}

func (k *kept) resume(former int) int {
	k.t.Helper()
	must(k.t, os.Remove(filepath.Join(k.state, "wait")))
	return k.ready(former)
}

func (k *kept) spill(service int) string {
	return filepath.Join(k.state, "logs", strconv.Itoa(service)+".log")
}

// A program writes as fast as it can while daemons are killed. Between two of them, the keeper moves its output.
func TestKeeperMovesBetweenDaemons(t *testing.T) {
	src := newSource(t, 1)
	k := startKept(t, src)
	writer := program(t, k.w[0], "endless")
	in, err := writer.StdinPipe()
	must(t, err)
	must(t, writer.Start())
	pid := k.daemon()
	for i := range 8 {
		if i%2 == 0 { // at once
			must(t, unix.Kill(pid, unix.SIGKILL))
			pid = k.ready(pid)
			continue
		}
		former := k.kill()
		before := size(src.path())
		eventually(t, "output moves on without a daemon", func() bool { return size(src.path()) > before+1<<20 })
		pid = k.resume(former)
		eventually(t, "the keeper leaves it to the daemon", func() bool { return k.status()["moving"] == "false" })
	}
	in.Close()
	must(t, writer.Wait())
	k.wantAll(src)
}

// wantAll waits for what was written last, and checks that each line is in the log once.
func (k *kept) wantAll(src Source) {
	k.t.Helper()
	write(k.t, k.w[0], "the end\n")
	const tail = "the end\n"
	eventually(k.t, "the last line is moved", func() bool {
		f, err := os.Open(src.path())
		if err != nil {
			return false
		}
		defer f.Close()
		b := make([]byte, len(tail))
		n, _ := f.ReadAt(b, max(0, size(src.path())-int64(len(tail))))
		return string(b[:n]) == tail
	})
	text := strings.TrimSuffix(read(k.t, src.path()), tail)
	wantNumbered(k.t, []byte(text), strings.Count(text, "\n"))
}

// A daemon that stands still is no dead one: both could move output when it goes on. None is lost or doubled.
func TestKeeperMovesForADaemonThatStandsStill(t *testing.T) {
	src := newSource(t, 1)
	k := startKept(t, src)
	lock, err := drain.Open(k.state)
	must(t, err)
	defer lock.Close()
	writer := program(t, k.w[0], "steady")
	in, err := writer.StdinPipe()
	must(t, err)
	must(t, writer.Start())
	pid := k.daemon()
	for range 2 {
		for { // until it stands still at a moment at which it does not move this service's output
			must(t, unix.Kill(pid, unix.SIGSTOP))
			if waitStopped(t, pid); lock.Try(1) {
				lock.Give(1)
				break
			}
			must(t, unix.Kill(pid, unix.SIGCONT))
		}
		before := size(src.path())
		eventually(t, "output moves on", func() bool { return size(src.path()) > before+2<<20 })
		must(t, unix.Kill(pid, unix.SIGCONT))
		eventually(t, "the keeper leaves it to the daemon", func() bool { return k.status()["moving"] == "false" })
	}
	in.Close()
	must(t, writer.Wait())
	k.wantAll(src)
	if got := k.daemon(); got != pid {
		t.Errorf("daemon %d, want still %d", got, pid)
	}
}

func waitStopped(t testing.TB, pid int) {
	t.Helper()
	eventually(t, "the process stands still", func() bool {
		tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		must(t, err)
		return !slices.ContainsFunc(tasks, func(path string) bool {
			stat, err := os.ReadFile(path)
			_, rest, _ := strings.Cut(string(stat), ") ")
			return err == nil && !strings.HasPrefix(rest, "T")
		})
	})
}

// A log file that was deleted is not written to: what comes meanwhile stands in upkeep's own file.
func TestKeeperAndADeletedLog(t *testing.T) {
	src := newSource(t, 1)
	k := startKept(t, src)
	write(t, k.w[0], "before\n")
	eventually(t, "it is moved", func() bool { return size(src.path()) > 0 })
	pid := k.kill()
	write(t, k.w[0], "by the keeper\n")
	eventually(t, "it is moved", func() bool { return size(src.path()) > int64(len("before\n")) })
	wantFile(t, src.path(), "before\nby the keeper\n")
	must(t, os.Remove(src.path()))
	write(t, k.w[0], "meanwhile\n")
	eventually(t, "it is moved", func() bool { return size(k.spill(1)) > 0 })
	wantFile(t, k.spill(1), "meanwhile\n")
	k.resume(pid)
	write(t, k.w[0], "after\n")
	eventually(t, "it is moved", func() bool { return size(src.path()) > 0 })
	wantFile(t, src.path(), "after\n")
}

// A link to the log would let somebody else's file grow.
func TestKeeperAndALinkedLog(t *testing.T) {
	src := newSource(t, 1)
	k := startKept(t, src)
	write(t, k.w[0], "before\n")
	eventually(t, "it is moved", func() bool { return size(src.path()) > 0 })
	k.kill()
	must(t, os.Link(src.path(), src.path()+".link"))
	write(t, k.w[0], "meanwhile\n")
	eventually(t, "it is moved", func() bool { return size(k.spill(1)) > 0 })
	wantFile(t, src.path(), "before\n")
	wantFile(t, k.spill(1), "meanwhile\n")
}

// What a full home does not take goes to upkeep's own file, byte for byte.
func TestKeeperAndAFullHome(t *testing.T) {
	src := newSource(t, 1)
	mountTemporary(t, src.Home, "size=128k,mode=755")
	give(t, src.Home)
	k := startKept(t, src)
	text := numbered(0, 30_000, false) // 390 KB
	write(t, k.w[0], text[:13])
	eventually(t, "the first line is moved", func() bool { return size(src.path()) == 13 })
	k.kill()
	write(t, k.w[0], text[13:])
	eventually(t, "everything is moved", func() bool { return size(src.path())+size(k.spill(1)) == int64(len(text)) })
	if home := size(src.path()); home == 0 || home > 128<<10 {
		t.Errorf("the home has taken %d bytes, want as many as fit", home)
	}
	if read(t, src.path())+read(t, k.spill(1)) != text {
		t.Error("the two files together are not what was written")
	}
}

// A home that hangs holds up nobody else, neither with the keeper nor with the daemon that comes after it.
func TestKeeperAndAHangingHome(t *testing.T) {
	hanging, healthy := newSource(t, 1), newSource(t, 2)
	freeze, thaw := fault.MountFreezable(t, hanging.Home)
	give(t, hanging.Home)
	k := startKept(t, hanging, healthy)
	write(t, k.w[0], "before\n")
	eventually(t, "it is moved", func() bool { return size(hanging.path()) > 0 })
	k.kill()
	freeze()
	write(t, k.w[0], "late\n")
	for i := range 3 {
		write(t, k.w[1], fmt.Sprintln("line", i))
		eventually(t, "the other's output is moved", func() bool { return size(healthy.path()) == int64(7*(i+1)) })
	}
	if _, err := keeper.Status(t.Context(), k.state); err != nil {
		t.Error(err)
	}
	thaw()
	eventually(t, "the stalled line comes", func() bool { return read(t, hanging.path()) == "before\nlate\n" })
}

// Another process that has a service's lock moves its output. This one waits, and then nothing is missing.
func TestLockedOutputWaits(t *testing.T) {
	state, src, other := t.TempDir(), newSource(t, 1), newSource(t, 2)
	l := startIn(t, state)
	w, otherW := open(t, l, src), open(t, l, other)
	settled(t, l, src)
	lock, err := drain.Open(state)
	must(t, err)
	defer lock.Close()
	eventually(t, "the lock is free", func() bool { return lock.Try(1) })
	write(t, w, "one\n")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := l.Mark(ctx, 1, "x"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("mark of a locked service: %v, want %v", err, context.DeadlineExceeded)
	}
	write(t, otherW, "two\n")
	mark(t, l, other, "y")
	wantFile(t, other.path(), "two\nupkeep: y\n")
	if n := size(src.path()); n != 0 {
		t.Errorf("%d bytes were moved without the lock", n)
	}
	lock.Give(1)
	mark(t, l, src, "z")
	wantFile(t, src.path(), "one\nupkeep: z\n")
}

// A worker that meets the lock at the end of Run still does what it was asked for.
func TestLockedOutputAtTheEnd(t *testing.T) {
	state, src := t.TempDir(), newSource(t, 1)
	before := openDescriptors(t)
	l, err := New(Options{State: state})
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	w := open(t, l, src)
	settled(t, l, src)
	lock, err := drain.Open(state)
	must(t, err)
	eventually(t, "the lock is free", func() bool { return lock.Try(1) })
	write(t, w, "one\n")
	cancel()
	eventually(t, "the end begins", l.isEnded)
	select {
	case err := <-ended:
		t.Errorf("Run has ended while the output was locked: %v", err)
	case <-time.After(100 * time.Millisecond):
		lock.Give(1)
		must(t, <-ended)
	}
	wantFile(t, src.path(), "one\n")
	must(t, lock.Close())
	must(t, w.Close())
	if got := openDescriptors(t); got > before {
		t.Errorf("descriptors: %d, want %d as before", got, before)
	}
}

// recorder is a keeper that remembers what it was told.
type recorder struct {
	mu     sync.Mutex
	told   []string
	refill []func()
}

func (r *recorder) note(s string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = append(r.told, s)
}

func (r *recorder) Put(name string, fd int) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		name += " (" + err.Error() + ")"
	}
	r.note("+" + name)
}
func (r *recorder) Drop(name string)  { r.note("-" + name) }
func (r *recorder) OnRefill(f func()) { r.refill = append(r.refill, f) }

// since returns what was told since the last call, each thing once and in order.
func (r *recorder) since() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	told := slices.Compact(r.told)
	r.told = nil
	return strings.Join(told, " ")
}

func TestWhatTheKeeperIsTold(t *testing.T) {
	src, told := newSource(t, 1), &recorder{}
	l, err := New(Options{State: t.TempDir(), Keeper: told})
	must(t, err)
	l.verifyEvery, l.retryHome = 0, time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	want := func(when, want string) {
		t.Helper()
		if got := told.since(); got != want {
			t.Errorf("%s: got %q, want %q", when, got, want)
		}
	}
	want("New", "+spill")
	w := open(t, l, src)
	settled(t, l, src)
	want("Open", "+fifo/1 +log/1")
	write(t, w, "a\n")
	mark(t, l, src, "x")
	want("output", "")
	open(t, l, src)
	settled(t, l, src)
	want("Open again", "+log/1")
	must(t, os.Remove(src.path()))
	mark(t, l, src, "y")
	want("a deleted log", "+log/1")
	for _, f := range told.refill {
		f()
	}
	settled(t, l, src)
	want("another keeper", "+spill +fifo/1 +log/1")
	must(t, os.Remove(src.path()))
	must(t, os.Mkdir(src.path(), 0o700))
	mark(t, l, src, "z")
	want("a home that refuses", "-log/1")
	for _, f := range told.refill {
		f()
	}
	settled(t, l, src)
	want("another keeper while the home refuses", "+spill +fifo/1 -log/1")
	l.Close(1)
	eventually(t, "it is closed", func() bool { return errors.Is(l.Mark(t.Context(), 1, "x"), panel.ErrNotFound) })
	want("Close", "-fifo/1 -log/1")
	must(t, os.Remove(src.path()))
	open(t, l, src)
	settled(t, l, src)
	want("Open after Close", "+fifo/1 +log/1")
	cancel()
	must(t, <-ended)
	want("the end of Run", "")
}
