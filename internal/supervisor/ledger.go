package supervisor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"upkeep/internal/panel"
)

// ledger is a Journal that owes nothing for long: what could not be stored, because the disk was full or the database
// busy, is stored as soon as that is possible, in its order. Without it a run that ended meanwhile would count as
// alive for ever, its failure would be missing in the budget, and a pause would end with the next start of upkeep.
//
// The beginning of a run is not owed: what cannot be stored is not started.
type ledger struct {
	Journal
	settle func(panel.ServiceID) // called when the end of a run, which was owed, is stored
	wake   chan struct{}

	mu    sync.Mutex
	debts map[panel.ServiceID]*debt // of services that something was ever owed to
}

// debt is what is to be stored of one service.
type debt struct {
	mu     sync.Mutex // held while it is settled, so that nothing new overtakes it
	writes []write
}

// write is one change of what is stored. It may be tried again and again.
type write func(context.Context) error

// errOwed says that something is not stored yet, and will be.
var errOwed = errors.New("not stored yet")

const (
	// settleEvery is the time between two tries: soon after a disk has room again.
	settleEvery = time.Second
	// maxOwed bounds what is kept of one service. It is far more than a service that is not started any more, because
	// no start can be stored, has to say.
	maxOwed = 256
)

func newLedger(j Journal) *ledger {
	return &ledger{Journal: j, settle: func(panel.ServiceID) {}, wake: make(chan struct{}, 1), debts: map[panel.ServiceID]*debt{}}
}

// BeginRun stores what is owed of the service first.
func (l *ledger) BeginRun(ctx context.Context, run panel.RunStart) error {
	if d := l.debt(run.Service, false); d != nil {
		if err := d.settle(ctx); err != nil {
			return err
		}
	}
	return l.Journal.BeginRun(ctx, run)
}

// EndRun stores how a run ended, now or, with errOwed, later.
func (l *ledger) EndRun(ctx context.Context, id panel.ServiceID, exit panel.Exit, pace panel.Pace) error {
	now := func(ctx context.Context) error { return l.Journal.EndRun(ctx, id, exit, pace) }
	return l.store(ctx, id, now, func(ctx context.Context) error {
		err := now(ctx)
		if !worthRetrying(err) {
			l.settle(id)
		}
		return err
	})
}

// SetWanted stores what is wanted, now or, with errOwed, later.
func (l *ledger) SetWanted(ctx context.Context, id panel.ServiceID, wanted panel.Wanted, by panel.Actor, at time.Time,
	ev panel.Event) (svc panel.Service, err error) {
	now := func(ctx context.Context) (err error) {
		svc, err = l.Journal.SetWanted(ctx, id, wanted, by, at, ev)
		return err
	}
	err = l.store(ctx, id, now, func(ctx context.Context) error {
		_, err := l.Journal.SetWanted(ctx, id, wanted, by, at, ev)
		return err
	})
	return svc, err
}

// AddEvent stores what happened, now or, with errOwed, later.
func (l *ledger) AddEvent(ctx context.Context, ev panel.Event) error {
	now := func(ctx context.Context) error { return l.Journal.AddEvent(ctx, ev) }
	return l.store(ctx, ev.Service, now, now)
}

// store writes behind everything that is owed already; later is what is owed when that fails. A service has one worker
// at a time, so that no two calls for it meet.
func (l *ledger) store(ctx context.Context, id panel.ServiceID, now, later write) error {
	var err error
	if d := l.debt(id, false); d != nil {
		err = d.settle(ctx)
	}
	if err == nil {
		if err = now(ctx); !worthRetrying(err) {
			return err
		}
	}
	if !l.debt(id, true).owe(later) {
		return fmt.Errorf("too much of it waits to be stored: %w", err)
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return fmt.Errorf("%w: %w", errOwed, err)
}

// worthRetrying tells apart what the disk or the database refuses at the moment from what can never be stored, such
// as the end of a run of a service that was deleted.
func worthRetrying(err error) bool {
	return err != nil && !errors.Is(err, panel.ErrNotFound) && !errors.Is(err, panel.ErrConflict)
}

// debt returns that of a service; nil when there never was one and none is made.
func (l *ledger) debt(id panel.ServiceID, create bool) *debt {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.debts[id] == nil && create {
		l.debts[id] = &debt{}
	}
	return l.debts[id]
}

// owe adds a write; false when there are too many.
func (d *debt) owe(w write) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.writes) >= maxOwed {
		return false
	}
	d.writes = append(d.writes, w)
	return true
}

// settle stores what is owed, as far as that is possible now.
func (d *debt) settle(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.writes) > 0 {
		if err := d.writes[0](ctx); worthRetrying(err) {
			return err
		}
		d.writes = d.writes[1:]
	}
	d.writes = nil
	return nil
}

// run settles what is owed until ctx ends, and tries a last time then.
func (l *ledger) run(ctx context.Context) {
	var again <-chan time.Time // nil while nothing is owed
	for {
		select {
		case <-ctx.Done():
			l.settleAll(context.WithoutCancel(ctx))
			return
		case <-l.wake:
		case <-again:
		}
		again = nil
		if !l.settleAll(ctx) {
			again = time.After(settleEvery)
		}
	}
}

// settleAll reports whether nothing is owed any more.
func (l *ledger) settleAll(ctx context.Context) bool {
	l.mu.Lock()
	all := make([]*debt, 0, len(l.debts))
	for _, d := range l.debts {
		all = append(all, d)
	}
	l.mu.Unlock()
	for _, d := range all {
		if d.settle(ctx) != nil {
			return false // the others would fail the same way
		}
	}
	return true
}
