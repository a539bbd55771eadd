package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

// The options of a connection stand in its name, because only so every connection of a pool gets them. _dqs=0
// makes a misspelt column an error; it would be a string otherwise.
const (
	plainOptions  = "_pragma=busy_timeout(5000)&_dqs=0"
	sharedOptions = plainOptions + "&_pragma=foreign_keys(ON)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)"
	writerOptions = sharedOptions + "&_txlock=immediate"
	readerOptions = sharedOptions + "&_pragma=query_only(ON)"
)

// applicationID is set by the first migration.
const applicationID = 0x75706b70

var errForeign = errors.New("it belongs to another program")

func connect(path, options string, connections int) (*sql.DB, error) {
	return connectAs(path, "rw", options, connections)
}

// connectAs opens an existing file in SQLite's mode "rw" or "ro".
func connectAs(path, mode, options string, connections int) (*sql.DB, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	name := url.URL{Scheme: "file", Path: path, RawQuery: "mode=" + mode + "&" + options}
	db, err := sql.Open("sqlite", name.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
}

// lock waits until no other process opens the database at path. The lock is on a file of its own: closing any
// other descriptor of the database would drop the locks that SQLite holds on it.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", f.Name(), err), f.Close())
	}
	return func() { _ = f.Close() }, nil // gives the lock back; nothing was written
}

// errEmptied: a database that is begun anew here would know nothing of the services that run.
var errEmptied = fmt.Errorf("%w: it is empty or missing, and was not when it was last used (to begin anew, delete "+
	"the file .instance beside it)", ErrDamaged)

// prepareFile makes an empty file where there is none, and refuses one that is not ours, or was ours and lost all
// it held, before anything is changed in it. SQLite gives the files beside the database the same mode.
func prepareFile(ctx context.Context, path string) error {
	last, err := LastInstance(path)
	if err != nil {
		return err
	}
	if info, err := os.Stat(path); last != "" && (errors.Is(err, fs.ErrNotExist) || (err == nil && info.Size() == 0)) {
		return errEmptied
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		return f.Close()
	}
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := checkOwner(ctx, path); err != nil {
		return err
	}
	return os.Chmod(path, 0o600)
}

func checkOwner(ctx context.Context, path string) (err error) {
	db, err := connect(path, plainOptions, 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return checkIdentity(ctx, db)
}

func checkIdentity(ctx context.Context, db *sql.DB) error {
	var id, tables int
	err := db.QueryRowContext(ctx, `
		SELECT (SELECT application_id FROM pragma_application_id),
		       (SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name NOT IN (?, 'sqlite_sequence'))`,
		versionTable).Scan(&id, &tables)
	if err != nil {
		return err
	}
	if id != applicationID && tables > 0 {
		return errForeign
	}
	return nil
}
