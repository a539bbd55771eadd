package supervisor

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"upkeep/internal/keeper"
	"upkeep/internal/panel"
)

// Once upkeep is back, everything goes on as if it had never been away.
func TestAdopt(t *testing.T) {
	onEachRung(t, func(t *testing.T, p plan) {
		s := newSite(t, p)
		id := s.add("steady", s.script("steady", `echo $RUN_ID >> runs
trap 'echo bye; exit 42' USR1
while :; do echo tick; sleep 0.02; done`))
		before := s.awaitState(id, panel.Running)
		s.leave()
		s.enter()
		after := s.status(id)
		if after.State != panel.Running || after.PID != before.PID || after.Run != 1 || after.StartedAt.IsZero() {
			t.Errorf("status %+v, before %+v", after, before)
		}
		eventually(t, "the take-over is in the history", func() bool { return slices.Contains(s.kinds(id), panel.EventAdopted) })
		size := len(s.log("steady"))
		eventually(t, "its output goes on", func() bool { return len(s.log("steady")) > size })
		needStatusOfReaped(t)
		send(t, after.PID, unix.SIGUSR1)
		st := s.await(id, "in its second run", func(st panel.Status) bool { return st.Run == 2 && st.State == panel.Running })
		if e := st.LastExit; e.Kind != panel.EndExited || e.Code != 42 || e.Asked || st.Failures != 1 || e.Uptime <= 0 {
			t.Errorf("status %+v, exit %+v", st, e)
		}
		if got := strings.Count(s.log("steady"), "bye\nupkeep: run 1 ended: exit status 42"); got != 1 {
			t.Errorf("the end stands %d times in the log", got)
		}
		if runs := strings.Fields(s.read("runs")); len(runs) != 2 {
			t.Errorf("runs %v, want two", runs)
		}
	})
}

// lender hands out pidfds as a keeper does, and looks which of them are still open when a run is held again.
type lender struct {
	t    *testing.T
	lent keeper.Held
	held int
}

func (l *lender) List(string) keeper.Held { return l.lent }
func (l *lender) Drop(string)             {}
func (l *lender) OnRefill(func())         {}

func (l *lender) Put(name string, fd int) {
	lent, ok := l.lent.FDs[name]
	if ok && inode(fd) == inode(lent) {
		l.t.Errorf("%s is held twice while others are taken over", name)
	}
	l.held++
}

// inode names the process behind a pidfd; 0 for what is closed.
func inode(fd int) uint64 {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil {
		return 0
	}
	return st.Ino
}

// The descriptors of a thousand services fit once: a copy that the keeper lends goes before the next one is opened.
func TestAdoptNeedsEachDescriptorOnce(t *testing.T) {
	s := newSite(t, plan{})
	lent := &lender{t: t, lent: keeper.Held{FDs: map[string]int{}, Exits: map[string]keeper.Exit{}}}
	const services = 3
	for i := range services {
		name := fmt.Sprintf("steady%d", i)
		id := s.add(name, "sleep 1000")
		st := s.awaitState(id, panel.Running)
		fd, err := unix.PidfdOpen(st.PID, 0)
		check(t, err)
		lent.lent.FDs[keeper.Run(int64(id), st.Run, st.PID)] = fd
	}
	s.leave()
	s.plan.keeper = lent
	s.enter()
	if lent.held != services {
		t.Errorf("%d runs were taken over, want %d", lent.held, services)
	}
	if len(lent.lent.FDs) != 0 {
		t.Errorf("descriptors %v of the keeper were not closed", lent.lent.FDs)
	}
}

// needStatusOfReaped skips where a process that was adopted takes its status with it. In these tests its parent, this
// process, reaps it at once; PID 1 does the same elsewhere.
func needStatusOfReaped(t *testing.T) {
	t.Helper()
	if !reapedTell {
		t.Skip("the kernel, older than 6.15, does not tell the status of a process that was reaped")
	}
}

// What ended while upkeep was away is an exit like any other; a helper that it left behind is stopped.
func TestAdoptTheDead(t *testing.T) {
	onEachRung(t, func(t *testing.T, p plan) {
		s := newSite(t, p)
		id := s.add("main", s.script("main", `echo $RUN_ID >> runs
[ $(wc -l < runs) = 1 ] || exec sleep 1000
setsid sleep 1000 & echo > ready
exec sleep 1000`))
		first := s.awaitState(id, panel.Running)
		eventually(t, "the helper runs", func() bool { return s.read("ready") != "" && len(s.members(id)) == 2 })
		before := s.members(id)
		s.leave()
		s.killAndReap(first.PID)
		s.enter()
		st := s.await(id, "in its second run", func(st panel.Status) bool { return st.Run == 2 && st.State == panel.Running })
		if e := st.LastExit; !e.LeftForeground || e.Asked || e.Kind != panel.EndUnknown {
			t.Errorf("exit %+v", e)
		}
		for _, pid := range s.processes() {
			if slices.Contains(before, pid) {
				t.Errorf("process %d of the first run lives", pid)
			}
		}
	})
}

// killAndReap ends a process that is this one's child, so that nothing is left of it.
func (s *site) killAndReap(pid int) {
	s.t.Helper()
	send(s.t, pid, unix.SIGKILL)
	for {
		_, err := unix.Wait4(pid, nil, 0, nil)
		if err == unix.EINTR {
			continue
		}
		check(s.t, err)
		return
	}
}

// A pause that was asked before upkeep left is carried out by the next one.
func TestAdoptPaused(t *testing.T) {
	p := quick()
	p.StopTimeout = time.Hour
	s := newSite(t, plan{policy: p})
	id := s.add("deaf", s.script("deaf", "trap '' TERM; trap 'exit 0' USR1\nwhile :; do sleep 0.02; done"))
	pid := s.awaitState(id, panel.Running).PID
	answer := make(chan error, 1)
	go func() { answer <- s.Pause(t.Context(), id, ann) }()
	s.awaitState(id, panel.Stopping)
	s.leave()
	if err := <-answer; err != ErrStopped {
		t.Errorf("the pause is answered with %v", err)
	}
	s.enter()
	s.awaitState(id, panel.Stopping)
	send(t, pid, unix.SIGUSR1)
	st := s.awaitState(id, panel.Paused)
	if !st.LastExit.Asked || st.Run != 1 {
		t.Errorf("status %+v, exit %+v", st, st.LastExit)
	}
}

// After a reboot nothing foreign is touched, and what is wanted is started.
func TestAdoptAfterReboot(t *testing.T) {
	s := prepareSite(t, plan{})
	svc := s.declare("steady", "sleep 1000")
	stranger := s.declare("paused", "sleep 1000", func(svc *panel.Service) { svc.Wanted = panel.WantedPaused })
	for _, x := range []panel.Service{svc, stranger} {
		// The number belongs to somebody else by now: to this test.
		start := panel.RunStart{Service: x.ID, Number: 4, Version: 1, At: time.Now(), Identity: panel.Identity{
			BootID: "another boot", PID: unix.Getpid(), StartTicks: 1, Marker: fmt.Sprintf("%s-%d-4", s.store.InstanceID(), x.ID)}}
		check(t, s.store.BeginRun(t.Context(), start))
	}
	s.enter()
	st := s.awaitState(svc.ID, panel.Running)
	if st.Run != 5 || st.LastExit.Kind != panel.EndUnknown || st.Failures != 0 {
		t.Errorf("status %+v, exit %+v", st, st.LastExit)
	}
	if st := s.status(stranger.ID); st.State != panel.Paused || st.Run != 4 {
		t.Errorf("status %+v of the paused one", st)
	}
}
