package supervisor

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"upkeep/internal/panel"
)

func TestTakeOver(t *testing.T) {
	crash := program{code: 1}
	for _, c := range []struct {
		name    string
		program []program
		before  func(*stage, panel.ServiceID) // the engine ends
		between func(*stage, panel.ServiceID) // upkeep is away
		state   panel.State                   // right after the take-over
		settled panel.State                   // an hour later
		run     int
		starts  int // by the new engine, in that hour
		failed  int // failures, right after
	}{
		{name: "runs", program: []program{steady}, state: panel.Running, settled: panel.Running, run: 1},
		{name: "ended meanwhile, status known", program: []program{steady},
			between: func(s *stage, id panel.ServiceID) {
				s.host.lost[id] = &panel.Exit{Kind: panel.EndExited, Code: 3, At: time.Now()}
				s.host.die(id, 1, panel.Exit{Kind: panel.EndExited, Code: 3})
			}, state: panel.Starting, settled: panel.Running, run: 2, starts: 1, failed: 1},
		{name: "ended meanwhile, status lost", program: []program{steady},
			between: func(s *stage, id panel.ServiceID) { s.host.die(id, 1, panel.Exit{}) },
			state:   panel.Starting, settled: panel.Running, run: 2, starts: 1},
		{name: "ended meanwhile, a helper is left", program: []program{{lives: forever, strays: true}, steady},
			between: func(s *stage, id panel.ServiceID) { s.host.die(id, 1, panel.Exit{Kind: panel.EndExited}) },
			state:   panel.Stopping, settled: panel.Running, run: 1, starts: 1},
		{name: "waits for its next try", program: []program{crash, crash, crash, crash, steady},
			before: func(s *stage, id panel.ServiceID) { s.pass(4 * time.Second) },
			state:  panel.Backoff, settled: panel.Running, run: 4, starts: 1, failed: 4},
		{name: "is paused", program: []program{steady},
			before: func(s *stage, id panel.ServiceID) { check(s.t, pausing(s, id)) },
			state:  panel.Paused, settled: panel.Paused, run: 1},
		{name: "was being paused", program: []program{{lives: forever, stops: forever}},
			before: func(s *stage, id panel.ServiceID) { askErr(func() error { return pausing(s, id) }) },
			state:  panel.Stopping, settled: panel.Paused, run: 1},
		{name: "is disabled", program: []program{crash},
			before: func(s *stage, id panel.ServiceID) { s.pass(time.Hour) },
			state:  panel.Disabled, settled: panel.Disabled, run: 10, failed: 10},
		{name: "was being restarted", program: []program{{lives: forever, stops: 5 * time.Second}},
			before: func(s *stage, id panel.ServiceID) { askErr(func() error { return restartingHard(s, id) }) },
			state:  panel.Running, settled: panel.Running, run: 1, starts: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			perform(t, inTurn(c.program...), func(t *testing.T, s *stage) {
				id := s.add(1)
				s.pass(2 * time.Second)
				if c.before != nil {
					c.before(s, id)
				}
				s.leave()
				if c.between != nil {
					c.between(s, id)
				}
				starts := len(s.host.launches(id))
				s.enter(panel.DefaultPolicy())
				s.pass(0)
				s.expect(id, c.state)
				if got := s.status(id); got.Run != c.run || got.Failures != c.failed {
					t.Errorf("run %d, %d failures; want run %d, %d failures", got.Run, got.Failures, c.run, c.failed)
				}
				s.pass(time.Hour)
				s.expect(id, c.settled)
				if n := len(s.host.launches(id)) - starts; n != c.starts {
					t.Errorf("%d starts after the take-over, want %d", n, c.starts)
				}
			})
		})
	}
}

// An exit after the take-over is one like any other.
func TestExitAfterTakeOver(t *testing.T) {
	perform(t, inTurn(program{lives: time.Minute, code: 4}, steady), func(t *testing.T, s *stage) {
		id := s.add(1)
		s.pass(2 * time.Second)
		s.leave()
		s.enter(panel.DefaultPolicy())
		if got := s.status(id); got.PID != pidOf(id, 1) || got.StartedAt.IsZero() {
			t.Errorf("status %+v, want the process as it was", got)
		}
		s.pass(2 * time.Minute)
		got := s.status(id)
		if got.Run != 2 || got.LastExit == nil || got.LastExit.Code != 4 || got.LastExit.Uptime != time.Minute {
			t.Errorf("status %+v, exit %+v", got, got.LastExit)
		}
		want := []panel.EventKind{panel.EventStarted, panel.EventAdopted, panel.EventEnded, panel.EventStarted}
		if got := s.journal.kinds(id); !slices.Equal(got, want) {
			t.Errorf("history %v, want %v", got, want)
		}
	})
}

// A journal that cannot be read ends the engine before it starts anything.
func TestTakeOverWithoutJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFakeHost(t, newMemory(), always(steady))
		e := newEngine(panel.DefaultPolicy(), broken{h.journal}, func(n notify) host { h.notify = n; return h },
			slog.New(slog.DiscardHandler))
		if err := e.Run(t.Context()); err == nil {
			t.Error("no error")
		}
		if err := e.Pause(t.Context(), 1, ann); err != ErrStopped {
			t.Errorf("a request afterwards: %v", err)
		}
	})
}

// broken is a Journal that forgot its services.
type broken struct{ *memory }

func (broken) AllServices(context.Context) ([]panel.Service, error) {
	return nil, context.DeadlineExceeded
}
