package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"upkeep/internal/panel"
)

// AddCheck stores a result of a service's monitoring command, and forgets those before the latest panel.KeptChecks.
func (s *Store) AddCheck(ctx context.Context, id panel.ServiceID, c panel.Check) error {
	err := s.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `
			INSERT INTO checks (service_id, at_ms, run, outcome, took_ns, code, signal, output, detail)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			id, millis(c.At), c.Run, c.Outcome, c.Took, c.Code, c.Signal, strings.ToValidUTF8(c.Output, "\ufffd"), c.Detail)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `
			DELETE FROM checks WHERE service_id = ? AND id <=
				(SELECT id FROM checks WHERE service_id = ? ORDER BY id DESC LIMIT 1 OFFSET ?)`, id, id, panel.KeptChecks)
		return err
	})
	if err != nil {
		return fmt.Errorf("store a check of service %d: %w", id, err)
	}
	return nil
}

// Checks returns the kept results of a service's monitoring command, newest first.
func (s *Store) Checks(ctx context.Context, id panel.ServiceID) ([]panel.Check, error) {
	all, err := list(ctx, s.readers, scanCheck, `
		SELECT at_ms, run, outcome, took_ns, code, signal, output, detail
		FROM checks WHERE service_id = ? ORDER BY id DESC`, id)
	if err != nil {
		return nil, fmt.Errorf("list checks of service %d: %w", id, err)
	}
	return all, nil
}

func scanCheck(r row) (panel.Check, error) {
	var c panel.Check
	var at int64
	err := r.Scan(&at, &c.Run, &c.Outcome, &c.Took, &c.Code, &c.Signal, &c.Output, &c.Detail)
	c.At = moment(at)
	return c, err
}
