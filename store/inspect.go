package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/pressly/goose/v3"

	"upkeep/internal/panel"
)

// Facts are what a look at a database tells.
type Facts struct {
	Instance string            // of the installation that it belongs to
	Schema   int64             // version of its schema
	Known    int64             // version that this upkeep brings it to
	Accounts []panel.Account   // by name
	Services []panel.ServiceID // in ascending order
}

// Inspect looks at the database at path and changes nothing in it. It refuses what is not a sound database of
// upkeep, or is newer than this one. With whole, every page is checked, which takes seconds for 100 MB.
func Inspect(ctx context.Context, path string, whole bool) (Facts, error) {
	f, err := inspect(ctx, path, whole)
	if err != nil {
		return f, fmt.Errorf("look at database: %w", explain(path, err))
	}
	return f, nil
}

// errEmpty refuses a file in which upkeep has never written anything.
var errEmpty = errors.New("it holds nothing")

func inspect(ctx context.Context, path string, whole bool) (f Facts, err error) {
	if _, err := os.Stat(path); err != nil {
		return f, err
	}
	db, err := connectAs(path, "ro", plainOptions, 1)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := checkIdentity(ctx, db); err != nil {
		return f, err
	}
	if f.Known, err = knownVersion(); err != nil {
		return f, err
	}
	tables, err := one(ctx, db, column[int], `SELECT count(*) FROM sqlite_schema WHERE name = ?`, versionTable)
	if err != nil {
		return f, err
	}
	if tables == 0 {
		return f, errEmpty
	}
	f.Schema, err = one(ctx, db, column[int64],
		`SELECT COALESCE(max(version_id), 0) FROM schema_migrations WHERE is_applied = 1`)
	if err != nil {
		return f, err
	}
	if f.Schema > f.Known {
		return f, newer(f.Schema, f.Known)
	}
	if whole {
		err = integrity(ctx, db)
	} else {
		err = quickCheck(ctx, db)
	}
	if err != nil {
		return f, err
	}
	return f, f.read(ctx, db)
}

func (f *Facts) read(ctx context.Context, db *sql.DB) (err error) {
	f.Instance, err = one(ctx, db, column[string], `SELECT CAST(value AS TEXT) FROM meta WHERE name = 'instance'`)
	if err != nil && !errors.Is(err, panel.ErrNotFound) {
		return err
	}
	if f.Accounts, err = list(ctx, db, scanAccount, selectAccount+`ORDER BY a.name`); err != nil {
		return err
	}
	f.Services, err = list(ctx, db, column[panel.ServiceID], `SELECT id FROM services ORDER BY id`)
	return err
}

// knownVersion is the schema version after the last migration of this upkeep.
func knownVersion() (last int64, err error) {
	names, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		n, err := goose.NumericComponent(name)
		if err != nil {
			return 0, err
		}
		last = max(last, n)
	}
	return last, nil
}

// history are the tables that grow without end and without which every service can be taken over.
const history = `('runs', 'events', 'sessions', 'service_versions')`

// quickCheck checks the tables that a start of upkeep depends on, whose size follows from the number of services
// and people, and leaves out the history, which may be a thousand times as large: see [Store.Check].
func quickCheck(ctx context.Context, db *sql.DB) error {
	names, err := list(ctx, db, column[string], `
		SELECT name FROM sqlite_schema
		WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT IN `+history)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := sound(ctx, db, `SELECT quick_check FROM pragma_quick_check(?)`, name); err != nil {
			return fmt.Errorf("table %s: %w", name, err)
		}
	}
	return nil
}

// integrity checks every page, every index and every reference.
func integrity(ctx context.Context, db *sql.DB) error {
	if err := sound(ctx, db, `SELECT integrity_check FROM pragma_integrity_check`); err != nil {
		return err
	}
	orphans, err := one(ctx, db, column[int], `SELECT count(*) FROM pragma_foreign_key_check`)
	if err == nil && orphans > 0 {
		err = fmt.Errorf("%w: %d rows refer to others that are missing", ErrDamaged, orphans)
	}
	return err
}

// sound turns the answer of a check into an error unless it is "ok".
func sound(ctx context.Context, db *sql.DB, query string, args ...any) error {
	said, err := list(ctx, db, column[string], query, args...)
	if err != nil {
		return err
	}
	if len(said) != 1 || said[0] != "ok" {
		return fmt.Errorf("%w: %q", ErrDamaged, said[:min(len(said), 1)])
	}
	return nil
}

// Check looks at every page of the database, through a connection of its own and beside all other work. It is
// what the start leaves out.
func (s *Store) Check(ctx context.Context) (err error) {
	db, err := connectAs(s.path, "rw", plainOptions+"&_pragma=query_only(ON)", 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	err = sound(ctx, db, `SELECT quick_check FROM pragma_quick_check`)
	s.trouble.note(err)
	if err != nil {
		return fmt.Errorf("check database: %w", explain(s.path, err))
	}
	return nil
}
