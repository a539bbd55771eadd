package keeper

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// event makes a descriptor that can be told from others by its value.
func event(t testing.TB, value int) int {
	t.Helper()
	fd, err := unix.Eventfd(uint(value), unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	must(t, err)
	return fd
}

// valueOf reads what event was made with, and puts it back.
func valueOf(t testing.TB, fd int) int {
	t.Helper()
	var b [8]byte
	if _, err := unix.Read(fd, b[:]); err != nil {
		t.Fatalf("descriptor %d: %v", fd, err)
	}
	if _, err := unix.Write(fd, b[:]); err != nil {
		t.Fatal(err)
	}
	return int(b[0]) | int(b[1])<<8 | int(b[2])<<16
}

func (h Held) close() {
	for _, fd := range h.FDs {
		unix.Close(fd)
	}
}

func TestDescriptorsOutliveTheDaemon(t *testing.T) {
	const n = 3000 // a dozen messages
	r := start(t, "idle")
	before := openFDs(t, r.cmd.Process.Pid)
	c := r.join()
	for i := range n {
		fd := event(t, i+1)
		c.Put(FIFO(int64(i)), fd)
		unix.Close(fd)
	}
	c.Put("other", 0)
	die(c)

	c = r.join()
	held := c.List(fifoPrefix)
	if len(held.FDs) != n {
		t.Fatalf("descriptors: got %d, want %d", len(held.FDs), n)
	}
	for i := range n {
		if got := valueOf(t, held.FDs[FIFO(int64(i))]); got != i+1 {
			t.Fatalf("%s holds %d, want %d", FIFO(int64(i)), got, i+1)
		}
	}
	held.close()
	for i := range n {
		c.Drop(FIFO(int64(i)))
	}
	c.Drop("never held")
	all := c.List("")
	defer all.close()
	if len(all.FDs) != 1 || all.FDs["other"] == 0 {
		t.Errorf("left: %v, want only \"other\"", all.FDs)
	}
	die(c)
	eventually(t, "the keeper has closed everything but \"other\"", func() bool {
		return openFDs(t, r.cmd.Process.Pid) <= before+1
	})
}

// Put replaces, and what it replaced is closed.
func TestPutAgain(t *testing.T) {
	r := start(t, "idle")
	c := r.join()
	before := openFDs(t, r.cmd.Process.Pid)
	for i := range 300 {
		fd := event(t, i)
		c.Put("x", fd)
		unix.Close(fd)
	}
	held := c.List("x")
	defer held.close()
	if got := valueOf(t, held.FDs["x"]); got != 299 {
		t.Errorf("held: %d, want the last one, 299", got)
	}
	if got := openFDs(t, r.cmd.Process.Pid); got > before+1 {
		t.Errorf("descriptors of the keeper: %d, want at most %d", got, before+1)
	}
}

// ending is a process that ends by itself, and its pidfd.
func ending(t testing.TB, script string) (pid, pidfd int) {
	t.Helper()
	fd := -1
	attr := &os.ProcAttr{Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}, Sys: &syscall.SysProcAttr{PidFD: &fd}}
	p, err := os.StartProcess("/bin/sh", []string{"sh", "-c", script}, attr)
	must(t, err)
	t.Cleanup(func() {
		_ = unix.Kill(p.Pid, unix.SIGKILL) // not reaped yet, so it is no other's PID
		_, _ = p.Wait()
		unix.Close(fd)
	})
	return p.Pid, fd
}

// The end of a process that is not the keeper's child is at least seen at its time, also by a keeper that got it
// afterwards.
func TestTimeOfAStrangersEnd(t *testing.T) {
	r := start(t, "idle")
	c := r.join()
	pid, fd := ending(t, atGate(r)+"exit 42")
	dead, deadFD := ending(t, "exit 1")
	eventually(t, "one has ended", func() bool {
		fds := []unix.PollFd{{Fd: int32(deadFD), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, 0)
		return err == nil && n == 1
	})
	name, deadName := Run(1, 1, pid), Run(2, 1, dead)
	c.Put(name, fd)
	c.Put(deadName, deadFD)
	if held := c.List(runPrefix); len(held.Exits) != 0 {
		t.Errorf("exits before the daemon's end: %v", held.Exits)
	} else {
		held.close()
	}
	die(c)
	begin := time.Now()
	release(t, r)
	c = r.join()
	var held Held
	eventually(t, "the keeper knows both ends", func() bool {
		// A daemon that is there sees ends itself: the keeper looks only while there is none.
		die(c)
		time.Sleep(2 * coalesce)
		c = r.join()
		held = c.List(runPrefix)
		held.close()
		return len(held.Exits) == 2
	})
	for _, name := range []string{name, deadName} {
		e := held.Exits[name]
		if e.Known || e.At.Before(begin) || time.Since(e.At) > patience {
			t.Errorf("%s: %+v, want an unknown status at the time of the end", name, e)
		}
	}
	c.Drop(name)
	held = c.List(runPrefix)
	defer held.close()
	if _, ok := held.Exits[name]; ok || len(held.Exits) != 1 {
		t.Errorf("exits after one was dropped: %v", held.Exits)
	}
}

// The keeper's own children, and what they leave behind, have a status until it is dropped. The daemon here is the
// test's, but the processes are started by the idle one that is the keeper's child.
func TestStatusOfChildren(t *testing.T) {
	r := start(t, "idle")
	pid := orphan(t, r, "exit 42")
	killed := orphan(t, r, "kill -9 $$")
	c := r.join()
	for service, p := range []int{pid, killed} {
		fd, err := unix.PidfdOpen(p, 0)
		must(t, err)
		c.Put(Run(int64(service), 7, p), fd)
		unix.Close(fd)
	}
	begin := time.Now()
	release(t, r)
	var held Held
	eventually(t, "the keeper has waited for both", func() bool {
		held = c.List(runPrefix)
		held.close()
		return held.Exits[Run(0, 7, pid)].Known && held.Exits[Run(1, 7, killed)].Known
	})
	one, other := held.Exits[Run(0, 7, pid)], held.Exits[Run(1, 7, killed)]
	if one.Status.ExitStatus() != 42 || one.At.Before(begin) || one.At.After(time.Now()) {
		t.Errorf("exit: %+v, want 42 after %v", one, begin)
	}
	if !other.Status.Signaled() || other.Status.Signal() != syscall.SIGKILL {
		t.Errorf("exit: %+v, want SIGKILL", other)
	}

	// It stays for every daemon to come, also for one that puts the same name again, and for a keeper that is filled
	// anew: the process may have ended between two looks at it.
	die(c)
	c = r.join()
	fd := event(t, 1)
	defer unix.Close(fd)
	c.Put(Run(0, 7, pid), fd)
	c.send(verbClear, "")
	c.Put(Run(0, 7, pid), fd)
	held = c.List(runPrefix)
	held.close()
	if got := held.Exits[Run(0, 7, pid)]; got != one || len(held.Exits) != 1 || len(held.FDs) != 1 {
		t.Errorf("later: %+v, want %+v alone", held.Exits, one)
	}
	c.Drop(Run(0, 7, pid))
	held = c.List(runPrefix)
	held.close()
	if len(held.Exits) != 0 {
		t.Errorf("after it was dropped: %v", held.Exits)
	}
}

// orphan makes a process whose parent has left it to the keeper, and that waits to be released before it runs script.
func orphan(t testing.TB, r *run, script string) int {
	t.Helper()
	before := len(r.orphans())
	must(t, os.WriteFile(filepath.Join(r.dir, "orphan-"+itoa(before)), []byte(atGate(r)+script), 0o600))
	eventually(t, "the daemon takes orders", func() bool { return exists(filepath.Join(r.dir, "idle")) })
	must(t, unix.Kill(r.starts()[0].pid, unix.SIGUSR1)) // the idle daemon makes one
	var all []int
	eventually(t, "the orphan is the keeper's", func() bool {
		all = r.orphans()
		return len(all) > before && parent(all[before]) == r.cmd.Process.Pid
	})
	t.Cleanup(func() { killOwn(all[before], r.dir) })
	return all[before]
}

func (r *run) orphans() (pids []int) {
	text, _ := os.ReadFile(filepath.Join(r.dir, "orphans")) // missing: none yet
	for word := range strings.FieldsSeq(string(text)) {
		pid, _ := strconv.Atoi(word)
		pids = append(pids, pid)
	}
	return pids
}

func parent(pid int) int {
	stat, err := os.ReadFile("/proc/" + itoa(pid) + "/stat")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	ppid, _ := strconv.Atoi(strings.Fields(rest)[1])
	return ppid
}

// atGate is the beginning of a script that waits for release.
func atGate(r *run) string {
	return "while [ ! -e '" + filepath.Join(r.dir, "gate") + "' ]; do sleep 0.01; done; "
}

func release(t testing.TB, r *run) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(r.dir, "gate"), nil, 0o600))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// What a daemon puts that has not moved any output yet is looked after at once, also when that daemon is gone before
// it ever does.
func TestMoverLooksAtWhatIsPut(t *testing.T) {
	r := start(t, "idle")
	eventually(t, "the keeper moves", func() bool { return r.value("moving") == "true" })
	c := r.join()
	path := filepath.Join(r.dir, "fifo")
	must(t, unix.Mkfifo(path, 0o600))
	w, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	defer w.Close()
	log, err := os.Create(path + ".log")
	must(t, err)
	defer log.Close()
	c.Put(Log(1), int(log.Fd()))
	c.Put(FIFO(1), int(w.Fd()))
	c.List("").close()
	die(c)
	_, err = w.WriteString("line\n")
	must(t, err)
	eventually(t, "the line is moved", func() bool {
		text, err := os.ReadFile(log.Name())
		return err == nil && string(text) == "line\n"
	})
}

func TestNamesThatCannotBeListed(t *testing.T) {
	r := start(t, "idle")
	c := r.join()
	before := openFDs(t, r.cmd.Process.Pid)
	for _, name := range []string{"", " ", "a b", "a\tb", "a\u00a0b", "a\n"} {
		c.Put(name, 0)
	}
	c.Put("a", 0)
	held := c.List("")
	defer held.close()
	names := []string{}
	for name := range held.FDs {
		names = append(names, name)
	}
	if !slices.Equal(names, []string{"a"}) {
		t.Errorf("held: %q, want only \"a\"", names)
	}
	if got := openFDs(t, r.cmd.Process.Pid); got != before+1 {
		t.Errorf("descriptors of the keeper: %d, want %d", got, before+1)
	}
}
