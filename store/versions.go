package store

import (
	"context"
	"database/sql"

	"upkeep/internal/panel"
)

// insertVersion keeps the definition of x as it is now, with its author.
func insertVersion(ctx context.Context, tx *sql.Tx, x panel.Service, by panel.Actor) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO service_versions (service_id, version, name, command, directory, environment, port, annotation,
			by_kind, by_user_id, by_name, created_at_ms, `+optionColumns+`)
		VALUES (?, ?, ?, ?, ?, ?, NULLIF(?, 0), ?, ?, ?, ?, ?, `+optionMarks+`)`,
		append([]any{x.ID, x.Version, x.Name, x.Command, x.Directory, x.Environment, x.Port, x.Annotation,
			by.Kind, by.User, by.Name, millis(x.UpdatedAt)}, optionValues(x.Definition)...)...)
	return err
}
