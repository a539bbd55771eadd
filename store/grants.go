package store

import (
	"context"
	"database/sql"
	"fmt"

	"upkeep/internal/panel"
)

// Grant lets a user open an account. Granting twice is no error.
func (s *Store) Grant(ctx context.Context, user panel.UserID, account panel.AccountID) error {
	err := s.write(ctx, func(tx *sql.Tx) error { return grant(ctx, tx, user, account) })
	if err != nil {
		return fmt.Errorf("grant account %d to user %d: %w", account, user, err)
	}
	return nil
}

func grant(ctx context.Context, tx *sql.Tx, user panel.UserID, account panel.AccountID) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO grants (user_id, account_id) VALUES (?, ?) ON CONFLICT DO NOTHING`, user, account)
	return err
}
