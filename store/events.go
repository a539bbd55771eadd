package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"upkeep/internal/panel"
)

// eventOf begins an event about a service as it is now.
func eventOf(x panel.Service, kind panel.EventKind, by panel.Actor, at time.Time) panel.Event {
	return panel.Event{Account: x.Account, Service: x.ID, ServiceName: x.Name, Kind: kind, By: by, At: at}
}

// AddEvent stores an event; its ID is not used, and the zero time means now. An event about a service that was
// deleted meanwhile is kept, without the service's ID.
func (s *Store) AddEvent(ctx context.Context, ev panel.Event) error {
	ev.At = rounded(ev.At)
	err := s.write(ctx, func(tx *sql.Tx) error { return s.insertEvent(ctx, tx, ev) })
	if err != nil {
		return fmt.Errorf("add event %q of service %d: %w", ev.Kind, ev.Service, err)
	}
	return nil
}

const insertEventSQL = `
	INSERT INTO events (account_id, service_id, service_name, kind, by_kind, by_user_id, by_name, at_ms,
		run, pid, exit, outcome, detail)
	VALUES (?, (SELECT id FROM services WHERE id = ?), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

func (s *Store) insertEvent(ctx context.Context, tx *sql.Tx, ev panel.Event) error {
	exit, err := encodeExit(ev.Exit)
	if err != nil {
		return err
	}
	outcome, err := encodeOutcome(ev.Outcome)
	if err != nil {
		return err
	}
	_, err = tx.StmtContext(ctx, s.hot.insertEvent).ExecContext(ctx,
		ev.Account, ev.Service, ev.ServiceName, ev.Kind, ev.By.Kind, ev.By.User, ev.By.Name, millis(ev.At),
		ev.Run, ev.PID, exit, outcome, ev.Detail)
	return err
}

const selectEvent = `
	SELECT id, account_id, COALESCE(service_id, 0), service_name, kind, by_kind, by_user_id, by_name, at_ms,
	       run, pid, exit, outcome, detail
	FROM events `

func scanEvent(r row) (panel.Event, error) {
	var ev panel.Event
	var at int64
	var exit, outcome sql.NullString
	err := r.Scan(&ev.ID, &ev.Account, &ev.Service, &ev.ServiceName, &ev.Kind, &ev.By.Kind, &ev.By.User, &ev.By.Name,
		&at, &ev.Run, &ev.PID, &exit, &outcome, &ev.Detail)
	if err != nil {
		return ev, err
	}
	ev.At = moment(at)
	if ev.Exit, err = decodeExit(exit); err != nil {
		return ev, err
	}
	ev.Outcome, err = decodeOutcome(outcome)
	return ev, err
}

// Events returns the newest events of a service, at most limit, newest first.
func (s *Store) Events(ctx context.Context, id panel.ServiceID, limit int) ([]panel.Event, error) {
	all, err := list(ctx, s.readers, scanEvent, selectEvent+`WHERE service_id = ? ORDER BY id DESC LIMIT ?`, id, limit)
	if err != nil {
		return nil, fmt.Errorf("list events of service %d: %w", id, err)
	}
	return all, nil
}

// EventsBefore returns events of a service of these kinds, all kinds when none is named, that are older than the one
// with the ID before (0: the newest), at most limit, newest first.
func (s *Store) EventsBefore(ctx context.Context, id panel.ServiceID, kinds []panel.EventKind, before int64,
	limit int) ([]panel.Event, error) {
	if before <= 0 {
		before = math.MaxInt64
	}
	text, err := json.Marshal(kinds)
	if err != nil {
		return nil, err
	}
	all, err := list(ctx, s.readers, scanEvent, selectEvent+`
		WHERE service_id = ? AND id < ? AND (? = 0 OR kind IN (SELECT value FROM json_each(?)))
		ORDER BY id DESC LIMIT ?`, id, before, len(kinds), string(text), limit)
	if err != nil {
		return nil, fmt.Errorf("list events of service %d: %w", id, err)
	}
	return all, nil
}

// AccountEvents returns the newest events of an account, at most limit, newest first; those of deleted services
// are among them.
func (s *Store) AccountEvents(ctx context.Context, id panel.AccountID, limit int) ([]panel.Event, error) {
	all, err := list(ctx, s.readers, scanEvent, selectEvent+`WHERE account_id = ? ORDER BY id DESC LIMIT ?`, id, limit)
	if err != nil {
		return nil, fmt.Errorf("list events of account %d: %w", id, err)
	}
	return all, nil
}
