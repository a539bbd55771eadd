package supervisor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"upkeep/internal/panel"
)

// maxLateEvents bounds what is kept of one service while the journal cannot be written. A service that fails again
// and again meanwhile has the same to tell each time.
const maxLateEvents = 20

// lateJournal keeps what cannot be written at the moment, such as on a full disk, and writes it later in the same
// order. Only the start of a run is refused: it has to stand in the journal before there is anything to find.
//
// What is kept is lost when upkeep ends first. The next one then finds out by itself what runs; what a person wanted
// is as it was stored last, and the panel said that it might be.
type lateJournal struct {
	Journal

	mu   sync.Mutex
	late map[panel.ServiceID]*lateness
}

// lateness is what is kept of one service.
type lateness struct {
	writes []func(context.Context) error // oldest first
	events int                           // among them
	ended  bool                          // the end of the latest recorded run is among them; later ones have no record
}

func newLateJournal(j Journal) *lateJournal {
	return &lateJournal{Journal: j, late: map[panel.ServiceID]*lateness{}}
}

// BeginRun is refused as long as something earlier of the service could not be written.
func (l *lateJournal) BeginRun(ctx context.Context, run panel.RunStart) error {
	if err := l.catchUp(ctx, run.Service); err != nil {
		return err
	}
	return l.Journal.BeginRun(ctx, run)
}

// EndRun is written later when it has to be.
func (l *lateJournal) EndRun(ctx context.Context, id panel.ServiceID, exit panel.Exit, pace panel.Pace) error {
	return l.write(ctx, id, func(late *lateness) bool {
		first := !late.ended
		late.ended = true
		return first
	}, func(ctx context.Context) error { return l.Journal.EndRun(ctx, id, exit, pace) })
}

// SetWanted is written later when it has to be; the service is not told then.
func (l *lateJournal) SetWanted(ctx context.Context, id panel.ServiceID, wanted panel.Wanted, by panel.Actor,
	at time.Time, ev panel.Event) (svc panel.Service, err error) {
	err = l.write(ctx, id, func(*lateness) bool { return true }, func(ctx context.Context) error {
		svc, err = l.Journal.SetWanted(ctx, id, wanted, by, at, ev)
		return err
	})
	return svc, err
}

// AddEvent is written later when it has to be, as long as there are not too many.
func (l *lateJournal) AddEvent(ctx context.Context, ev panel.Event) error {
	return l.write(ctx, ev.Service, func(late *lateness) bool {
		late.events++
		return late.events <= maxLateEvents
	}, func(ctx context.Context) error { return l.Journal.AddEvent(ctx, ev) })
}

// write does what it is given, or keeps it when the journal cannot be written and keep says so.
func (l *lateJournal) write(ctx context.Context, id panel.ServiceID, keep func(*lateness) bool, do func(context.Context) error) error {
	err := l.catchUp(ctx, id)
	if err == nil {
		err = do(ctx)
	}
	if !errors.Is(err, panel.ErrStorage) {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	late := l.late[id]
	if late == nil {
		late = &lateness{}
		l.late[id] = late
	}
	if keep(late) {
		late.writes = append(late.writes, do)
	}
	return fmt.Errorf("put off: %w", err)
}

// catchUp writes what was kept of a service. What the journal refuses for another reason is dropped: the service was
// deleted meanwhile, or the run never stood in it. A service has one worker, so that nobody else does the same.
func (l *lateJournal) catchUp(ctx context.Context, id panel.ServiceID) error {
	for {
		l.mu.Lock()
		late := l.late[id]
		if late == nil || len(late.writes) == 0 {
			delete(l.late, id)
			l.mu.Unlock()
			return nil
		}
		do := late.writes[0]
		l.mu.Unlock()
		if err := do(ctx); errors.Is(err, panel.ErrStorage) {
			return err
		}
		l.mu.Lock()
		late.writes = late.writes[1:]
		l.mu.Unlock()
	}
}

// services are those of which something is kept.
func (l *lateJournal) services() (ids []panel.ServiceID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id := range l.late {
		ids = append(ids, id)
	}
	return ids
}

// CatchUp writes what could not be written before. It costs nothing when there is nothing.
func (e *Engine) CatchUp(ctx context.Context) error {
	if e.late == nil {
		return nil
	}
	for _, id := range e.late.services() {
		err := e.do(ctx, request{id: id, catchUp: true}).err
		if errors.Is(err, panel.ErrNotFound) { // it is gone, and with it its worker
			err = e.late.catchUp(ctx, id)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
