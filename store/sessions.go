package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"upkeep/internal/panel"
)

func scanSession(r row) (panel.Session, error) {
	var x panel.Session
	var created, seen, expires int64
	err := r.Scan(&x.IDHash, &x.User, &x.Data, &created, &seen, &expires)
	x.CreatedAt, x.LastSeenAt, x.ExpiresAt = moment(created), moment(seen), moment(expires)
	return x, err
}

// SaveSession stores x, replacing what was stored under its ID. A session that was deleted stays deleted when it is
// saved again, as a request may do that was under way meanwhile; that is no error.
func (s *Store) SaveSession(ctx context.Context, x panel.Session) error {
	data := append([]byte{}, x.Data...) // never nil, which would be NULL
	_, err := s.exec(ctx, `
		INSERT INTO sessions (id_hash, user_id, data, created_at_ms, last_seen_at_ms, expires_at_ms, deleted)
		VALUES (?, NULLIF(?, 0), ?, ?, ?, ?, 0)
		ON CONFLICT (id_hash) DO UPDATE SET user_id = excluded.user_id, data = excluded.data,
			created_at_ms = excluded.created_at_ms, last_seen_at_ms = excluded.last_seen_at_ms,
			expires_at_ms = excluded.expires_at_ms`, // deleted stays as it is
		x.IDHash, x.User, data, millis(x.CreatedAt), millis(x.LastSeenAt), millis(x.ExpiresAt))
	if err != nil {
		return fmt.Errorf("save session of user %d: %w", x.User, translate(err))
	}
	return nil
}

// Session returns the session with this ID unless it has expired or was deleted: both are panel.ErrNotFound.
func (s *Store) Session(ctx context.Context, idHash []byte, now time.Time) (panel.Session, error) {
	x, err := one(ctx, s.readers, scanSession, `
		SELECT id_hash, COALESCE(user_id, 0), data, created_at_ms, last_seen_at_ms, expires_at_ms
		FROM sessions WHERE id_hash = ? AND expires_at_ms > ? AND deleted = 0`, idHash, millis(now))
	if err != nil {
		return x, fmt.Errorf("session: %w", err)
	}
	return x, nil
}

// DeleteSession ends one session. It is no error when there is none.
func (s *Store) DeleteSession(ctx context.Context, idHash []byte) error {
	_, err := s.exec(ctx, `UPDATE sessions SET deleted = 1, data = x'' WHERE id_hash = ?`, idHash)
	if err != nil {
		return fmt.Errorf("delete session: %w", err)
	}
	return nil
}

// DeleteSessionsOf ends every session of a user.
func (s *Store) DeleteSessionsOf(ctx context.Context, user panel.UserID) error {
	err := s.write(ctx, func(tx *sql.Tx) error { return deleteSessionsOf(ctx, tx, user) })
	if err != nil {
		return fmt.Errorf("delete sessions of user %d: %w", user, err)
	}
	return nil
}

func deleteSessionsOf(ctx context.Context, tx *sql.Tx, user panel.UserID) error {
	_, err := tx.ExecContext(ctx, `UPDATE sessions SET deleted = 1, data = x'' WHERE user_id = ?`, user)
	return err
}

// PruneSessions forgets the sessions that have expired.
func (s *Store) PruneSessions(ctx context.Context, now time.Time) error {
	_, err := s.exec(ctx, `DELETE FROM sessions WHERE expires_at_ms <= ?`, millis(now))
	if err != nil {
		return fmt.Errorf("prune sessions: %w", err)
	}
	return nil
}
