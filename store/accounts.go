package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"upkeep/internal/panel"
)

const selectAccount = `SELECT a.id, a.name, a.unix_user, a.home, a.shared, a.created_at_ms FROM accounts a `

func scanAccount(r row) (panel.Account, error) {
	var a panel.Account
	var created int64
	err := r.Scan(&a.ID, &a.Name, &a.UnixUser, &a.Home, &a.Shared, &created)
	a.CreatedAt = moment(created)
	return a, err
}

// CreateAccount stores a and returns it with its ID. It returns panel.ErrConflict when the name is taken, or when
// the Unix user belongs to another account that does not share it.
func (s *Store) CreateAccount(ctx context.Context, a panel.Account) (panel.Account, error) {
	a.CreatedAt = rounded(a.CreatedAt)
	err := s.write(ctx, func(tx *sql.Tx) (err error) {
		a.ID, err = one(ctx, tx, column[panel.AccountID], `
			INSERT INTO accounts (name, unix_user, home, shared, created_at_ms) VALUES (?, ?, ?, ?, ?)
			RETURNING id`, a.Name, a.UnixUser, a.Home, a.Shared, millis(a.CreatedAt))
		return err
	})
	if err != nil {
		return panel.Account{}, fmt.Errorf("create account %q: %w", a.Name, err)
	}
	return a, nil
}

// Account returns the account called name.
func (s *Store) Account(ctx context.Context, name string) (panel.Account, error) {
	a, err := one(ctx, s.readers, scanAccount, selectAccount+`WHERE a.name = ?`, name)
	if err != nil {
		return a, fmt.Errorf("account %q: %w", name, err)
	}
	return a, nil
}

// AccountByID returns the account with this ID.
func (s *Store) AccountByID(ctx context.Context, id panel.AccountID) (panel.Account, error) {
	a, err := one(ctx, s.readers, scanAccount, selectAccount+`WHERE a.id = ?`, id)
	if err != nil {
		return a, fmt.Errorf("account %d: %w", id, err)
	}
	return a, nil
}

// Accounts returns every account, by name.
func (s *Store) Accounts(ctx context.Context) ([]panel.Account, error) {
	all, err := list(ctx, s.readers, scanAccount, selectAccount+`ORDER BY a.name`)
	if err != nil {
		return nil, fmt.Errorf("list accounts: %w", err)
	}
	return all, nil
}

// AccountsOf returns the accounts that u may open, by name: all of them for an administrator.
func (s *Store) AccountsOf(ctx context.Context, u panel.User) ([]panel.Account, error) {
	if u.Admin {
		return s.Accounts(ctx)
	}
	all, err := list(ctx, s.readers, scanAccount,
		selectAccount+`JOIN grants g ON g.account_id = a.id WHERE g.user_id = ? ORDER BY a.name`, u.ID)
	if err != nil {
		return nil, fmt.Errorf("list accounts of user %d: %w", u.ID, err)
	}
	return all, nil
}

// AccountFor returns the account called name if u may open it. An account that u may not open is
// panel.ErrNotFound, in the same words as one that does not exist.
func (s *Store) AccountFor(ctx context.Context, u panel.User, name string) (panel.Account, error) {
	a, err := s.Account(ctx, name)
	if err != nil || u.Admin {
		return a, err
	}
	_, err = one(ctx, s.readers, column[int],
		`SELECT 1 FROM grants WHERE user_id = ? AND account_id = ?`, u.ID, a.ID)
	if errors.Is(err, panel.ErrNotFound) {
		return panel.Account{}, fmt.Errorf("account %q: %w", name, err)
	}
	if err != nil {
		return panel.Account{}, fmt.Errorf("grants of user %d: %w", u.ID, err)
	}
	return a, nil
}
