package supervisor

import (
	"slices"
	"testing"
	"time"

	"upkeep/internal/panel"
)

// monitored adds a service with a monitoring command, edited before it starts.
func (s *stage) monitored(edit func(*panel.Definition)) panel.ServiceID {
	s.t.Helper()
	svc, owner := s.journal.declare(1, panel.WantedOn)
	svc.Monitoring.Command = "check"
	if edit != nil {
		edit(&svc.Definition)
	}
	if err := s.Add(s.t.Context(), svc, owner, ann); err != nil {
		s.t.Fatal(err)
	}
	return svc.ID
}

// sickUntil is a service whose check fails until a time.
func sickUntil(at time.Time) func(panel.Service, bool) panel.Check {
	return func(panel.Service, bool) panel.Check {
		if time.Now().Before(at) {
			return panel.Check{Outcome: panel.CheckFailed, Code: 2}
		}
		return panel.Check{Outcome: panel.CheckOK}
	}
}

func TestChecksComeInTime(t *testing.T) {
	perform(t, always(steady), func(t *testing.T, s *stage) {
		begun := time.Now()
		id := s.monitored(nil)
		s.pass(29 * time.Second)
		if len(s.host.checks()) != 0 {
			t.Errorf("checked %v after the start, within the grace", s.host.checks()[0].Sub(begun))
		}
		s.pass(2*time.Minute + 2*time.Second)
		var at []time.Duration
		for _, c := range s.host.checks() {
			at = append(at, c.Sub(begun))
		}
		if want := seconds(30, 90, 150); !slices.Equal(at, want) {
			t.Errorf("checked at %v, want %v", at, want)
		}
		s.expect(id, panel.Running)
		if c := s.status(id).Check; c == nil || c.Outcome != panel.CheckOK || c.Run != 1 {
			t.Errorf("the status has the check %+v, want one that is ok", c)
		}
		if kept := s.journal.checks[id]; len(kept) != 3 {
			t.Errorf("%d results are kept, want 3", len(kept))
		}
	})
}

// TestSickIsRestarted: SIGHUP first; a process that is still there and still sick is stopped and started.
func TestSickIsRestarted(t *testing.T) {
	perform(t, always(program{lives: forever, stops: time.Second}), func(t *testing.T, s *stage) {
		s.host.verdict = sickUntil(time.Now().Add(95 * time.Second))
		id := s.monitored(nil)
		s.pass(31 * time.Second)
		s.expect(id, panel.Unhealthy)
		if st := s.status(id); !st.Restarting || st.Failures != 1 {
			t.Errorf("after a failed check: restarting %t, %d failures, want a restart that counts", st.Restarting, st.Failures)
		}
		s.pass(6 * time.Second)
		if st := s.status(id); st.Restarting || st.Run != 1 {
			t.Errorf("reloaded: restarting %t, run %d; want run 1 to go on", st.Restarting, st.Run)
		}
		s.pass(60 * time.Second) // the next check fails too
		if st := s.status(id); st.Run != 2 || st.State != panel.Running || st.Failures != 2 {
			t.Errorf("after the second failure: %s, run %d, %d failures; want run 2 running with 2", st.State, st.Run, st.Failures)
		}
		s.pass(time.Minute)
		s.expect(id, panel.Running)
		want := []panel.EventKind{panel.EventStarted, panel.EventUnhealthy, panel.EventRestartAsk, panel.EventRestarted,
			panel.EventRestartAsk, panel.EventEnded, panel.EventStarted, panel.EventRestarted}
		if got := s.journal.kinds(id); !slices.Equal(got, want) {
			t.Errorf("history: got %v, want %v", got, want)
		}
	})
}

func TestSickHeals(t *testing.T) {
	perform(t, always(steady), func(t *testing.T, s *stage) {
		s.host.verdict = sickUntil(time.Now().Add(100 * time.Second))
		id := s.monitored(func(d *panel.Definition) { d.Monitoring.Failures = 3 })
		s.pass(91 * time.Second)
		s.expect(id, panel.Unhealthy)
		if st := s.status(id); st.Failing != 2 || st.Tolerated != 3 || st.Failures != 0 || st.Restarting {
			t.Errorf("got %d of %d failing, %d failures, want 2 of 3 and none", st.Failing, st.Tolerated, st.Failures)
		}
		s.pass(time.Minute)
		s.expect(id, panel.Running)
		if got := s.journal.kinds(id); !slices.Contains(got, panel.EventHealthy) {
			t.Errorf("history: %v, want it to say that the service is well again", got)
		}
	})
}

// TestNeverWellIsDisabled: restarts by monitoring use the budget.
func TestNeverWellIsDisabled(t *testing.T) {
	perform(t, always(program{lives: forever, hangup: true}), func(t *testing.T, s *stage) {
		s.host.verdict = sickUntil(time.Now().Add(time.Hour))
		id := s.monitored(func(d *panel.Definition) {
			d.Monitoring.Grace, d.Monitoring.Interval = time.Second, 10*time.Second
			d.Budget.Failures = 4
		})
		s.pass(2 * time.Minute)
		s.expect(id, panel.Disabled)
		if n := len(s.host.launches(id)); n != 4 {
			t.Errorf("launched %d times, want 4", n)
		}
		if s.host.lives(id) {
			t.Error("something of a disabled service lives")
		}
	})
}

// TestNotRunIsNoFailure: a check that cannot be run says nothing about the service.
func TestNotRunIsNoFailure(t *testing.T) {
	perform(t, always(steady), func(t *testing.T, s *stage) {
		s.host.verdict = func(panel.Service, bool) panel.Check {
			return panel.Check{Outcome: panel.CheckNotRun, Detail: "nc: not found"}
		}
		id := s.monitored(nil)
		s.pass(10 * time.Minute)
		s.expect(id, panel.Running)
		if st := s.status(id); st.Failures != 0 || st.Run != 1 || st.Check == nil || st.Check.Detail == "" {
			t.Errorf("got run %d, %d failures, check %+v; want run 1, none, and why it could not be run", st.Run, st.Failures, st.Check)
		}
	})
}

// TestUselessCheck finds a check that succeeds while the service is stopped, once for a definition.
func TestUselessCheck(t *testing.T) {
	perform(t, always(program{lives: forever, stops: time.Second}), func(t *testing.T, s *stage) {
		id := s.monitored(nil)
		s.pass(2 * time.Second)
		for range 2 {
			if err := s.Pause(t.Context(), id, ann); err != nil {
				t.Fatal(err)
			}
			s.pass(2 * time.Second)
			if st := s.status(id); !st.Useless || st.State != panel.Paused {
				t.Errorf("paused: %s, useless %t", st.State, st.Useless)
			}
			if err := s.Start(t.Context(), id, ann); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(s.host.checks()); n != 1 {
			t.Errorf("tried %d times while stopped, want once", n)
		}
	})
	perform(t, always(program{lives: forever, stops: time.Second}), func(t *testing.T, s *stage) {
		s.host.verdict = func(_ panel.Service, lives bool) panel.Check {
			if lives {
				return panel.Check{Outcome: panel.CheckOK}
			}
			return panel.Check{Outcome: panel.CheckFailed, Code: 1}
		}
		id := s.monitored(nil)
		s.pass(2 * time.Second)
		if err := s.Pause(t.Context(), id, ann); err != nil {
			t.Fatal(err)
		}
		s.pass(2 * time.Second)
		if st := s.status(id); st.Useless {
			t.Error("a check that fails while the service is stopped is called useless")
		}
	})
}

// TestChecksAreBounded: a thousand slow checks leave the machine and each other alone.
func TestChecksAreBounded(t *testing.T) {
	perform(t, always(steady), func(t *testing.T, s *stage) {
		s.host.verdict = func(panel.Service, bool) panel.Check {
			return panel.Check{Outcome: panel.CheckOK, Took: 9 * time.Second}
		}
		for range 60 {
			s.monitored(nil)
		}
		s.pass(31 * time.Second)
		if err := s.Pause(t.Context(), 7, ann); err != nil { // a stop does not wait for a check
			t.Fatal(err)
		}
		s.pass(29 * time.Second)
		if s.host.mostChecks() != maxChecks || len(s.host.checks()) != 60 {
			t.Errorf("%d checks at once of %d, want %d of 60", s.host.mostChecks(), len(s.host.checks()), maxChecks)
		}
	})
}

// TestTakeOverSpreadsChecks: what was running long before is not checked all at once.
func TestTakeOverSpreadsChecks(t *testing.T) {
	perform(t, always(steady), func(t *testing.T, s *stage) {
		for range 50 {
			id := s.monitored(nil)
			s.journal.services[id-1].Monitoring.Command = "check"
		}
		s.pass(time.Hour)
		s.leave()
		s.host.forgetChecks()
		s.enter(panel.DefaultPolicy())
		s.pass(time.Minute)
		if n := len(s.host.checks()); n != 50 {
			t.Fatalf("%d checks in the first minute, want 50", n)
		}
		for i := range 6 {
			from := s.host.checks()[0].Add(time.Duration(i) * 9 * time.Second)
			n := 0
			for _, at := range s.host.checks() {
				if !at.Before(from) && at.Before(from.Add(10*time.Second)) {
					n++
				}
			}
			if n > 15 {
				t.Errorf("%d of 50 checks in ten seconds of a minute", n)
			}
		}
	})
}

// TestProbation tries a disabled service again, with a budget of one failure, and not for ever.
func TestProbation(t *testing.T) {
	perform(t, always(program{lives: time.Millisecond, code: 1}), func(t *testing.T, s *stage) {
		id := s.monitored(func(d *panel.Definition) { d.Budget.Failures, d.Budget.Probation = 3, 10*time.Minute })
		s.pass(time.Minute)
		s.expect(id, panel.Disabled)
		if n := len(s.host.launches(id)); n != 3 {
			t.Fatalf("launched %d times before it was disabled, want 3", n)
		}
		if next := s.status(id).NextTry; next.IsZero() {
			t.Error("nobody can see when it is tried again")
		}
		s.pass(10 * time.Minute)
		s.expect(id, panel.Disabled)
		if n := len(s.host.launches(id)); n != 4 {
			t.Errorf("launched %d times after one trial, want 4", n)
		}
		s.pass(24 * time.Hour)
		if n := len(s.host.launches(id)); n != 3+panel.MaxProbationTries {
			t.Errorf("launched %d times in the end, want %d", n, 3+panel.MaxProbationTries)
		}
	})
	perform(t, inTurn(program{code: 1}, program{code: 1}, steady), func(t *testing.T, s *stage) {
		id := s.monitored(func(d *panel.Definition) { d.Budget.Failures, d.Budget.Probation = 2, 10*time.Minute })
		s.pass(11 * time.Minute)
		s.expect(id, panel.Running)
		if got := s.journal.kinds(id); !slices.Contains(got, panel.EventEnabled) {
			t.Errorf("history: %v, want it to say that the rule enabled it", got)
		}
	})
}

// TestEditChangesChecks: monitoring applies at once, also to a run that lives.
func TestEditChangesChecks(t *testing.T) {
	perform(t, always(steady), func(t *testing.T, s *stage) {
		id := s.monitored(func(d *panel.Definition) { d.Monitoring = panel.Monitoring{} })
		s.pass(time.Hour)
		if len(s.host.checks()) != 0 {
			t.Fatal("a service without a monitoring command was checked")
		}
		svc := s.journal.services[id-1]
		svc.Monitoring = panel.Monitoring{Command: "check", Interval: 20 * time.Second}
		if err := s.Update(t.Context(), svc); err != nil {
			t.Fatal(err)
		}
		s.pass(time.Minute)
		if n := len(s.host.checks()); n < 3 {
			t.Errorf("%d checks in a minute after the edit, want at least 3", n)
		}
		svc.Monitoring = panel.Monitoring{}
		if err := s.Update(t.Context(), svc); err != nil {
			t.Fatal(err)
		}
		s.host.forgetChecks()
		s.pass(time.Hour)
		if n := len(s.host.checks()); n != 0 {
			t.Errorf("%d checks after monitoring was taken away", n)
		}
	})
}
