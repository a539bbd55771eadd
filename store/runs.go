package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"upkeep/internal/panel"
)

const beginRunSQL = `
	INSERT INTO runs (service_id, number, cause, by_kind, by_user_id, by_name, pid, started_at_ms)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?)`

// BeginRun stores that a run begins, and what identifies it. The service's pace and last exit stay as they are. A
// number that is not above that of every former run is panel.ErrConflict.
func (s *Store) BeginRun(ctx context.Context, run panel.RunStart) error {
	err := s.write(ctx, func(tx *sql.Tx) error {
		if err := beginRecovery(ctx, tx.StmtContext(ctx, s.hot.beginRecovery), run); err != nil {
			return err
		}
		_, err := tx.StmtContext(ctx, s.hot.beginRun).ExecContext(ctx, run.Service, run.Number, run.Cause,
			run.By.Kind, run.By.User, run.By.Name, run.PID, millis(run.At))
		return err
	})
	if err != nil {
		return fmt.Errorf("begin run %d of service %d: %w", run.Number, run.Service, err)
	}
	return nil
}

const endRunSQL = `UPDATE runs SET ended_at_ms = ?, exit = ? WHERE service_id = ? AND number = ?`

// EndRun stores how the run exit.Run ended, and the pace that follows from it. Only the latest run can end:
// another number is panel.ErrNotFound.
func (s *Store) EndRun(ctx context.Context, id panel.ServiceID, exit panel.Exit, pace panel.Pace) error {
	text, err := encodeExit(&exit)
	if err != nil {
		return fmt.Errorf("end run %d of service %d: %w", exit.Run, id, err)
	}
	err = s.write(ctx, func(tx *sql.Tx) error {
		if err := endRecovery(ctx, tx.StmtContext(ctx, s.hot.endRecovery), id, exit.Run, text, pace); err != nil {
			return err
		}
		_, err := tx.StmtContext(ctx, s.hot.endRun).ExecContext(ctx, millis(exit.At), text, id, exit.Run)
		return err
	})
	if err != nil {
		return fmt.Errorf("end run %d of service %d: %w", exit.Run, id, err)
	}
	return nil
}

// Runs returns the newest runs of a service, at most limit, newest first.
func (s *Store) Runs(ctx context.Context, id panel.ServiceID, limit int) ([]panel.Run, error) {
	all, err := list(ctx, s.readers, scanRun, `
		SELECT number, cause, by_kind, by_user_id, by_name, pid, started_at_ms, exit
		FROM runs WHERE service_id = ? ORDER BY number DESC LIMIT ?`, id, limit)
	if err != nil {
		return nil, fmt.Errorf("list runs of service %d: %w", id, err)
	}
	return all, nil
}

func scanRun(r row) (panel.Run, error) {
	var run panel.Run
	var started int64
	var exit sql.NullString
	err := r.Scan(&run.Number, &run.Cause, &run.By.Kind, &run.By.User, &run.By.Name, &run.PID, &started, &exit)
	if err != nil {
		return run, err
	}
	run.StartedAt = moment(started)
	run.End, err = decodeExit(exit)
	return run, err
}

// RestartsSince counts, for each service of an account, the runs that started after since, its very first run
// not counted. Services without one are left out.
func (s *Store) RestartsSince(ctx context.Context, account panel.AccountID,
	since time.Time) (map[panel.ServiceID]int, error) {
	type restarts struct {
		service panel.ServiceID
		count   int
	}
	scan := func(r row) (x restarts, err error) { return x, r.Scan(&x.service, &x.count) }
	all, err := list(ctx, s.readers, scan, `
		SELECT s.id, count(*)
		FROM services s JOIN runs r ON r.service_id = s.id AND r.started_at_ms > ? AND r.number > 1
		WHERE s.account_id = ? GROUP BY s.id`, millis(since), account)
	if err != nil {
		return nil, fmt.Errorf("count restarts of account %d: %w", account, err)
	}
	counts := make(map[panel.ServiceID]int, len(all))
	for _, x := range all {
		counts[x.service] = x.count
	}
	return counts, nil
}
