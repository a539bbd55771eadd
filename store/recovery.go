package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"upkeep/internal/panel"
)

const beginRecoverySQL = `
	INSERT INTO recovery (service_id, number, version, shell, cause, by_kind, by_user_id, by_name, started_at_ms,
		boot_id, pid, start_ticks, inode, cgroup, marker, live)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)
	ON CONFLICT (service_id) DO UPDATE SET number = excluded.number, version = excluded.version,
		shell = excluded.shell, cause = excluded.cause, by_kind = excluded.by_kind,
		by_user_id = excluded.by_user_id, by_name = excluded.by_name, started_at_ms = excluded.started_at_ms,
		boot_id = excluded.boot_id, pid = excluded.pid, start_ticks = excluded.start_ticks,
		inode = excluded.inode, cgroup = excluded.cgroup, marker = excluded.marker, live = 1
	WHERE excluded.number > recovery.number`

// beginRecovery notes run as the one that lives. It is panel.ErrConflict when a later run was noted before, which
// may be the only trace of that run: history is pruned.
func beginRecovery(ctx context.Context, stmt *sql.Stmt, run panel.RunStart) error {
	res, err := stmt.ExecContext(ctx,
		run.Service, run.Number, run.Version, run.Shell, run.Cause, run.By.Kind, run.By.User, run.By.Name,
		millis(run.At), run.BootID, run.PID, int64(run.StartTicks), int64(run.Inode), run.Cgroup, run.Marker)
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	if err == nil && n == 0 {
		err = panel.ErrConflict
	}
	return err
}

const endRecoverySQL = `
	UPDATE recovery SET live = 0, last_exit = ?, failures = ?, tries = ?, next_try_at_ms = ?, trials = ?
	WHERE service_id = ? AND number = ?`

func endRecovery(ctx context.Context, stmt *sql.Stmt, id panel.ServiceID, number int, exit any,
	pace panel.Pace) error {
	return mustChange(stmt.ExecContext(ctx,
		exit, encodeTimes(pace.Failures), pace.Tries, millis(pace.NextTry), pace.Trials, id, number))
}

// SavePace stores where a service stands between failures, whether it ever ran or not.
func (s *Store) SavePace(ctx context.Context, id panel.ServiceID, pace panel.Pace) error {
	_, err := s.exec(ctx, `
		INSERT INTO recovery (service_id, failures, tries, next_try_at_ms, trials) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (service_id) DO UPDATE SET failures = excluded.failures, tries = excluded.tries,
			next_try_at_ms = excluded.next_try_at_ms, trials = excluded.trials`,
		id, encodeTimes(pace.Failures), pace.Tries, millis(pace.NextTry), pace.Trials)
	if err != nil {
		return fmt.Errorf("save pace of service %d: %w", id, translate(err))
	}
	return nil
}

// Recoveries returns what is known of every service that ever ran or has a pace.
func (s *Store) Recoveries(ctx context.Context) ([]panel.Recovery, error) {
	all, err := list(ctx, s.readers, scanRecovery, `
		SELECT service_id, number, version, shell, cause, by_kind, by_user_id, by_name, started_at_ms,
		       boot_id, pid, start_ticks, inode, cgroup, marker, live, last_exit, failures, tries, next_try_at_ms, trials
		FROM recovery ORDER BY service_id`)
	if err != nil {
		return nil, fmt.Errorf("list recoveries: %w", err)
	}
	asked, err := s.restartsAsked(ctx, time.Now().Add(-time.Hour))
	if err != nil && !errors.Is(err, panel.ErrStorage) { // what runs is taken over whatever became of the history
		return nil, fmt.Errorf("list recoveries: %w", err)
	}
	for i, rec := range all {
		if a := asked[rec.Service]; a.run == rec.Number {
			all[i].RestartAsked = a.at
		}
	}
	return all, nil
}

// restartAsked is the latest request to restart a service.
type restartAsked struct {
	service panel.ServiceID
	run     int // that lived then
	at      time.Time
}

func (s *Store) restartsAsked(ctx context.Context, since time.Time) (map[panel.ServiceID]restartAsked, error) {
	scan := func(r row) (x restartAsked, err error) {
		var at int64
		err = r.Scan(&x.service, &x.run, &at)
		x.at = moment(at)
		return x, err
	}
	all, err := list(ctx, s.readers, scan, `
		SELECT service_id, run, at_ms FROM events
		WHERE at_ms > ? AND kind = ? AND service_id IS NOT NULL ORDER BY at_ms`, millis(since), panel.EventRestartAsk)
	if err != nil {
		return nil, err
	}
	latest := make(map[panel.ServiceID]restartAsked, len(all))
	for _, x := range all {
		latest[x.service] = x
	}
	return latest, nil
}

func scanRecovery(r row) (panel.Recovery, error) {
	var x panel.Recovery
	var started, ticks, inode, next int64
	var exit sql.NullString
	var failures string
	err := r.Scan(&x.Service, &x.Number, &x.Version, &x.Shell, &x.Cause, &x.By.Kind, &x.By.User, &x.By.Name, &started,
		&x.BootID, &x.PID, &ticks, &inode, &x.Cgroup, &x.Marker, &x.Live, &exit, &failures, &x.Tries, &next, &x.Trials)
	if err != nil {
		return x, err
	}
	x.At, x.NextTry = moment(started), moment(next)
	x.StartTicks, x.Inode = uint64(ticks), uint64(inode) // SQLite has no unsigned numbers; the bits are the same
	if x.Failures, err = decodeTimes(failures); err != nil {
		return x, err
	}
	x.LastExit, err = decodeExit(exit)
	return x, err
}
