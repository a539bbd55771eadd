package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"upkeep/internal/panel"
)

// look asks for a recorded identity and closes the pidfd.
func look(t *testing.T, id panel.Identity) (found, alive bool) {
	t.Helper()
	fd, alive, err := Alive(id)
	check(t, err)
	if fd >= 0 {
		check(t, unix.Close(fd))
	}
	return fd >= 0, alive
}

func TestAlive(t *testing.T) {
	id := play(t, rung{}, "linger").group.Identity
	for _, c := range []struct {
		name   string
		change func(*panel.Identity)
		want   bool
	}{
		{"as recorded", func(*panel.Identity) {}, true},
		{"recorded without an inode", func(id *panel.Identity) { id.Inode = 0 }, true},
		{"another boot", func(id *panel.Identity) { id.BootID = "another" }, false},
		{"another start", func(id *panel.Identity) { id.StartTicks++ }, false},
		{"another start, no inode", func(id *panel.Identity) { id.StartTicks--; id.Inode = 0 }, false},
		{"another process", func(id *panel.Identity) { id.PID = os.Getpid() }, false},
		{"never made", func(id *panel.Identity) { id.PID = 0 }, false},
	} {
		changed := id
		c.change(&changed)
		if found, alive := look(t, changed); found != c.want || alive != c.want {
			t.Errorf("%s: found %v, alive %v; want both %v", c.name, found, alive, c.want)
		}
	}
}

func TestAliveByInode(t *testing.T) {
	id := play(t, rung{}, "linger").group.Identity
	if id.Inode == 0 {
		t.Skip("this kernel gives pidfds no inode of their own")
	}
	id.Inode++
	if found, alive := look(t, id); found || alive {
		t.Errorf("another inode: found %v, alive %v", found, alive)
	}
}

// The number of a process that ended is given to another: the recorded one must not be found in it. Without an inode
// the two can only be told apart when they did not start in the same clock tick.
func TestAliveAfterReuse(t *testing.T) {
	for range 50 {
		first := exec.Command("sleep", "60")
		check(t, first.Start())
		recorded := identify(t, first.Process.Pid, panel.Identity{})
		check(t, first.Process.Kill())
		_ = first.Wait() // of SIGKILL
		if found, alive := look(t, recorded); found || alive {
			t.Fatalf("after it was reaped: found %v, alive %v", found, alive)
		}
		eventually(t, "the next tick", func() bool { return ticksNow(t) > recorded.StartTicks })
		if takeNumber(t, recorded.PID) {
			lookForReused(t, recorded)
			return
		}
	}
	t.Skip("other processes of this machine take the number every time")
}

func lookForReused(t *testing.T, recorded panel.Identity) {
	t.Helper()
	if found, alive := look(t, recorded); found || alive {
		t.Errorf("in another process of that number: found %v, alive %v", found, alive)
	}
	recorded.Inode = 0
	if found, alive := look(t, recorded); found || alive {
		t.Errorf("the same on a kernel without pidfs: found %v, alive %v", found, alive)
	}
}

func ticksNow(t *testing.T) uint64 {
	t.Helper()
	var up unix.Timespec
	check(t, unix.ClockGettime(unix.CLOCK_BOOTTIME, &up))
	return uint64(up.Nano()) * ticksPerSecond / 1e9
}

// takeNumber makes a process with the given number, unless another one on this machine is faster.
func takeNumber(t *testing.T, pid int) bool {
	t.Helper()
	err := os.WriteFile("/proc/sys/kernel/ns_last_pid", []byte(fmt.Sprint(pid-1)), 0)
	if err != nil {
		t.Skip("needs the right to choose process numbers: ", err)
	}
	cmd := exec.Command("sleep", "60")
	check(t, cmd.Start())
	t.Cleanup(func() {
		check(t, cmd.Process.Kill())
		_ = cmd.Wait() // of SIGKILL
	})
	return cmd.Process.Pid == pid
}

func TestAliveOfZombie(t *testing.T) {
	_, id := zombie(t, "exit 42")
	if found, alive := look(t, id); !found || alive {
		t.Errorf("found %v, alive %v; want a zombie found", found, alive)
	}
}

// zombie makes a dead grandchild of the test whose parent does not reap it.
func zombie(t *testing.T, script string) (parent *actor, id panel.Identity) {
	t.Helper()
	parent = play(t, rung{}, "keep-zombie", "sh", "-c", script)
	id = identify(t, parent.number(), panel.Identity{})
	eventually(t, "the grandchild is a zombie", func() bool {
		s, err := readStat(id.PID)
		return err == nil && s.zombie()
	})
	return parent, id
}

// A process that is reaped between the opening of its pidfd and the look at /proc is still known by its inode.
func TestReapedWhileLooking(t *testing.T) {
	parent, id := zombie(t, "exit 42")
	h, err := Open(id.PID)
	check(t, err)
	defer h.Close()
	reap(t, parent)
	if same, err := h.is(id); same != (id.Inode != 0) || err != nil {
		t.Errorf("recognised: %v, %v", same, err)
	}
	id.Inode = 0
	if same, err := h.is(id); same || err != nil {
		t.Errorf("recognised without an inode: %v, %v", same, err)
	}
}

// /proc shows the state of the first thread, also when the process goes on without it.
func TestAliveWithoutFirstThread(t *testing.T) {
	a := play(t, rung{}, "dead-leader")
	if a.line() != "ready" {
		t.Fatal("the part does not play")
	}
	id := a.group.Identity
	eventually(t, "/proc shows a zombie", func() bool {
		s, err := readStat(id.PID)
		return err == nil && s.state == 'Z'
	})
	if found, alive := look(t, id); !found || !alive {
		t.Errorf("found %v, alive %v; want it alive", found, alive)
	}
	if got := members(t, a.group); len(got) != 1 || got[0] != id.PID {
		t.Errorf("members %v, want %d", got, id.PID)
	}
}

func TestExitStatusOfNonChild(t *testing.T) {
	for _, c := range []struct {
		script string
		want   syscall.WaitStatus
	}{
		{"exit 42", 42 << 8},
		{"exit 0", 0},
		{"kill -KILL $$", syscall.WaitStatus(syscall.SIGKILL)},
		{"ulimit -c 0; kill -SEGV $$", syscall.WaitStatus(syscall.SIGSEGV)},
	} {
		t.Run(c.script, func(t *testing.T) {
			parent, id := zombie(t, c.script)
			fd, _, err := Alive(id)
			check(t, err)
			defer unix.Close(fd)
			if got, known := ExitStatus(fd, id.PID); got != c.want || !known {
				t.Errorf("as a zombie: %#x, %v; want %#x", got, known, c.want)
			}
			reap(t, parent)
			if got, known := ExitStatus(fd, id.PID); got != c.want || !known && tellsReaped(t) {
				t.Errorf("after it was reaped: %#x, %v; want %#x", got, known, c.want)
			}
			if err := Signal(fd, 0); !errors.Is(err, panel.ErrGone) {
				t.Errorf("a signal to the reaped process: %v", err)
			}
			if found, alive := look(t, id); found || alive {
				t.Errorf("after it was reaped: found %v, alive %v", found, alive)
			}
		})
	}
}

func reap(t *testing.T, parent *actor) {
	t.Helper()
	parent.tellOn()
	if got := parent.line(); got != "reaped" {
		t.Fatalf("the parent says %q", got)
	}
}

// tellsReaped reports whether this kernel tells the exit status of a process that was reaped, by asking about a
// child.
func tellsReaped(t *testing.T) bool {
	t.Helper()
	cmd := exec.Command("true")
	check(t, cmd.Start())
	h, err := Open(cmd.Process.Pid)
	check(t, err)
	defer h.Close()
	check(t, cmd.Wait())
	_, known := reapedStatus(h.fd)
	return known
}

func TestExitStatusOfLiving(t *testing.T) {
	a := play(t, rung{}, "linger")
	h, err := Open(a.Process.Pid)
	check(t, err)
	defer h.Close()
	if status, known := ExitStatus(h.fd, a.Process.Pid); known {
		t.Errorf("a living process ended with %v", status)
	}
}

// The kernel writes 0 instead of the status for those who may not look. That is not "exit status 0".
func TestExitStatusOfAnothersZombie(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can become another user to try it")
	}
	_, id := zombie(t, "exit 42")
	program, err := os.Open("/proc/self/exe")
	check(t, err)
	defer program.Close()
	cmd := exec.Command("/proc/self/fd/3", fmt.Sprint(id.PID)) // the path itself leads through a directory of root's
	cmd.ExtraFiles = []*os.File{program}
	cmd.Env = []string{modeVariable + "=exit-status"}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if got := strings.TrimSpace(string(out)); err != nil || got != "0 false" {
		t.Errorf("%q, %v; want an unknown status", got, err)
	}
}

func TestOpenGone(t *testing.T) {
	cmd := exec.Command("true")
	check(t, cmd.Run())
	for _, pid := range []int{cmd.Process.Pid, 0, -1} {
		if _, err := Open(pid); !errors.Is(err, panel.ErrGone) {
			t.Errorf("Open(%d): %v, want ErrGone", pid, err)
		}
	}
	if _, err := StartTicks(cmd.Process.Pid); !errors.Is(err, panel.ErrGone) {
		t.Errorf("StartTicks: %v, want ErrGone", err)
	}
}
