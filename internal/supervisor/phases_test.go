package supervisor

import (
	"errors"
	"slices"
	"testing"
	"time"

	"upkeep/internal/panel"
)

// situation is a point in a service's life that a request can meet.
type situation struct {
	name    string
	program program
	after   time.Duration                       // from its first start
	asked   func(*stage, panel.ServiceID) error // then, and not waited for
	later   time.Duration                       // from that request
	state   panel.State
}

var situations = []situation{
	{name: "launching", program: program{takes: 3 * time.Second, lives: forever}, after: time.Second, state: panel.Starting},
	{name: "starting", program: steady, after: time.Millisecond, state: panel.Starting},
	{name: "running", program: steady, after: time.Minute, state: panel.Running},
	{name: "running, takes no notice of SIGTERM", program: program{lives: forever, stops: forever}, after: time.Minute,
		state: panel.Running},
	{name: "restarting", program: steady, after: time.Minute, asked: restarting, later: time.Second, state: panel.Running},
	{name: "backoff", program: program{code: 1}, after: 30 * time.Second, state: panel.Backoff},
	{name: "left the foreground", program: program{lives: time.Second, strays: true}, after: 5 * time.Second,
		state: panel.Stopping},
	{name: "stopping for a restart", program: program{lives: forever, stops: 5 * time.Second}, after: time.Minute,
		asked: restartingHard, later: time.Second, state: panel.Stopping},
	{name: "stopping for a pause", program: program{lives: forever, stops: 5 * time.Second}, after: time.Minute,
		asked: pausing, later: time.Second, state: panel.Stopping},
	{name: "killing", program: program{lives: forever, stops: forever, tough: 80 * time.Second}, after: time.Minute,
		asked: pausing, later: 15 * time.Second, state: panel.Stopping},
	{name: "paused", program: steady, after: time.Minute, asked: pausing, later: time.Second, state: panel.Paused},
	{name: "disabled", program: program{code: 1}, after: time.Hour, state: panel.Disabled},
}

func pausing(s *stage, id panel.ServiceID) error { return s.Pause(s.t.Context(), id, ann) }

func restarting(s *stage, id panel.ServiceID) error {
	_, err := s.Restart(s.t.Context(), id, false, ann)
	return err
}

func restartingHard(s *stage, id panel.ServiceID) error {
	_, err := s.Restart(s.t.Context(), id, true, ann)
	return err
}

// inEvery runs a test with a service in each situation. In the end every request has to be answered.
func inEvery(t *testing.T, test func(*stage, panel.ServiceID, situation)) {
	for _, c := range situations {
		t.Run(c.name, func(t *testing.T) {
			perform(t, always(c.program), func(t *testing.T, s *stage) {
				id := s.add(1)
				s.pass(c.after)
				if c.asked != nil {
					before := askErr(func() error { return c.asked(s, id) })
					s.pass(c.later)
					defer func() { <-before.done }()
				}
				s.expect(id, c.state)
				test(s, id, c)
			})
		})
	}
}

func TestPauseInEverySituation(t *testing.T) {
	inEvery(t, func(s *stage, id panel.ServiceID, _ situation) {
		if err := s.Pause(s.t.Context(), id, ann); err != nil {
			s.t.Fatal(err)
		}
		s.expect(id, panel.Paused)
		if s.host.lives(id) || s.journal.wanted(id) != panel.WantedPaused {
			s.t.Errorf("lives: %v, wanted: %s", s.host.lives(id), s.journal.wanted(id))
		}
		starts := len(s.host.launches(id))
		s.pass(time.Hour)
		if n := len(s.host.launches(id)); n != starts {
			s.t.Errorf("%d starts after the pause", n-starts)
		}
	})
}

func TestStartInEverySituation(t *testing.T) {
	inEvery(t, func(s *stage, id panel.ServiceID, c situation) {
		before := len(s.host.launches(id))
		if err := s.Start(s.t.Context(), id, ann); err != nil {
			s.t.Fatal(err)
		}
		if got := s.journal.wanted(id); got != panel.WantedOn {
			s.t.Errorf("wanted: %s", got)
		}
		if c.program.code != 0 { // it crashes
			s.expect(id, panel.Backoff)
			if len(s.host.launches(id)) == before {
				s.t.Error("no start")
			}
			return
		}
		if c.program.strays {
			return // it leaves the foreground again, sooner or later
		}
		s.expect(id, panel.Running)
	})
}

func TestRemoveInEverySituation(t *testing.T) {
	inEvery(t, func(s *stage, id panel.ServiceID, _ situation) {
		if err := s.Remove(s.t.Context(), id); err != nil {
			s.t.Fatal(err)
		}
		if s.host.lives(id) {
			s.t.Error("the program lives")
		}
		if got := s.status(id); got.State != "" {
			s.t.Errorf("status %+v of a service that is gone", got)
		}
		if !slices.Equal(s.host.forgot, []panel.ServiceID{id}) {
			s.t.Errorf("the host has forgotten %v", s.host.forgot)
		}
		if err := s.Pause(s.t.Context(), id, ann); !errors.Is(err, panel.ErrNotFound) {
			s.t.Errorf("a request afterwards: %v", err)
		}
		starts := len(s.host.launches(id))
		s.pass(time.Hour)
		if n := len(s.host.launches(id)); n != starts {
			s.t.Errorf("%d starts after the removal", n-starts)
		}
	})
}

// All of upkeep stops: nothing is left, and the next upkeep starts what is wanted.
func TestStopAllInEverySituation(t *testing.T) {
	inEvery(t, func(s *stage, id panel.ServiceID, _ situation) {
		wanted := s.journal.wanted(id)
		if err := s.StopAll(s.t.Context()); err != nil {
			s.t.Fatal(err)
		}
		if s.host.lives(id) {
			s.t.Error("the program lives")
		}
		if got := s.journal.wanted(id); got != wanted {
			s.t.Errorf("wanted %s, before %s", got, wanted)
		}
		s.leave()
		starts := len(s.host.launches(id))
		s.enter(panel.DefaultPolicy())
		s.pass(time.Hour)
		if again := len(s.host.launches(id)) > starts; again != (wanted == panel.WantedOn) {
			s.t.Errorf("started again: %v, wanted: %s", again, wanted)
		}
	})
}

// With nothing to stop, the engine may have ended before the caller has begun to wait.
func TestStopAllOfNothing(t *testing.T) {
	for range 500 {
		perform(t, always(steady), func(t *testing.T, s *stage) {
			if err := s.StopAll(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// A pause that a person takes back while the program stops leads to a new run, and both requests are answered.
func TestResumeWhileStopping(t *testing.T) {
	perform(t, always(program{lives: forever, stops: 5 * time.Second}), func(t *testing.T, s *stage) {
		id := s.add(1)
		s.pass(time.Minute)
		first := askErr(func() error { return pausing(s, id) })
		s.pass(time.Second)
		if err := s.Start(t.Context(), id, ann); err != nil {
			t.Fatal(err)
		}
		if !first.answered() || first.err != nil {
			t.Errorf("the pause: %v", first.err)
		}
		s.expect(id, panel.Running)
		if got := s.status(id); got.Run != 2 || got.Failures != 0 {
			t.Errorf("status %+v, want the second run and no failure", got)
		}
		want := []panel.EventKind{panel.EventStarted, panel.EventPaused, panel.EventResumed, panel.EventEnded, panel.EventStarted}
		if got := s.journal.kinds(id); !slices.Equal(got, want) {
			t.Errorf("history %v, want %v", got, want)
		}
	})
}

// The last command wins, however fast they come.
func TestCommandsInOneMoment(t *testing.T) {
	perform(t, always(program{takes: time.Second, lives: forever, stops: time.Second}), func(t *testing.T, s *stage) {
		id := s.add(1)
		var all []*asked[struct{}]
		for range 5 {
			all = append(all, askErr(func() error { return pausing(s, id) }),
				askErr(func() error { return s.Start(t.Context(), id, ann) }))
		}
		all = append(all, askErr(func() error { return pausing(s, id) }))
		s.pass(time.Minute)
		for i, a := range all {
			if !a.answered() || a.err != nil {
				t.Errorf("request %d: answered %v, %v", i, a.answered(), a.err)
			}
		}
		s.expect(id, panel.Paused)
		if s.host.lives(id) {
			t.Error("the program lives")
		}
	})
}
