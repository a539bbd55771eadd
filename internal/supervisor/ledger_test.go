package supervisor

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"upkeep/internal/panel"
)

// fullDisk is a Journal that stores nothing while its disk is full.
type fullDisk struct {
	Journal
	full *atomic.Bool
}

func (f fullDisk) refusal() error {
	if f.full.Load() {
		return unix.ENOSPC
	}
	return nil
}

func (f fullDisk) BeginRun(ctx context.Context, r panel.RunStart) error {
	if err := f.refusal(); err != nil {
		return err
	}
	return f.Journal.BeginRun(ctx, r)
}

func (f fullDisk) EndRun(ctx context.Context, id panel.ServiceID, exit panel.Exit, pace panel.Pace) error {
	if err := f.refusal(); err != nil {
		return err
	}
	return f.Journal.EndRun(ctx, id, exit, pace)
}

func (f fullDisk) SetWanted(ctx context.Context, id panel.ServiceID, w panel.Wanted, by panel.Actor, at time.Time,
	ev panel.Event) (panel.Service, error) {
	if err := f.refusal(); err != nil {
		return panel.Service{}, err
	}
	return f.Journal.SetWanted(ctx, id, w, by, at, ev)
}

func (f fullDisk) AddEvent(ctx context.Context, ev panel.Event) error {
	if err := f.refusal(); err != nil {
		return err
	}
	return f.Journal.AddEvent(ctx, ev)
}

// onFullDisk enters a site whose disk can be filled, with a program that runs.
func onFullDisk(t *testing.T) (*site, *atomic.Bool, panel.ServiceID) {
	full := &atomic.Bool{}
	s := newSite(t, plan{policy: quick(), journal: func(j Journal) Journal { return fullDisk{j, full} }})
	id := s.add("steady", "sleep 1000")
	s.awaitState(id, panel.Running)
	return s, full, id
}

// A run that ends while the disk is full is stored as ended once there is room, with its exit, and before the next.
func TestEndOnFullDiskIsStoredLater(t *testing.T) {
	s, full, id := onFullDisk(t)
	full.Store(true)
	pid := s.status(id).PID
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if e := s.awaitState(id, panel.Backoff).LastExit; e.Step != panel.StepRecord {
		t.Errorf("the start that cannot be stored: %+v", e)
	}
	if err := unix.Kill(pid, 0); err != nil { // else a daemon that comes now could not learn how it ended
		t.Errorf("the process that ended does not wait as a zombie: %v", err)
	}
	full.Store(false)
	s.awaitState(id, panel.Running)
	if err := unix.Kill(pid, 0); err != unix.ESRCH {
		t.Errorf("the process that ended is not reaped: %v", err)
	}
	runs, err := s.store.Runs(t.Context(), id, 10)
	if err != nil {
		t.Fatal(err)
	}
	first := runs[len(runs)-1]
	if first.Number != 1 || first.End == nil || first.End.Signal != int(unix.SIGKILL) {
		t.Errorf("the first run is stored as %+v, its end as %+v", first, first.End)
	}
	recoveries, err := s.store.Recoveries(t.Context())
	if err != nil || len(recoveries) != 1 || len(recoveries[0].Failures) != 1 {
		t.Errorf("stored of the budget is %+v, %v; want one failure", recoveries, err)
	}
	s.pause(id)
}

// Who pauses a service while the disk is full is told that it is not stored. It is stopped all the same, and stored
// once there is room.
func TestPauseOnFullDiskIsNoPromise(t *testing.T) {
	s, full, id := onFullDisk(t)
	full.Store(true)
	if err := s.Pause(t.Context(), id, panel.Actor{}); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("pause: %v, want that there is no space", err)
	}
	s.awaitState(id, panel.Paused)
	if svc, err := s.store.ServiceByID(t.Context(), id); err != nil || svc.Wanted != panel.WantedOn {
		t.Fatalf("stored is %v, %v", svc.Wanted, err)
	}
	full.Store(false)
	eventually(t, "the pause and the end are stored", func() bool {
		svc, err := s.store.ServiceByID(t.Context(), id)
		runs, e := s.store.Runs(t.Context(), id, 1)
		return err == nil && e == nil && svc.Wanted == panel.WantedPaused && runs[0].End != nil && runs[0].End.Asked
	})
}

// What upkeep owes when it ends is stored by a last try.
func TestDebtsAreSettledInTheEnd(t *testing.T) {
	s, full, id := onFullDisk(t)
	full.Store(true)
	if err := s.Pause(t.Context(), id, panel.Actor{}); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("pause: %v, want that there is no space", err)
	}
	s.awaitState(id, panel.Paused)
	full.Store(false)
	s.leave()
	s.Engine = nil
	if svc, err := s.store.ServiceByID(t.Context(), id); err != nil || svc.Wanted != panel.WantedPaused {
		t.Errorf("stored is %v, %v", svc.Wanted, err)
	}
}
