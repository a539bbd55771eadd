package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"upkeep/internal/panel"
)

// CreateLink stores the hash of a sign-in link's token. It replaces an older link of the user.
func (s *Store) CreateLink(ctx context.Context, user panel.UserID, tokenHash []byte, expires time.Time) error {
	_, err := s.exec(ctx, `
		INSERT INTO links (user_id, token_hash, expires_at_ms) VALUES (?, ?, ?)
		ON CONFLICT (user_id) DO UPDATE SET token_hash = excluded.token_hash, expires_at_ms = excluded.expires_at_ms`,
		user, tokenHash, millis(expires))
	if err != nil {
		return fmt.Errorf("create sign-in link of user %d: %w", user, translate(err))
	}
	return nil
}

// LinkUser returns whose link this is. A link that was used, replaced or has expired is panel.ErrNotFound.
func (s *Store) LinkUser(ctx context.Context, tokenHash []byte, now time.Time) (panel.User, error) {
	u, err := one(ctx, s.readers, scanUser, selectUser+`
		WHERE id = (SELECT user_id FROM links WHERE token_hash = ? AND expires_at_ms > ?)`, tokenHash, millis(now))
	if err != nil {
		return u, fmt.Errorf("sign-in link: %w", err)
	}
	return u, nil
}

// UseLink sets the password of the link's user and spends the link: of two calls at once, one gets
// panel.ErrNotFound, as for a link that was used, replaced or has expired. The user's sessions end.
func (s *Store) UseLink(ctx context.Context, tokenHash []byte, now time.Time, passwordHash string) (panel.User, error) {
	var u panel.User
	err := s.write(ctx, func(tx *sql.Tx) error {
		id, err := one(ctx, tx, column[panel.UserID],
			`DELETE FROM links WHERE token_hash = ? AND expires_at_ms > ? RETURNING user_id`, tokenHash, millis(now))
		if err != nil {
			return err
		}
		if err := setPassword(ctx, tx, id, passwordHash); err != nil {
			return err
		}
		u, err = one(ctx, tx, scanUser, selectUser+`WHERE id = ?`, id)
		return err
	})
	if err != nil {
		return panel.User{}, fmt.Errorf("use sign-in link: %w", err)
	}
	return u, nil
}

func deleteLink(ctx context.Context, tx *sql.Tx, user panel.UserID) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM links WHERE user_id = ?`, user)
	return err
}
