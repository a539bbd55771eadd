package supervisor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"upkeep/internal/panel"
)

// full is a Journal on a disk without space, while it is set.
type full struct {
	Journal
	set *atomic.Bool
}

func (f full) fail() error {
	if f.set.Load() {
		return fmt.Errorf("%w: %w", panel.ErrStorage, unix.ENOSPC)
	}
	return nil
}

func (f full) BeginRun(ctx context.Context, r panel.RunStart) error {
	if err := f.fail(); err != nil {
		return err
	}
	return f.Journal.BeginRun(ctx, r)
}

func (f full) EndRun(ctx context.Context, id panel.ServiceID, exit panel.Exit, pace panel.Pace) error {
	if err := f.fail(); err != nil {
		return err
	}
	return f.Journal.EndRun(ctx, id, exit, pace)
}

func (f full) SetWanted(ctx context.Context, id panel.ServiceID, w panel.Wanted, by panel.Actor, at time.Time, ev panel.Event) (panel.Service, error) {
	if err := f.fail(); err != nil {
		return panel.Service{}, err
	}
	return f.Journal.SetWanted(ctx, id, w, by, at, ev)
}

func (f full) AddEvent(ctx context.Context, ev panel.Event) error {
	if err := f.fail(); err != nil {
		return err
	}
	return f.Journal.AddEvent(ctx, ev)
}

// fillable is a plan whose journal is full while the switch is set.
func fillable() (plan, *atomic.Bool) {
	set := &atomic.Bool{}
	return plan{journal: func(j Journal) Journal { return full{j, set} }}, set
}

// What happens while the journal cannot be written is written afterwards: a pause, an exit, a restart.
func TestNothingIsForgottenOnAFullDisk(t *testing.T) {
	p, isFull := fillable()
	s := newSite(t, p)
	paused := s.add("paused", "sleep 1000")
	crashed := s.add("crashed", "sleep 1000")
	s.awaitState(paused, panel.Running)
	pid := s.awaitState(crashed, panel.Running).PID
	eventually(t, "the starts are in the history", func() bool {
		return slices.Contains(s.kinds(paused), panel.EventStarted) && slices.Contains(s.kinds(crashed), panel.EventStarted)
	})
	isFull.Store(true)
	s.pause(paused)
	send(t, pid, unix.SIGKILL)
	st := s.awaitState(crashed, panel.Backoff)
	if st.LastExit == nil || st.LastExit.Step != panel.StepRecord || st.Failures != 1 {
		t.Errorf("status %+v, exit %+v; want a start that waits for the host, beside one failure", st, st.LastExit)
	}
	if svc := s.stored(paused); svc.Wanted != panel.WantedOn {
		t.Errorf("stored is %s on a full disk", svc.Wanted)
	}
	if err := s.CatchUp(t.Context()); err != nil { // too early
		t.Errorf("catch up: %v", err)
	}
	isFull.Store(false)
	check(t, s.CatchUp(t.Context()))
	eventually(t, "the pause is stored", func() bool { return s.stored(paused).Wanted == panel.WantedPaused })
	again := s.awaitState(crashed, panel.Running)
	for _, id := range []panel.ServiceID{paused, crashed} {
		eventually(t, "the first run has its end", func() bool {
			runs, err := s.store.Runs(t.Context(), id, 10)
			check(t, err)
			first := runs[len(runs)-1]
			return first.Number == 1 && first.End != nil
		})
	}
	eventually(t, "the history is whole", func() bool {
		return slices.Contains(s.kinds(paused), panel.EventPaused) && slices.Contains(s.kinds(crashed), panel.EventEnded)
	})
	if got := len(s.Engine.late.services()); got != 0 {
		t.Errorf("something is kept of %d services", got)
	}
	s.leave()
	s.enter()
	if st := s.status(crashed); st.PID != again.PID || st.Run != again.Run {
		t.Errorf("status %+v after the take-over, want %+v", st, again)
	}
	if st := s.status(paused); st.State != panel.Paused {
		t.Errorf("the paused one is %s after the take-over", st.State)
	}
}

func (s *site) stored(id panel.ServiceID) panel.Service {
	s.t.Helper()
	svc, err := s.store.ServiceByID(s.t.Context(), id)
	check(s.t, err)
	return svc
}

// count is a Journal that counts, and always fails with an error.
type count struct {
	Journal
	err  error
	done int
}

func (c *count) AddEvent(context.Context, panel.Event) error { c.done++; return c.err }

func TestLateEventsAreBounded(t *testing.T) {
	c := &count{err: panel.ErrStorage}
	l := newLateJournal(c)
	for range 5 * maxLateEvents {
		if err := l.AddEvent(t.Context(), panel.Event{Service: 1}); !errors.Is(err, panel.ErrStorage) {
			t.Fatal(err)
		}
	}
	c.done, c.err = 0, panel.ErrNotFound // the service was deleted meanwhile
	if err := l.catchUp(t.Context(), 1); err != nil || c.done != maxLateEvents {
		t.Errorf("%d events were tried (%v), want %d", c.done, err, maxLateEvents)
	}
	if err := l.AddEvent(t.Context(), panel.Event{Service: 1}); err != panel.ErrNotFound {
		t.Errorf("another error is answered with %v", err)
	}
	if ids := l.services(); len(ids) != 0 {
		t.Errorf("something is kept of %v", ids)
	}
}
