package supervisor

import (
	"errors"
	"testing"
	"time"

	"upkeep/internal/panel"
)

func TestRestart(t *testing.T) {
	dies := program{lives: forever, hangup: true}
	crash := program{code: 3}
	for _, c := range []struct {
		name     string
		programs []program
		before   time.Duration // it runs before it is restarted
		hard     bool
		meantime func(*stage, panel.ServiceID) error
		want     panel.RestartResult
		run      int
		state    panel.State // afterwards
	}{
		{"ended by SIGHUP", []program{dies}, time.Minute, false, nil, panel.Replaced, 2, panel.Running},
		{"in its start period", []program{dies}, time.Millisecond, false, nil, panel.Replaced, 2, panel.Running},
		{"takes no notice of SIGHUP", []program{steady}, time.Minute, false, nil, panel.Reloaded, 1, panel.Running},
		{"hard", []program{steady}, time.Minute, true, nil, panel.Replaced, 2, panel.Running},
		{"hard, takes no notice of SIGTERM", []program{{lives: forever, stops: forever}, steady}, time.Minute, true,
			nil, panel.Replaced, 2, panel.Running},
		{"the new run ends at once", []program{dies, crash, crash}, time.Minute, false, nil, panel.Failed, 2, panel.Backoff},
		{"hard, and the new run ends at once", []program{steady, crash, crash}, time.Minute, true,
			nil, panel.Failed, 2, panel.Backoff},
		{"the new run cannot be launched", []program{dies, {refuse: &panel.Exit{Step: panel.StepLookup, Errno: 2}}, steady},
			time.Minute, false, nil, panel.Failed, 2, panel.Starting},
		{"waits for its next try", []program{crash, crash, steady}, time.Millisecond, false, nil, panel.Started, 3, panel.Running},
		{"is being launched", []program{{takes: 5 * time.Second, lives: forever}}, time.Millisecond, false,
			nil, panel.Started, 1, panel.Running},
		{"paused meanwhile", []program{steady}, time.Minute, false,
			func(s *stage, id panel.ServiceID) error { return s.Pause(s.t.Context(), id, ann) },
			panel.Superseded, 1, panel.Paused},
		{"hard, paused meanwhile", []program{{lives: forever, stops: 3 * time.Second}}, time.Minute, true,
			func(s *stage, id panel.ServiceID) error { return s.Pause(s.t.Context(), id, ann) },
			panel.Superseded, 1, panel.Paused},
		{"removed meanwhile", []program{steady}, time.Minute, false,
			func(s *stage, id panel.ServiceID) error { return s.Remove(s.t.Context(), id) },
			panel.Superseded, 1, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			perform(t, inTurn(c.programs...), func(t *testing.T, s *stage) {
				id := s.add(1)
				s.pass(c.before)
				restart := ask(func() (panel.RestartOutcome, error) { return s.Restart(t.Context(), id, c.hard, ann) })
				if c.meantime != nil {
					if err := c.meantime(s, id); err != nil {
						t.Fatal(err)
					}
				}
				<-restart.done
				if restart.err != nil {
					t.Fatal(restart.err)
				}
				got := restart.answer
				if got.Result != c.want || got.Run != c.run || got.Hard != c.hard {
					t.Errorf("outcome %+v, want %s, run %d", got, c.want, c.run)
				}
				s.checkOutcome(id, got)
				s.pass(0)
				s.expect(id, c.state)
			})
		})
	}
}

// checkOutcome holds the details of an outcome against its word.
func (s *stage) checkOutcome(id panel.ServiceID, o panel.RestartOutcome) {
	s.t.Helper()
	pid := pidOf(id, o.Run)
	switch o.Result {
	case panel.Replaced:
		if o.PID != pid || o.OldPID != pidOf(id, o.Run-1) {
			s.t.Errorf("process %d instead of %d", o.PID, o.OldPID)
		}
	case panel.Reloaded:
		if o.PID != pid || o.OldPID != pid {
			s.t.Errorf("process %d, before %d; want %d", o.PID, o.OldPID, pid)
		}
	case panel.Failed:
		if o.PID != 0 || o.Exit == nil || o.Exit.Run != o.Run {
			s.t.Errorf("process %d, exit %+v; want the end of the new run", o.PID, o.Exit)
		}
	case panel.Started:
		if o.PID != pid || o.OldPID != 0 {
			s.t.Errorf("process %d, before %d; want %d and none", o.PID, o.OldPID, pid)
		}
	}
}

// An exit that somebody asked for is no failure, however often.
func TestRestartsCostNothing(t *testing.T) {
	perform(t, always(program{lives: forever, hangup: true}), func(t *testing.T, s *stage) {
		id := s.add(1)
		s.pass(time.Minute)
		for range 20 {
			if _, err := s.Restart(t.Context(), id, false, ann); err != nil {
				t.Fatal(err)
			}
		}
		if got := s.status(id); got.State != panel.Running || got.Run != 21 || got.Failures != 0 || !got.LastExit.Asked {
			t.Errorf("status %+v", got)
		}
	})
}

func TestRestartRefused(t *testing.T) {
	perform(t, always(program{lives: forever, stops: 3 * time.Second}), func(t *testing.T, s *stage) {
		id := s.add(1)
		s.pass(time.Minute)
		first := ask(func() (panel.RestartOutcome, error) { return s.Restart(t.Context(), id, false, ann) })
		if _, err := s.Restart(t.Context(), id, true, ann); !errors.Is(err, panel.ErrBusy) {
			t.Errorf("a second restart: %v", err)
		}
		if <-first.done; first.answer.Result != panel.Reloaded {
			t.Errorf("the first one: %+v, %v", first.answer, first.err)
		}
		pause := askErr(func() error { return s.Pause(t.Context(), id, ann) })
		if _, err := s.Restart(t.Context(), id, false, ann); !errors.Is(err, panel.ErrConflict) {
			t.Errorf("restart while it is being paused: %v", err)
		}
		<-pause.done
		if _, err := s.Restart(t.Context(), id, false, ann); !errors.Is(err, panel.ErrConflict) {
			t.Errorf("restart of a paused one: %v", err)
		}
		s.expect(id, panel.Paused)
	})
}

func TestRestartOfDisabled(t *testing.T) {
	perform(t, always(program{code: 1}), func(t *testing.T, s *stage) {
		id := s.add(1)
		s.pass(time.Hour)
		if _, err := s.Restart(t.Context(), id, true, ann); !errors.Is(err, panel.ErrConflict) {
			t.Errorf("restart of a disabled one: %v", err)
		}
		s.expect(id, panel.Disabled)
	})
}
