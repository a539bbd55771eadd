package supervisor

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"upkeep/internal/panel"
	"upkeep/internal/process"
)

// The wall clock was a day ahead, or behind, when something was stored. No service waits for longer than the policy
// says, none is disabled for failures of another time, and what counts is told by a clock that nobody sets.
func TestRestoreAfterAClockJump(t *testing.T) {
	const day = 24 * time.Hour
	policy := panel.DefaultPolicy()
	for _, tt := range []struct {
		name     string
		jump     time.Duration // of the clock that stored, ahead of the one that reads
		state    panel.State
		wait     time.Duration // until the next try, at most
		failures int
	}{
		{"none", 0, panel.Backoff, 20 * time.Second, 9},
		{"a day ahead", day, panel.Backoff, 33 * time.Second, 0},
		{"a day behind", -day, panel.Starting, 0, 9}, // the first to come looks how old they are
		{"a moment ahead", 3 * time.Second, panel.Backoff, 23 * time.Second, 7},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now := time.Now()
			rec := panel.Recovery{RunStart: panel.RunStart{Number: 7}}
			// As the store gives them back: of the wall clock alone.
			rec.NextTry = now.Add(tt.jump + 20*time.Second).Round(0)
			for i := range 9 {
				rec.Failures = append(rec.Failures, now.Add(tt.jump-time.Duration(9-i)*time.Second-time.Millisecond).Round(0))
			}
			m := newMachine(&policy, sameDelay, panel.WantedOn, now)
			m.restore(rec, now)
			m.on(evBoot{cause: panel.CauseBoot}, now)
			if m.state() != tt.state {
				t.Fatalf("state %s, want %s", m.state(), tt.state)
			}
			if m.state() == panel.Backoff {
				if wait := m.next().Sub(now); wait <= 0 || wait > tt.wait {
					t.Errorf("the next try is %v away, want at most %v", wait, tt.wait)
				}
				if !monotonic(m.next()) {
					t.Error("the next try moves with the wall clock")
				}
				m.on(evDeadline{}, m.next())
			}
			if got := len(m.pace.Failures); got != tt.failures {
				t.Errorf("%d failures, want %d", got, tt.failures)
			}
			for _, at := range m.pace.Failures {
				if !monotonic(at) {
					t.Error("a failure moves with the wall clock")
				}
			}
			// One more failure disables only whom nine real ones of the last minutes have brought near to it.
			m.on(evLaunched{run: m.run, pid: 1, at: now}, now)
			m.on(evExited{m.run, panel.Exit{Kind: panel.EndExited, Code: 1, At: now.Add(time.Second)}}, now.Add(time.Second))
			m.on(evInspected{run: m.run}, now.Add(time.Second))
			if want := tt.jump == 0; (m.state() == panel.Disabled) != want {
				t.Errorf("state %s after another failure", m.state())
			}
		})
	}
}

// monotonic reports whether a time is also told by the clock that nobody sets.
func monotonic(t time.Time) bool { return t != t.Round(0) }

// A program that upkeep takes over began when it did, whatever the wall clock was then.
func TestStartAfterAClockJump(t *testing.T) {
	ticks, err := process.StartTicks(unix.Getpid())
	check(t, err)
	age, err := process.Age(ticks)
	check(t, err)
	now := time.Now()
	made := now.Add(-age)
	const slack = 100 * time.Millisecond // of a clock tick, and of this test
	for name, c := range map[string]struct{ stored, want time.Time }{
		"right":           {made.Add(age / 2), made.Add(age / 2)},
		"a day ahead":     {now.Add(24 * time.Hour), made},
		"a day behind":    {now.Add(-24 * time.Hour), made},
		"an hour behind":  {made.Add(-time.Hour), made},
		"a second behind": {made.Add(-time.Second), made},
	} {
		rec := panel.Recovery{RunStart: panel.RunStart{At: c.stored.Round(0), Identity: panel.Identity{PID: 1, StartTicks: ticks}}}
		got := startOf(rec, now, true)
		if diff := got.Sub(c.want).Abs(); diff > slack || !monotonic(got) {
			t.Errorf("%s: %v away from the start, monotonic %v", name, diff, monotonic(got))
		}
	}
}

// The same for real: what the store holds is of a clock that was wrong by a day.
func TestTakeOverAfterAClockJump(t *testing.T) {
	for name, jump := range map[string]time.Duration{"ahead": 24 * time.Hour, "behind": -24 * time.Hour} {
		t.Run("a day "+name, func(t *testing.T) {
			policy := quick()
			policy.Backoff = []time.Duration{200 * time.Millisecond}
			s := newSite(t, plan{policy: policy})
			steady := s.add("steady", "sleep 1000")
			before := s.awaitState(steady, panel.Running)
			s.leave()
			// The steady one began, and the waiting one failed nine times, by the clock of then.
			check(t, s.restamp(steady, before, jump))
			waiting := s.declare("waiting", "sleep 1000")
			pace := panel.Pace{NextTry: time.Now().Add(jump + 100*time.Millisecond), Tries: 3}
			for i := range 9 {
				pace.Failures = append(pace.Failures, time.Now().Add(jump-time.Duration(i)*time.Second))
			}
			exit := panel.Exit{Kind: panel.EndExited, Code: 1, Run: 3, At: time.Now().Add(jump)}
			check(t, s.store.BeginRun(t.Context(), panel.RunStart{Service: waiting.ID, Number: 3, Version: 1, At: exit.At}))
			check(t, s.store.EndRun(t.Context(), waiting.ID, exit, pace))
			begun := time.Now()
			s.enter()
			after := s.status(steady)
			if after.PID != before.PID || after.State != panel.Running || after.StartedAt.Before(before.StartedAt.Add(-time.Second)) ||
				after.StartedAt.After(begun) {
				t.Errorf("status %+v, before %+v", after, before)
			}
			st := s.awaitState(waiting.ID, panel.Running)
			if waited := time.Since(begun); waited > 30*time.Second || st.Run != 4 {
				t.Errorf("run %d after %v", st.Run, waited)
			}
			send(t, st.PID, unix.SIGKILL)
			st = s.await(waiting.ID, "in its fifth run", func(st panel.Status) bool { return st.Run == 5 && st.State == panel.Running })
			if st.Failures != 1 {
				t.Errorf("%d failures, want the one of now", st.Failures)
			}
		})
	}
}

// restamp stores the start of the run that lives as a clock would have told it that is wrong by jump.
func (s *site) restamp(id panel.ServiceID, st panel.Status, jump time.Duration) error {
	recs, err := s.store.Recoveries(s.t.Context())
	if err != nil {
		return err
	}
	for _, rec := range recs {
		if rec.Service == id {
			start := rec.RunStart
			start.At = st.StartedAt.Add(jump)
			start.Number++ // a run is stored once
			return s.store.BeginRun(s.t.Context(), start)
		}
	}
	return fmt.Errorf("service %d: %w", id, panel.ErrNotFound)
}

// Without the loop that sees exits there is no engine: it ends, and with it upkeep, which whoever started it starts
// again.
func TestEngineEndsWithItsHost(t *testing.T) {
	broken := errors.New("epoll_wait: no")
	synctest.Test(t, func(t *testing.T) {
		h := newFakeHost(t, newMemory(), always(steady))
		e := newEngine(panel.DefaultPolicy(), h.journal, func(n notify) host { h.notify = n; return h },
			slog.New(slog.DiscardHandler))
		ended := make(chan error, 1)
		go func() { ended <- e.Run(t.Context()) }()
		<-e.Ready()
		svc, owner := h.journal.declare(1, panel.WantedOn)
		check(t, e.Add(t.Context(), svc, owner, ann))
		time.Sleep(time.Minute)
		h.breaks <- broken
		if err := <-ended; !errors.Is(err, broken) {
			t.Errorf("the engine ended with %v, want %v", err, broken)
		}
		if err := e.Pause(t.Context(), svc.ID, ann); !errors.Is(err, ErrStopped) {
			t.Errorf("a request afterwards: %v", err)
		}
		if !h.lives(svc.ID) {
			t.Error("the program has not survived")
		}
	})
}

// The same for real: the epoll set goes bad under the loop that waits in it.
func TestEngineEndsWithItsPoller(t *testing.T) {
	s := prepareSite(t, plan{})
	s.declare("steady", "sleep 1000")
	engine, leave, err := open(s.dir, s.plan, s.store)
	check(t, err)
	<-engine.Ready()
	s.Engine = engine
	pid := s.awaitState(1, panel.Running).PID
	poll := engine.host.(*realHost).poll
	null, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
	check(t, err)
	defer unix.Close(null)
	check(t, unix.Dup3(null, poll.epoll, unix.O_CLOEXEC))
	poll.wake()
	<-engine.stopped
	if err := leave(); !errors.Is(err, unix.EINVAL) {
		t.Errorf("the engine ended with %v", err)
	}
	s.enter() // what whoever started upkeep does
	if st := s.status(1); st.State != panel.Running || st.PID != pid {
		t.Errorf("status %+v, want the process %d as before", st, pid)
	}
}
