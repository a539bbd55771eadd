package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migrations are the files without the folder they stand in.
func migrations() (fs.FS, error) { return fs.Sub(migrationFiles, "migrations") }

// versionTable is where goose notes which migrations were applied.
const versionTable = "schema_migrations"

// ErrNewer says that a newer upkeep has written the database.
var ErrNewer = errors.New("it was written by a newer upkeep")

func newer(schema, known int64) error {
	return fmt.Errorf("%w (schema %d; this one knows %d)", ErrNewer, schema, known)
}

// keepBeforeMigrations is how many of the backups stay that are made before a change of the schema.
const keepBeforeMigrations = 3

// migrate checks what a start depends on, and brings the schema of the database at path up to date. One that holds
// something is backed up first.
func migrate(ctx context.Context, db *sql.DB, path string, files fs.FS) error {
	// First: goose takes a table of versions that it cannot read for one that is missing.
	if err := quickCheck(ctx, db); err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, files,
		goose.WithTableName(versionTable), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	current, known, err := provider.GetVersions(ctx)
	if err != nil {
		return err
	}
	if current > known {
		return newer(current, known)
	}
	if current > 0 && current < known {
		if _, err := BackupByItself(ctx, path, KindSchema, keepBeforeMigrations, time.Now()); err != nil {
			return err
		}
	}
	_, err = provider.Up(ctx)
	return err
}
