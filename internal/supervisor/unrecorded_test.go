package supervisor

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"upkeep/internal/panel"
	"upkeep/store"
)

// goBack puts an earlier copy in the place of the database, as a restore does.
func (s *site) goBack(copy string) {
	s.t.Helper()
	path := filepath.Join(s.dir, "upkeep.db")
	check(s.t, s.store.Close())
	_, err := store.Restore(s.t.Context(), path, copy, 0, time.Now())
	check(s.t, err)
	s.store, err = store.Open(s.t.Context(), path)
	check(s.t, err)
}

func (s *site) copyStore() string {
	s.t.Helper()
	copy := filepath.Join(s.dir, "copy.db")
	check(s.t, store.Backup(s.t.Context(), filepath.Join(s.dir, "upkeep.db"), copy, true))
	return copy
}

// Whatever an older journal says of a service: what runs is taken over, and not started a second time.
func TestTakeOverWithAnOlderJournal(t *testing.T) {
	onEachRung(t, func(t *testing.T, p plan) {
		s := newSite(t, p)
		// Each start of a service writes a line of its own.
		loop := "echo $$ >> %s.starts\nwhile :; do sleep 0.05; done"
		id := map[string]panel.ServiceID{}
		for _, name := range []string{"same", "restarted", "titled"} {
			id[name] = s.add(name, s.script(name, fmt.Sprintf(loop, name)))
		}
		forker := s.add("forker", s.script("forker",
			"echo $$ >> forker.starts\nsleep 1000 & sleep 0.1; setsid sleep 1000 & echo >> forked\nwait"))
		never := s.declare("never", s.script("never", fmt.Sprintf(loop, "never")))
		for _, x := range id {
			s.awaitState(x, panel.Running)
		}
		s.awaitState(forker, panel.Running)
		older := s.copyStore()

		again := map[string]panel.Status{}
		for _, name := range []string{"restarted", "titled"} {
			again[name] = s.restartHard(id[name])
		}
		again["same"] = s.status(id["same"])
		check(t, s.Add(t.Context(), never, s.account, ann))
		again["never"] = s.awaitState(never.ID, panel.Running)
		id["never"] = never.ID
		second := s.restartHard(forker)
		eventually(t, "its helpers run", func() bool { return strings.Count(s.read("forked"), "\n") == 2 && len(s.members(forker)) == 3 })
		left := s.members(forker)
		s.leave()
		s.killAndReap(second.PID) // its helpers stay
		s.goBack(older)
		s.enter()

		for name, before := range again {
			got := s.status(id[name])
			if got.State != panel.Running || got.PID != before.PID || got.Run != before.Run {
				t.Errorf("%s: %s, run %d, pid %d; want running, run %d, pid %d", name, got.State, got.Run, got.PID, before.Run, before.PID)
			}
			if d := got.StartedAt.Sub(before.StartedAt).Abs(); d.Seconds() > 1 {
				t.Errorf("%s: started at %v, want %v", name, got.StartedAt, before.StartedAt)
			}
		}
		third := s.await(forker, "in its third run", func(st panel.Status) bool { return st.Run == 3 && st.State == panel.Running })
		for _, pid := range s.members(forker) {
			if slices.Contains(left, pid) {
				t.Errorf("forker: process %d of the run before lives beside %d", pid, third.PID)
			}
		}
		// It is known from now on: by the record.
		s.leave()
		s.enter()
		for name, before := range again {
			if got := s.status(id[name]); got.PID != before.PID || got.Run != before.Run {
				t.Errorf("%s: pid %d, run %d after the next take-over, want %d, %d", name, got.PID, got.Run, before.PID, before.Run)
			}
			starts := strings.Fields(s.read(name + ".starts"))
			if len(starts) != before.Run {
				t.Errorf("%s was started %d times, want %d", name, len(starts), before.Run)
			}
		}
	})
}

// restartHard replaces the process of a service and returns the status of the new run.
func (s *site) restartHard(id panel.ServiceID) panel.Status {
	s.t.Helper()
	out, err := s.Restart(s.t.Context(), id, true, ann)
	check(s.t, err)
	if out.Result != panel.Replaced {
		s.t.Fatalf("restart of service %d: %+v", id, out)
	}
	return s.awaitState(id, panel.Running)
}

// A program that wrote over its environment is still known by where its output goes.
func TestTakeOverByOutputAlone(t *testing.T) {
	onEachRung(t, func(t *testing.T, p plan) {
		s := newSite(t, p)
		svc := s.declare("blank", s.script("blank", "echo $$ >> starts\nexec env -i sleep 1000"))
		older := s.copyStore()
		check(t, s.Add(t.Context(), svc, s.account, ann))
		before := s.awaitState(svc.ID, panel.Running)
		eventually(t, "its environment is empty", func() bool {
			env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", before.PID))
			return err == nil && len(env) == 0
		})
		s.leave()
		s.goBack(older)
		s.enter()
		if got := s.status(svc.ID); got.State != panel.Running || got.PID != before.PID || got.Run != 1 {
			t.Errorf("status %+v, want the process %d", got, before.PID)
		}
		if starts := strings.Fields(s.read("starts")); len(starts) != 1 {
			t.Errorf("started %d times", len(starts))
		}
		s.pause(svc.ID)
		eventually(t, "it is gone after a pause", func() bool { return unix.Kill(before.PID, 0) == unix.ESRCH })
	})
}

// Somebody else's process that carries the marker is not the service's.
func TestForgedMarkerOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can start processes as two users")
	}
	s := prepareSite(t, plan{noCgroup: true})
	svc := s.declare("steady", "sleep 1000")
	forger := s.forge(fmt.Sprintf("RUN_ID=%s-%d-7", s.store.InstanceID(), svc.ID))
	s.enter()
	if st := s.awaitState(svc.ID, panel.Running); st.Run != 1 || st.PID == forger.Process.Pid {
		t.Errorf("status %+v, the forger is %d", st, forger.Process.Pid)
	}
	s.leave()
	check(t, forger.Process.Kill())
	_ = forger.Wait() // of the signal, or reaped by the engine
	s.enter()
}

// forge starts a process of root with one variable.
func (s *site) forge(variable string) *exec.Cmd {
	s.t.Helper()
	cmd := exec.Command("sleep", "1000")
	cmd.Env = []string{variable}
	check(s.t, cmd.Start())
	return cmd
}
