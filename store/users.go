package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"upkeep/internal/panel"
)

const selectUser = `SELECT id, email, admin, password_hash <> '', created_at_ms FROM users `

func scanUser(r row) (panel.User, error) {
	var u panel.User
	var created int64
	err := r.Scan(&u.ID, &u.Email, &u.Admin, &u.HasPassword, &created)
	u.CreatedAt = moment(created)
	return u, err
}

// CreateUser stores a user who may open the accounts; an empty hash means that a password will be chosen with the
// first sign-in link. A taken address is panel.ErrConflict.
func (s *Store) CreateUser(ctx context.Context, email, passwordHash string, admin bool,
	accounts []panel.AccountID) (panel.User, error) {
	u := panel.User{Email: strings.ToLower(email), Admin: admin, HasPassword: passwordHash != "",
		CreatedAt: rounded(time.Now())}
	err := s.write(ctx, func(tx *sql.Tx) (err error) {
		u.ID, err = one(ctx, tx, column[panel.UserID], `
			INSERT INTO users (email, password_hash, admin, created_at_ms) VALUES (?, ?, ?, ?)
			RETURNING id`, u.Email, passwordHash, admin, millis(u.CreatedAt))
		for i := 0; err == nil && i < len(accounts); i++ {
			err = grant(ctx, tx, u.ID, accounts[i])
		}
		return err
	})
	if err != nil {
		return panel.User{}, fmt.Errorf("create user %q: %w", u.Email, err)
	}
	return u, nil
}

// User returns the user with this ID.
func (s *Store) User(ctx context.Context, id panel.UserID) (panel.User, error) {
	u, err := one(ctx, s.readers, scanUser, selectUser+`WHERE id = ?`, id)
	if err != nil {
		return u, fmt.Errorf("user %d: %w", id, err)
	}
	return u, nil
}

// UserByEmail returns the user with this address, in any case, and the hash of the password: empty when there is
// none yet.
func (s *Store) UserByEmail(ctx context.Context, email string) (u panel.User, hash string, err error) {
	email = strings.ToLower(email)
	scan := func(r row) (id panel.UserID, err error) { return id, r.Scan(&id, &hash) }
	id, err := one(ctx, s.readers, scan, `SELECT id, password_hash FROM users WHERE email = ?`, email)
	if err != nil {
		return u, "", fmt.Errorf("user %q: %w", email, err)
	}
	u, err = s.User(ctx, id)
	return u, hash, err
}

// Users returns every user, by address.
func (s *Store) Users(ctx context.Context) ([]panel.User, error) {
	all, err := list(ctx, s.readers, scanUser, selectUser+`ORDER BY email`)
	if err != nil {
		return nil, fmt.Errorf("list users: %w", err)
	}
	return all, nil
}

// AnyoneCanSignIn reports whether some user has a password.
func (s *Store) AnyoneCanSignIn(ctx context.Context) (bool, error) {
	yes, err := one(ctx, s.readers, column[bool], `SELECT EXISTS (SELECT 1 FROM users WHERE password_hash <> '')`)
	if err != nil {
		return false, fmt.Errorf("look for a password: %w", err)
	}
	return yes, nil
}

// SetPassword changes the password of a user, ends all their sessions and withdraws their sign-in link.
func (s *Store) SetPassword(ctx context.Context, id panel.UserID, hash string) error {
	err := s.write(ctx, func(tx *sql.Tx) error { return setPassword(ctx, tx, id, hash) })
	if err != nil {
		return fmt.Errorf("set password of user %d: %w", id, err)
	}
	return nil
}

func setPassword(ctx context.Context, tx *sql.Tx, id panel.UserID, hash string) error {
	err := mustChange(tx.ExecContext(ctx, `UPDATE users SET password_hash = ? WHERE id = ?`, hash, id))
	if err != nil {
		return err
	}
	if err := deleteLink(ctx, tx, id); err != nil {
		return err
	}
	return deleteSessionsOf(ctx, tx, id)
}
