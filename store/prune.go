package store

import (
	"context"
	"fmt"
	"time"
)

// pruneBatch is how many rows one transaction deletes, so that the start of a run never waits long behind it.
const pruneBatch = 200

// Prune forgets the runs that ended before a time and the events from before it. What the supervisor needs stays.
func (s *Store) Prune(ctx context.Context, before time.Time) error {
	if err := s.pruneRuns(ctx, before); err != nil {
		return fmt.Errorf("prune runs: %w", err)
	}
	if err := s.pruneEvents(ctx, before); err != nil {
		return fmt.Errorf("prune events: %w", err)
	}
	return nil
}

func (s *Store) pruneRuns(ctx context.Context, before time.Time) error {
	return untilNothing(func() (int64, error) {
		return s.remove(ctx, `
			DELETE FROM runs WHERE (service_id, number) IN
				(SELECT service_id, number FROM runs WHERE ended_at_ms < ? ORDER BY ended_at_ms LIMIT ?)`,
			millis(before), pruneBatch)
	})
}

func (s *Store) pruneEvents(ctx context.Context, before time.Time) error {
	return untilNothing(func() (int64, error) {
		return s.remove(ctx, `
			DELETE FROM events WHERE id IN (SELECT id FROM events WHERE at_ms < ? ORDER BY at_ms LIMIT ?)`,
			millis(before), pruneBatch)
	})
}

// remove runs one DELETE in a transaction of its own and returns how many rows it took.
func (s *Store) remove(ctx context.Context, query string, args ...any) (int64, error) {
	res, err := s.exec(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func untilNothing(batch func() (int64, error)) error {
	for {
		if n, err := batch(); err != nil || n == 0 {
			return err
		}
	}
}
