package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"upkeep/internal/panel"
)

func instanceID(ctx context.Context, db *sql.DB) (string, error) {
	id, err := keep(ctx, db, "instance", []byte(strings.ToLower(rand.Text()[:8])))
	return string(id), err
}

// Secret returns the 32 random bytes that are kept under name; they are made when first asked for.
func (s *Store) Secret(ctx context.Context, name string) ([]byte, error) {
	fresh := make([]byte, 32)
	_, _ = rand.Read(fresh) // never fails
	value, err := keep(ctx, s.writer, "secret "+name, fresh)
	if err != nil {
		return nil, fmt.Errorf("keep secret %q: %w", name, err)
	}
	return value, nil
}

// keep stores fresh under name unless there is a value already, and returns the value.
func keep(ctx context.Context, db *sql.DB, name string, fresh []byte) ([]byte, error) {
	// Reading first lets a store open that cannot be written at the moment.
	value, err := one(ctx, db, column[[]byte], `SELECT value FROM meta WHERE name = ?`, name)
	if !errors.Is(err, panel.ErrNotFound) {
		return value, err
	}
	// The update changes nothing; without it, an existing row would not be returned.
	return one(ctx, db, column[[]byte], `
		INSERT INTO meta (name, value) VALUES (?, ?)
		ON CONFLICT (name) DO UPDATE SET name = excluded.name
		RETURNING value`, name, fresh)
}
