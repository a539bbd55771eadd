package supervisor

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"upkeep/internal/panel"
)

var ann = panel.Actor{Kind: panel.ActorPerson, User: 1, Name: "ann@example.org"}

// stage is an engine on the fake host. It exists inside a bubble of synctest, where time passes only while nobody
// has anything to do; a goroutine that is left behind fails the test.
type stage struct {
	*Engine
	t       *testing.T
	host    *fakeHost
	journal *memory
	leave   func() // ends the engine as a restart of upkeep would
}

// perform runs a test in a bubble, on a stage where every run of every service is program.
func perform(t *testing.T, program func(panel.ServiceID, int) program, test func(*testing.T, *stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		journal := newMemory()
		s := &stage{t: t, journal: journal, host: newFakeHost(t, journal, program)}
		s.enter(panel.DefaultPolicy())
		test(t, s)
	})
}

func always(p program) func(panel.ServiceID, int) program {
	return func(panel.ServiceID, int) program { return p }
}

// inTurn gives run n the n-th program, and the last one to all that follow.
func inTurn(programs ...program) func(panel.ServiceID, int) program {
	return func(_ panel.ServiceID, run int) program { return programs[min(run, len(programs))-1] }
}

// enter puts a new engine on the stage.
func (s *stage) enter(policy panel.Policy) {
	s.Engine = newEngine(policy, s.journal, func(n notify) host { s.host.notify = n; return s.host }, slog.New(slog.DiscardHandler))
	s.Engine.jitter = sameDelay
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Engine.Run(ctx) }()
	left := false
	s.leave = func() {
		if left {
			return
		}
		left = true
		cancel()
		if err := <-ended; err != nil {
			s.t.Errorf("Run: %v", err)
		}
	}
	s.t.Cleanup(s.leave)
	<-s.Engine.Ready()
}

// add adds a service of the account that is wanted on.
func (s *stage) add(acct panel.AccountID) panel.ServiceID {
	s.t.Helper()
	svc, owner := s.journal.declare(acct, panel.WantedOn)
	if err := s.Add(s.t.Context(), svc, owner, ann); err != nil {
		s.t.Fatal(err)
	}
	return svc.ID
}

// pass lets time go by and waits until everything that it leads to has happened.
func (s *stage) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (s *stage) status(id panel.ServiceID) panel.Status {
	s.t.Helper()
	all, err := s.Status(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	return all[id]
}

func (s *stage) expect(id panel.ServiceID, want panel.State) {
	s.t.Helper()
	if got := s.status(id).State; got != want {
		s.t.Errorf("service %d is %s, want %s", id, got, want)
	}
}

// asked is a request that another goroutine has made.
type asked[T any] struct {
	done   chan struct{}
	answer T
	err    error
}

// ask makes a request without waiting for the answer.
func ask[T any](request func() (T, error)) *asked[T] {
	a := &asked[T]{done: make(chan struct{})}
	go func() {
		defer close(a.done)
		a.answer, a.err = request()
	}()
	synctest.Wait()
	return a
}

func askErr(request func() error) *asked[struct{}] {
	return ask(func() (struct{}, error) { return struct{}{}, request() })
}

func (a *asked[T]) answered() bool {
	synctest.Wait()
	select {
	case <-a.done:
		return true
	default:
		return false
	}
}

// gaps are the times between launches.
func gaps(all []begun) []time.Duration {
	var out []time.Duration
	for i := 1; i < len(all); i++ {
		out = append(out, all[i].at.Sub(all[i-1].at))
	}
	return out
}

func seconds(list ...int) []time.Duration {
	out := make([]time.Duration, len(list))
	for i, s := range list {
		out[i] = time.Duration(s) * time.Second
	}
	return out
}

func TestDelays(t *testing.T) {
	perform(t, always(program{code: 1}), func(t *testing.T, s *stage) {
		s.leave()
		policy := panel.DefaultPolicy()
		policy.BudgetLimit = 1000
		s.enter(policy)
		id := s.add(1)
		s.pass(time.Hour)
		got := gaps(s.host.launches(id))
		if want := seconds(0, 1, 2, 4, 8, 16, 30, 30); !slices.Equal(got[:8], want) {
			t.Errorf("delays %v, want %v", got[:8], want)
		}
		if rest := slices.Compact(got[6:]); len(rest) != 1 {
			t.Errorf("delays after the seventh: %v, want only 30 s", rest)
		}
		if n := len(got); n < 120 || n > 126 {
			t.Errorf("%d starts in an hour", n)
		}
	})
}

// A run that was up for a minute puts the delay back.
func TestDelayDecays(t *testing.T) {
	crash, long := program{code: 1}, program{lives: 61 * time.Second, code: 1}
	perform(t, inTurn(crash, crash, crash, long, crash, crash, steady), func(t *testing.T, s *stage) {
		id := s.add(1)
		s.pass(10 * time.Minute)
		got := gaps(s.host.launches(id))
		want := []time.Duration{0, time.Second, 2 * time.Second, 61 * time.Second, time.Second, 2 * time.Second}
		if !slices.Equal(got, want) {
			t.Errorf("delays %v, want %v", got, want)
		}
	})
}

func TestBudget(t *testing.T) {
	for _, c := range []struct {
		lives    time.Duration
		disabled bool
	}{
		{0, true}, {20 * time.Millisecond, true}, {1500 * time.Millisecond, true}, {61 * time.Second, false},
	} {
		t.Run(c.lives.String(), func(t *testing.T) {
			perform(t, always(program{lives: c.lives, code: 1}), func(t *testing.T, s *stage) {
				id := s.add(1)
				s.pass(time.Hour)
				if !c.disabled {
					s.expect(id, panel.Running)
					return
				}
				s.expect(id, panel.Disabled)
				if n := len(s.host.launches(id)); n != 10 {
					t.Errorf("%d starts, want 10", n)
				}
				if got := s.journal.wanted(id); got != panel.WantedDisabled {
					t.Errorf("stored as wanted: %s", got)
				}
				if got := s.status(id); got.Failures != 10 || got.LastExit == nil || got.LastExit.Code != 1 {
					t.Errorf("status %+v does not say why", got)
				}
			})
		})
	}
}

// A person who enables a service again gives it a full budget.
func TestEnable(t *testing.T) {
	perform(t, always(program{code: 1}), func(t *testing.T, s *stage) {
		id := s.add(1)
		s.pass(time.Hour)
		if err := s.Start(t.Context(), id, ann); err != nil {
			t.Fatal(err)
		}
		s.expect(id, panel.Backoff)
		s.pass(time.Hour)
		s.expect(id, panel.Disabled)
		if n := len(s.host.launches(id)); n != 20 {
			t.Errorf("%d starts, want 20", n)
		}
	})
}

func TestHostErrorsKeepTheBudget(t *testing.T) {
	full := &panel.Exit{Step: panel.StepFork, Host: true}
	programs := slices.Repeat([]program{{refuse: full}}, 40)
	perform(t, inTurn(append(programs, steady)...), func(t *testing.T, s *stage) {
		id := s.add(1)
		s.pass(30 * time.Second)
		s.expect(id, panel.Backoff)
		if got := s.status(id); got.Failures != 0 || got.LastExit == nil || got.LastExit.Step != panel.StepFork {
			t.Errorf("status %+v, want no failure and the step", got)
		}
		s.pass(10 * time.Minute)
		s.expect(id, panel.Running)
		if worst := slices.Max(gaps(s.host.launches(id))); worst > 5*time.Second {
			t.Errorf("a delay of %v after the host's own error", worst)
		}
	})
}

func TestCleanEnd(t *testing.T) {
	perform(t, inTurn(program{lives: time.Minute}, program{lives: time.Minute}, steady), func(t *testing.T, s *stage) {
		id := s.add(1)
		s.pass(time.Hour)
		if got, want := gaps(s.host.launches(id)), seconds(60, 60); !slices.Equal(got, want) {
			t.Errorf("starts %v apart, want %v", got, want)
		}
		if got := s.status(id); got.Failures != 0 || !got.LastExit.Clean {
			t.Errorf("status %+v, want a clean end", got)
		}
	})
}

// A helper that outlives the main process is stopped before anything new is started; the fake host looks after that.
func TestStrays(t *testing.T) {
	perform(t, inTurn(program{lives: time.Second, strays: true}, steady), func(t *testing.T, s *stage) {
		id := s.add(1)
		s.pass(5 * time.Second)
		s.expect(id, panel.Stopping)
		s.pass(time.Minute)
		s.expect(id, panel.Running)
		if got := s.status(id); got.Run != 2 || !got.LastExit.LeftForeground || got.Failures != 1 {
			t.Errorf("status %+v, want that run 1 left the foreground", got)
		}
	})
}

// What cannot be killed is named, and not called paused.
func TestUnkillable(t *testing.T) {
	perform(t, always(program{lives: forever, tough: forever}), func(t *testing.T, s *stage) {
		id := s.add(1)
		s.pass(time.Minute)
		pause := askErr(func() error { return s.Pause(t.Context(), id, ann) })
		s.pass(time.Hour)
		if got := s.status(id); got.State != panel.Stopping || !slices.Equal(got.LeftOver, []panel.Remnant{{PID: pidOf(id, 1), State: panel.WaitingForDisk}}) {
			t.Errorf("status %+v, want the process named", got)
		}
		if pause.answered() {
			t.Error("the pause is answered")
		}
		s.leave()
		if !pause.answered() || !errors.Is(pause.err, ErrStopped) {
			t.Errorf("after the end of the engine the pause is answered with %v", pause.err)
		}
	})
}

func TestUnknownService(t *testing.T) {
	perform(t, always(steady), func(t *testing.T, s *stage) {
		_, restart := s.Restart(t.Context(), 77, false, ann)
		for name, err := range map[string]error{
			"start": s.Start(t.Context(), 77, ann), "pause": s.Pause(t.Context(), 77, ann), "restart": restart,
			"remove": s.Remove(t.Context(), 77), "update": s.Update(t.Context(), panel.Service{ID: 77}),
		} {
			if !errors.Is(err, panel.ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestUpdateAppliesToTheNextRun(t *testing.T) {
	perform(t, always(program{lives: forever, hangup: true}), func(t *testing.T, s *stage) {
		id := s.add(1)
		s.pass(time.Minute)
		edited := s.journal.services[id-1]
		edited.Version = 2
		if err := s.Update(t.Context(), edited); err != nil {
			t.Fatal(err)
		}
		if got := s.status(id).Version; got != 1 {
			t.Errorf("the run that lives is of version %d", got)
		}
		if _, err := s.Restart(t.Context(), id, false, ann); err != nil {
			t.Fatal(err)
		}
		if got := s.status(id).Version; got != 2 {
			t.Errorf("the new run is of version %d", got)
		}
	})
}

func TestWatch(t *testing.T) {
	perform(t, always(steady), func(t *testing.T, s *stage) {
		ctx, cancel := context.WithCancel(t.Context())
		changes := s.Watch(ctx)
		s.add(1)
		s.add(1)
		s.pass(time.Minute)
		if _, open := <-changes; !open {
			t.Error("closed before its time")
		}
		select {
		case <-changes:
			t.Error("changes that were not read are more than one value")
		default:
		}
		cancel()
		if _, open := <-changes; open {
			t.Error("a change after the end")
		}
	})
}

func TestCallerLeaves(t *testing.T) {
	perform(t, always(program{lives: forever, stops: 5 * time.Second}), func(t *testing.T, s *stage) {
		id := s.add(1)
		s.pass(time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Pause(ctx, id, ann); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("pause: %v", err)
		}
		s.expect(id, panel.Stopping)
		s.pass(time.Minute)
		s.expect(id, panel.Paused)
	})
}

func TestEngineEndsUnderRequests(t *testing.T) {
	perform(t, always(program{lives: forever, stops: time.Minute}), func(t *testing.T, s *stage) {
		first, second := s.add(1), s.add(2)
		s.pass(time.Minute)
		pause := askErr(func() error { return s.Pause(t.Context(), first, ann) })
		restart := ask(func() (panel.RestartOutcome, error) { return s.Restart(t.Context(), second, false, ann) })
		s.leave()
		if !pause.answered() || !errors.Is(pause.err, ErrStopped) {
			t.Errorf("pause: %v", pause.err)
		}
		if !restart.answered() || !errors.Is(restart.err, ErrStopped) {
			t.Errorf("restart: %v", restart.err)
		}
		if err := s.Start(t.Context(), first, ann); !errors.Is(err, ErrStopped) {
			t.Errorf("a request to an engine that has ended: %v", err)
		}
		if !s.host.lives(second) {
			t.Error("the program has not survived the engine")
		}
	})
}
