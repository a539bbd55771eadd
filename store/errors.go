package store

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"upkeep/internal/panel"
)

// ErrDamaged says that a database does not hold together.
var ErrDamaged = errors.New("the database is damaged")

// primaryCode masks what a result code of SQLite says in general; the rest is detail.
const primaryCode = 0xff

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
	if kindOf(err) != none && !errors.Is(err, panel.ErrStorage) {
		return storageError{err}
	}
	return err
}

// storageError is a panel.ErrStorage in the words of its cause.
type storageError struct{ error }

func (e storageError) Unwrap() error   { return e.error }
func (storageError) Is(err error) bool { return err == panel.ErrStorage }

// explain says what is wrong with the database at path in words for the person who starts upkeep.
func explain(path string, err error) error {
	switch c := code(err) & primaryCode; {
	case errors.Is(err, ErrNewer):
		return fmt.Errorf("%s cannot be used: %w; install that version again, or restore a backup", path, err)
	case errors.Is(err, errForeign), errors.Is(err, errEmpty), c == sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("%s is not a database of upkeep: %w", path, err)
	case errors.Is(err, ErrDamaged), c == sqlite3.SQLITE_CORRUPT:
		return fmt.Errorf("%s is damaged, restore a backup: %w", path, err)
	case c == sqlite3.SQLITE_FULL, errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return fmt.Errorf("there is no space left for %s: %w", path, err)
	case c == sqlite3.SQLITE_BUSY:
		return fmt.Errorf("another program holds %s: %w", path, err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, unix.EROFS), c == sqlite3.SQLITE_READONLY, c == sqlite3.SQLITE_CANTOPEN:
		return fmt.Errorf("upkeep must be able to write %s and its folder %s: %w", path, filepath.Dir(path), err)
	}
	return err
}
