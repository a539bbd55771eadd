package store

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"upkeep/internal/panel"
)

// code returns SQLite's extended result code, or 0 when err is not from SQLite.
func code(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}

// translate turns an error of the driver into one of panel where panel has a word for it.
func translate(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return panel.ErrNotFound
	}
	switch code(err) {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
		return fmt.Errorf("%w: %v", panel.ErrConflict, err)
	case sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY: // what the row refers to does not exist
		return fmt.Errorf("%w: %v", panel.ErrNotFound, err)
	}
	return err
}

// explain says what is wrong with the database at path in words for the person who starts upkeep.
func explain(path string, err error) error {
	const primary = 0xff // the rest of an extended result code is detail
	switch c := code(err) & primary; {
	case errors.Is(err, errNewer):
		return fmt.Errorf("%s cannot be used: %w; install that version again, or restore a backup", path, err)
	case errors.Is(err, errForeign), c == sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("%s is not a database of upkeep: %w", path, err)
	case c == sqlite3.SQLITE_CORRUPT:
		return fmt.Errorf("%s is damaged, restore a backup: %w", path, err)
	case errors.Is(err, fs.ErrPermission), c == sqlite3.SQLITE_READONLY, c == sqlite3.SQLITE_CANTOPEN:
		return fmt.Errorf("upkeep must be able to write %s and its folder %s: %w", path, filepath.Dir(path), err)
	}
	return err
}
