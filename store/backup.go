package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// stampLayout is how times stand in the names of files: they sort by it.
const stampLayout = "20060102T150405Z"

// BackupDir is the folder, beside the database at path, of the backups that upkeep makes by itself.
func BackupDir(path string) string { return filepath.Join(filepath.Dir(path), "backups") }

// Backup writes a copy of the database at path, as it is at one moment, to file. The copy is verified and on the
// disk before it gets its name, and only its owner can read it. A server that works on the database goes on
// meanwhile. An existing file is fs.ErrExist unless replace is set.
func Backup(ctx context.Context, path, file string, replace bool) error {
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("back up: there is no database: %w", err)
	}
	if err := copyTo(ctx, path, "rw", file, replace); err != nil {
		return fmt.Errorf("back up: %w", explain(path, err))
	}
	return nil
}

// copyTo makes a verified copy under a temporary name and then gives it its own. Mode is how SQLite opens the
// original: "ro" where it must not be changed.
func copyTo(ctx context.Context, path, mode, file string, replace bool) (err error) {
	if !replace {
		if _, err := os.Lstat(file); err == nil {
			return &fs.PathError{Op: "write", Path: file, Err: fs.ErrExist}
		}
	}
	if isPartOf(path, file) {
		return fmt.Errorf("%s belongs to the database itself", file)
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".*.tmp") // with the mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(tmp.Name()) // what matters is why it was not finished
		}
	}()
	defer tmp.Close()
	if err := vacuumInto(ctx, path, mode, tmp.Name()); err != nil {
		return err
	}
	if _, err := inspect(ctx, tmp.Name(), true); err != nil {
		return fmt.Errorf("verify the copy: %w", err)
	}
	if err := tmp.Sync(); err != nil {
		return err
	}
	if err := giveName(tmp.Name(), file, replace); err != nil {
		return err
	}
	return syncDir(filepath.Dir(file))
}

// isPartOf reports whether file is the database at path or one of the files that SQLite keeps beside it.
func isPartOf(path, file string) bool {
	target, err := os.Stat(file)
	if err != nil {
		return false
	}
	for _, end := range []string{"", "-wal", "-shm", "-journal"} {
		if own, err := os.Stat(path + end); err == nil && os.SameFile(own, target) {
			return true
		}
	}
	return false
}

// vacuumInto copies through a connection of its own: neither the writer nor the readers wait for it.
func vacuumInto(ctx context.Context, path, mode, file string) (err error) {
	db, err := connectAs(path, mode, plainOptions, 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	_, err = db.ExecContext(ctx, `VACUUM INTO ?`, file)
	return err
}

func giveName(tmp, file string, replace bool) error {
	if replace {
		return os.Rename(tmp, file)
	}
	err := unix.Renameat2(unix.AT_FDCWD, tmp, unix.AT_FDCWD, file, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) { // a file system that cannot promise it
		err = os.Rename(tmp, file)
	}
	if err != nil {
		return &fs.PathError{Op: "write", Path: file, Err: err}
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// KindNightly and KindSchema are the backups that upkeep makes by itself; both stand in the names of files.
const (
	KindNightly = "nightly"
	KindSchema  = "schema" // made before a new version changes the schema
)

// BackupByItself makes one of upkeep's own backups of the database at path, then deletes the oldest of its kind so
// that keep of them stay. It returns the new file.
func BackupByItself(ctx context.Context, path, kind string, keep int, now time.Time) (file string, err error) {
	dir := BackupDir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("back up: %w", err)
	}
	file = filepath.Join(dir, "upkeep-"+now.UTC().Format(stampLayout)+"-"+kind+".db")
	if err := Backup(ctx, path, file, false); err != nil {
		return "", err
	}
	return file, pruneBackups(path, kind, keep)
}

func pruneBackups(path, kind string, keep int) error {
	all, err := Backups(path)
	if err != nil {
		return err
	}
	var errs []error
	for _, b := range all { // newest first
		if b.Kind != kind {
			continue
		}
		if keep--; keep < 0 {
			errs = append(errs, os.Remove(b.Path))
		}
	}
	return errors.Join(errs...)
}

// BackupFile is a backup that upkeep made by itself.
type BackupFile struct {
	Path string
	Kind string
	At   time.Time
	Size int64 // bytes
}

// Backups lists the backups that upkeep made by itself of the database at path, newest first. Other files in their
// folder are not looked at.
func Backups(path string) ([]BackupFile, error) {
	entries, err := os.ReadDir(BackupDir(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list backups: %w", err)
	}
	var all []BackupFile
	for i := len(entries) - 1; i >= 0; i-- { // names sort by time
		if b, ok := parseBackup(BackupDir(path), entries[i]); ok {
			all = append(all, b)
		}
	}
	return all, nil
}

func parseBackup(dir string, entry fs.DirEntry) (BackupFile, bool) {
	for _, kind := range []string{KindNightly, KindSchema} {
		at, err := time.Parse("upkeep-"+stampLayout+"-"+kind+".db", entry.Name())
		if err != nil || !entry.Type().IsRegular() {
			continue
		}
		info, err := entry.Info()
		if err != nil {
			return BackupFile{}, false // deleted meanwhile
		}
		return BackupFile{Path: filepath.Join(dir, entry.Name()), Kind: kind, At: at, Size: info.Size()}, true
	}
	return BackupFile{}, false
}
