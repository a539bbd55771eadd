package supervisor

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"upkeep/internal/fault"
	"upkeep/internal/panel"
)

// tracerVariable makes the test binary a debugger that attaches to a process and never asks about it again.
const tracerVariable = "UPKEEP_TEST_TRACER"

func beTracer(number string) int {
	runtime.LockOSThread() // a thread traces, not a process
	pid, err := strconv.Atoi(number)
	if err == nil {
		err = unix.PtraceSeize(pid)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "trace:", err)
		return 1
	}
	fmt.Println("traced")
	_, _ = os.Stdin.Read(make([]byte, 1)) // its end is what this waits for
	return 0
}

// trace attaches such a debugger and returns what ends it.
func trace(t *testing.T, pid int) (end func()) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), tracerVariable+"="+strconv.Itoa(pid))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	check(t, err)
	stdout, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Skipf("may not trace a process: %q, %v", line, err)
	}
	return func() {
		stdin.Close()
		_ = cmd.Wait() // the engine may have reaped it: it reaps every child of this process
	}
}

// Whoever traces a process can keep its end from its parent. The service is restarted, or paused, all the same, and no
// other service waits for it.
func TestTraced(t *testing.T) {
	onEachRung(t, func(t *testing.T, p plan) {
		p.policy = quick()
		p.policy.StopTimeout = 50 * time.Millisecond
		s := newSite(t, p)
		id := s.add("traced", "sleep 1000")
		other := s.add("other", "sleep 1000")
		first := s.awaitState(id, panel.Running)
		otherPID := s.awaitState(other, panel.Running).PID
		end := trace(t, first.PID)
		defer end()
		send(t, first.PID, unix.SIGKILL)
		st := s.await(id, "in its second run", func(st panel.Status) bool { return st.Run == 2 && st.State == panel.Running })
		if e := st.LastExit; e.Kind != panel.EndSignaled || e.Signal != int(unix.SIGKILL) || e.Asked {
			t.Errorf("exit %+v", e)
		}
		if got := stateOf(first.PID); got != "Z" {
			t.Errorf("the state of the first process is %q: not a test of one whose end is held back", got)
		}
		send(t, otherPID, unix.SIGKILL)
		s.await(other, "in its second run", func(st panel.Status) bool { return st.Run == 2 && st.State == panel.Running })

		// Nor does one help against a pause, also when it stands still in the debugger.
		endSecond := trace(t, st.PID)
		defer endSecond()
		send(t, st.PID, unix.SIGSTOP)
		eventually(t, "it stands still", func() bool { return stateOf(st.PID) == "t" })
		s.pause(id)
		s.pause(other)
		end()
		endSecond()
		eventually(t, "no zombie is left", func() bool { return len(zombies(t)) == 0 })
	})
}

// hydra is a program that forks faster than its processes are killed one by one, and whose processes take no notice of
// SIGTERM.
const hydra = `trap '' TERM HUP
grow() { while :; do (sleep 0.05; setsid sh -c 'sleep 0.05' &) & sleep 0.002; done; }
grow & grow &
echo > ready
while :; do sleep 0.01; done
`

func TestHydra(t *testing.T) {
	onEachRung(t, func(t *testing.T, p plan) {
		p.policy = quick()
		p.policy.StopTimeout = 50 * time.Millisecond
		s := newSite(t, p)
		id := s.add("hydra", s.script("hydra", hydra))
		s.awaitState(id, panel.Running)
		eventually(t, "it has some heads", func() bool { return len(s.members(id)) > 10 })
		s.pause(id)
		s.expectNothing()
		if left := s.status(id).LeftOver; left != nil {
			t.Errorf("left over: %v", left)
		}
	})
}

// frozenHome mounts a file system that can be stopped as a folder of the account's home.
func (s *site) frozenHome(name string) (freeze, thaw func()) {
	s.t.Helper()
	dir := filepath.Join(s.account.Home, name)
	check(s.t, os.Mkdir(dir, 0o755))
	freeze, thaw = fault.MountFreezable(s.t, dir)
	who, err := lookUp(s.account)
	check(s.t, err)
	check(s.t, os.Chown(dir, who.cred.UID, who.cred.GID))
	return freeze, thaw
}

// A process that waits for a device is not ended by any signal. Its PID and the reason are told, the service is not
// called paused before it has gone, and neither is a second one started.
func TestWaitsForDevice(t *testing.T) {
	onEachRung(t, func(t *testing.T, p plan) {
		p.policy = quick()
		p.policy.StopTimeout = 50 * time.Millisecond
		s := prepareSite(t, p)
		freeze, thaw := s.frozenHome("disk")
		s.enter()
		// It does not fork, which looks like a wait for a device, too.
		check(t, unix.Mkfifo(filepath.Join(s.account.Home, "go"), 0o644))
		id := s.add("writer", s.script("writer", "read x < go; echo $x > disk/file"))
		other := s.add("other", "sleep 1000")
		s.awaitState(other, panel.Running)
		pid := s.awaitState(id, panel.Running).PID
		freeze()
		check(t, os.WriteFile(filepath.Join(s.account.Home, "go"), []byte("now\n"), 0))
		eventually(t, "it waits for the disk", func() bool { return stateOf(pid) == "D" })

		answer := make(chan error, 1)
		go func() { answer <- s.Pause(t.Context(), id, ann) }()
		want := []panel.Remnant{{PID: pid, State: panel.WaitingForDisk}}
		st := s.await(id, "told to be left over", func(st panel.Status) bool { return slices.Equal(st.LeftOver, want) })
		if st.State != panel.Stopping || !st.KillAt.IsZero() {
			t.Errorf("status %+v, want stopping after the kill", st)
		}
		if o, err := s.Restart(t.Context(), other, true, ann); err != nil || o.Result != panel.Replaced {
			t.Errorf("restart of another service: %+v, %v", o, err)
		}
		select {
		case err := <-answer:
			t.Fatalf("the pause is answered while process %d is there: %v", pid, err)
		default:
		}
		thaw()
		if err := <-answer; err != nil {
			t.Errorf("pause: %v", err)
		}
		st = s.status(id)
		if st.State != panel.Paused || st.LeftOver != nil || st.Run != 1 || st.LastExit.Kind != panel.EndSignaled || !st.LastExit.Asked {
			t.Errorf("status %+v, exit %+v", st, st.LastExit)
		}
		s.pause(other)
		s.expectNothing()
	})
}

// A start that hangs, as in a home on a dead network file system, keeps no worker. It is told, it costs the customer
// nothing, it is made again once the process that hangs has gone, and a pause meanwhile is a pause.
func TestStartHangs(t *testing.T) {
	for _, pause := range []bool{false, true} {
		t.Run(fmt.Sprint("pause ", pause), func(t *testing.T) {
			freezer := fault.NewFreezer(t)
			s := newSite(t, plan{policy: once()})
			other := s.add("other", "sleep 1000")
			s.awaitState(other, panel.Running)
			s.awaitSpare()
			spares := s.host.(*realHost).spares
			spares.mu.Lock()
			sp := spares.ready[0]
			sp.Patience = 50 * time.Millisecond
			freezer.Freeze(sp.PID)
			spares.mu.Unlock()

			id := s.add("slow", "sleep 1000")
			want := []panel.Remnant{{PID: sp.PID, State: panel.WaitingForDisk}}
			st := s.await(id, "told to hang", func(st panel.Status) bool { return slices.Equal(st.LeftOver, want) })
			if st.State != panel.Stopping || st.PID != 0 {
				t.Errorf("status %+v, want that the launcher is being stopped", st)
			}
			answer := make(chan error, 1)
			if pause {
				go func() { answer <- s.Pause(t.Context(), id, ann) }()
				s.await(id, "asked to pause", func(panel.Status) bool { return slices.Contains(s.kinds(id), panel.EventPaused) })
			}
			s.pause(other)
			check(t, s.Start(t.Context(), other, ann)) // nobody waits for it
			freezer.Thaw()
			if pause {
				check(t, <-answer)
				s.awaitState(id, panel.Paused)
			} else if st := s.awaitState(id, panel.Running); st.Run != 2 || st.Failures != 0 {
				t.Errorf("status %+v, want a second run and no failure", st)
			}
			e := s.status(id).LastExit
			if e.Kind != panel.EndNotRun || e.Errno != int(unix.ETIMEDOUT) || !e.Host || e.Asked || e.Detail != s.account.Home {
				t.Errorf("exit %+v", e)
			}
			if got := s.log("slow"); !strings.Contains(got, "run 1 could not start: directory: connection timed out: "+s.account.Home) {
				t.Errorf("log %q", got)
			}
		})
	}
}
