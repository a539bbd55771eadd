package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"upkeep/internal/panel"
)

// Restore puts a copy of the backup in file in the place of the database at path, in one step, and returns where
// the former database is kept; empty when there was none. It refuses with [ErrInUse] while anybody has the database
// open, and with what [Inspect] says of a file that is not sound or too new.
//
// Everybody has to sign in again: sessions and links that were ended since the backup must not come back. No service
// made later gets the ID of one that the former database, or lastID, has used: a program of that one may still run.
func Restore(ctx context.Context, path, file string, lastID panel.ServiceID, now time.Time) (kept string, err error) {
	if _, err := Inspect(ctx, file, true); err != nil {
		return "", fmt.Errorf("restore: %w", err)
	}
	release, err := take(path)
	if err != nil {
		return "", fmt.Errorf("restore: %w", err)
	}
	defer release()
	if kept, err = replace(ctx, path, file, lastID, now); err != nil {
		return kept, fmt.Errorf("restore: %w", err)
	}
	return kept, nil
}

func replace(ctx context.Context, path, file string, lastID panel.ServiceID, now time.Time) (kept string, err error) {
	fresh := path + ".restored"
	defer os.Remove(fresh) // after the rename there is nothing of that name
	if err := copyTo(ctx, file, "ro", fresh, true); err != nil {
		return "", err
	}
	// Of a database that cannot be read any more nothing is known.
	if id, err := settle(ctx, path); err == nil {
		lastID = max(lastID, id)
	}
	if err := errors.Join(prepare(ctx, fresh, lastID), inheritOwner(fresh)); err != nil {
		return "", err
	}
	if kept, err = keepFormer(path, now); err != nil {
		return kept, err
	}
	return kept, errors.Join(os.Rename(fresh, path), syncDir(filepath.Dir(path)))
}

// settle moves what is in the write-ahead log into the database, and returns the last service ID that it gave.
func settle(ctx context.Context, path string) (last panel.ServiceID, err error) {
	if _, err := os.Stat(path); err != nil {
		return 0, err
	}
	db, err := connect(path, plainOptions, 1) // the last connection settles when it is closed
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return one(ctx, db, column[panel.ServiceID],
		`SELECT COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'services'), 0)`)
}

// prepare changes in a copy what must not come back from the past.
func prepare(ctx context.Context, path string, lastID panel.ServiceID) (err error) {
	db, err := connect(path, plainOptions, 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, statement := range []string{
		`DELETE FROM sessions`,
		`DELETE FROM links`,
	} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return raiseLastID(ctx, db, lastID)
}

// raiseLastID makes the IDs of services to come larger than last. The table of sequences has no row for services
// before the first one was made, and allows no upsert.
func raiseLastID(ctx context.Context, db *sql.DB, last panel.ServiceID) error {
	_, err := db.ExecContext(ctx, `
		INSERT INTO sqlite_sequence (name, seq)
		SELECT 'services', 0 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'services')`)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, `UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'services'`, last)
	return err
}

// keepFormer gives the database a second name, and moves away what SQLite would apply to any database that stands
// at this path. The first name stays until it is replaced, so that there is a database at every moment.
func keepFormer(path string, now time.Time) (kept string, err error) {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return "", moveBeside(path, path+".before-"+now.UTC().Format(stampLayout))
	}
	for n := 1; ; n++ {
		kept = path + ".before-" + now.UTC().Format(stampLayout)
		if n > 1 {
			kept += "-" + strconv.Itoa(n)
		}
		if err = os.Link(path, kept); !errors.Is(err, fs.ErrExist) {
			break
		}
	}
	if err != nil { // a file system without hard links
		err = os.Rename(path, kept)
	}
	if err != nil {
		return "", err
	}
	return kept, moveBeside(path, kept)
}

// moveBeside moves the logs of the database at path, and drops the index of its log, which is made anew.
func moveBeside(path, kept string) error {
	for _, end := range []string{"-wal", "-journal"} {
		if err := os.Rename(path+end, kept+end); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := os.Remove(path + "-shm"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
