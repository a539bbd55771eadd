// Package store keeps what must outlive upkeep in one SQLite database: accounts, users, sessions, services with
// their former versions, runs, events, and what the supervisor needs to continue after a restart.
//
// All SQL of upkeep is here, one file per table, each statement beside the function that uses it. Every exported
// method is one transaction, and answers with the errors of package panel: absent is [panel.ErrNotFound], taken is
// [panel.ErrConflict], or a [panel.ValidationError] where a form has a field for it.
//
// A store may be open in several processes at once, as when a command creates an account while the server runs.
// Times are kept as Unix milliseconds, and the values that methods return are rounded to what was stored.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
)

// Store is an open database. Its methods may be called from any goroutine.
type Store struct {
	writer  *sql.DB // one connection, so that writers queue in Go and not in SQLite's busy loop
	readers readers // never waits for the writer
	hot     statements

	path     string
	file     os.FileInfo // what stood at path when it was opened
	instance string
	release  func() // of the note that the database is in use
	trouble  trouble
}

// maxReaders bounds the memory of the page caches (2 MB each); a query takes well under a millisecond.
const maxReaders = 4

// Open opens the database at path, creates it when there is none, and brings its schema up to date. It refuses a
// file that is not a database of upkeep, or that a newer upkeep has written.
func Open(ctx context.Context, path string) (*Store, error) {
	s, err := open(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", explain(path, err))
	}
	return s, nil
}

func open(ctx context.Context, path string) (_ *Store, err error) {
	// Switching to WAL and migrating must not be done by two processes at once.
	unlock, err := lock(path)
	if err != nil {
		return nil, err
	}
	defer unlock()
	s := &Store{path: path}
	if s.release, err = use(path); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if err := prepareFile(ctx, path); err != nil {
		return nil, err
	}
	files, err := migrations()
	if err != nil {
		return nil, err
	}
	if s.writer, err = connect(path, writerOptions, 1); err != nil {
		return nil, err
	}
	if err := migrate(ctx, s.writer, path, files); err != nil {
		return nil, err
	}
	if s.hot, err = prepareHot(ctx, s.writer); err != nil {
		return nil, err
	}
	if s.instance, err = instanceID(ctx, s.writer); err != nil {
		return nil, err
	}
	s.readers.trouble = &s.trouble
	if s.readers.DB, err = connect(path, readerOptions, maxReaders); err != nil {
		return nil, err
	}
	if err := noteInstance(path, s.instance); err != nil {
		return nil, err
	}
	if s.file, err = os.Stat(path); err != nil {
		return nil, err
	}
	return s, s.Ping(ctx)
}

// Close ends every connection. The writer goes last: the last connection moves what is in the write-ahead log
// into the database.
func (s *Store) Close() error {
	var errs []error
	for _, db := range []*sql.DB{s.readers.DB, s.writer} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	s.release()
	return errors.Join(errs...)
}

// Ping reports whether the database can be read.
func (s *Store) Ping(ctx context.Context) error {
	var one int
	if err := s.readers.QueryRowContext(ctx, `SELECT 1 FROM meta LIMIT 1`).Scan(&one); err != nil {
		return fmt.Errorf("read database: %w", err)
	}
	return nil
}

// InstanceID names this installation: 8 characters of [a-z0-9], made when the database was.
func (s *Store) InstanceID() string { return s.instance }
