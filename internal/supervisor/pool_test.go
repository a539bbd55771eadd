package supervisor

import (
	"testing"
	"time"

	"upkeep/internal/panel"
)

// One service whose stop hangs holds up no other, of the same account or of another.
func TestSlowStop(t *testing.T) {
	perform(t, always(program{lives: forever, hangup: true}), func(t *testing.T, s *stage) {
		slow, sibling, foreign := s.add(1), s.add(1), s.add(2)
		s.pass(time.Minute)
		s.host.runs[slow].stops = forever
		release := s.host.stick(slow)
		defer release()
		stop := askErr(func() error { return pausing(s, slow) })
		s.pass(time.Minute) // the kill hangs
		for _, id := range []panel.ServiceID{sibling, foreign} {
			if o, err := s.Restart(t.Context(), id, false, ann); err != nil || o.Result != panel.Replaced {
				t.Errorf("restart of service %d: %+v, %v", id, o, err)
			}
			if err := pausing(s, id); err != nil {
				t.Error(err)
			}
		}
		s.expect(slow, panel.Stopping)
		if stop.answered() {
			t.Error("the slow stop is answered")
		}
		release()
		if <-stop.done; stop.err != nil {
			t.Error(stop.err)
		}
		s.expect(slow, panel.Paused)
	})
}

// An account of which everything hangs keeps three workers at most; the others go on.
func TestBoundPerAccount(t *testing.T) {
	perform(t, always(steady), func(t *testing.T, s *stage) {
		var releases []func()
		for range 20 {
			svc, acct := s.journal.declare(1, panel.WantedOn)
			releases = append(releases, s.host.stick(svc.ID))
			if err := s.Add(t.Context(), svc, acct, ann); err != nil {
				t.Fatal(err)
			}
		}
		s.pass(time.Minute)
		for range 20 {
			s.add(2)
		}
		s.pass(time.Minute)
		for id := panel.ServiceID(21); id <= 40; id++ {
			s.expect(id, panel.Running)
		}
		for id := panel.ServiceID(1); id <= 20; id++ {
			s.expect(id, panel.Starting)
		}
		if got := s.host.most[1]; got != maxWorkersPerAccount {
			t.Errorf("%d launches of one account at a time, want %d", got, maxWorkersPerAccount)
		}
		if got := s.host.most[2]; got > maxWorkers-maxWorkersPerAccount {
			t.Errorf("%d launches of the other, at most %d workers are free", got, maxWorkers-maxWorkersPerAccount)
		}
		for _, release := range releases {
			release()
		}
		s.pass(time.Minute)
		for id := panel.ServiceID(1); id <= 20; id++ {
			s.expect(id, panel.Running)
		}
	})
}

// Ending the engine waits for what a worker has begun, and begins nothing that is queued.
func TestEndFinishesWhatIsBegun(t *testing.T) {
	perform(t, always(program{takes: 5 * time.Second, lives: forever}), func(t *testing.T, s *stage) {
		for range 10 {
			s.add(1)
		}
		s.pass(time.Second)
		s.leave()
		if got := len(s.host.begun); got != maxWorkersPerAccount {
			t.Errorf("%d launches, want %d", got, maxWorkersPerAccount)
		}
		s.enter(panel.DefaultPolicy())
		s.pass(time.Minute)
		for id := panel.ServiceID(1); id <= 10; id++ {
			s.expect(id, panel.Running)
			if n := len(s.host.launches(id)); n != 1 {
				t.Errorf("%d starts of service %d", n, id)
			}
		}
	})
}
