package store

import (
	"context"
	"database/sql"
	"fmt"

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

const selectVersion = `
	SELECT version, name, command, directory, environment, COALESCE(port, 0), annotation, by_kind, by_user_id, by_name,
	       created_at_ms, ` + optionColumns + `
	FROM service_versions `

func scanVersion(r row) (panel.Version, error) {
	var v panel.Version
	var at int64
	var o options
	err := r.Scan(append([]any{&v.Number, &v.Name, &v.Command, &v.Directory, &v.Environment, &v.Port, &v.Annotation,
		&v.By.Kind, &v.By.User, &v.By.Name, &at}, o.targets()...)...)
	o.into(&v.Definition)
	v.At = moment(at)
	return v, err
}

// Versions returns the newest definitions of a service, the present one included, at most limit, newest first.
func (s *Store) Versions(ctx context.Context, id panel.ServiceID, limit int) ([]panel.Version, error) {
	all, err := list(ctx, s.readers, scanVersion, selectVersion+`WHERE service_id = ? ORDER BY version DESC LIMIT ?`, id, limit)
	if err != nil {
		return nil, fmt.Errorf("list versions of service %d: %w", id, err)
	}
	return all, nil
}

// Version returns one definition of a service.
func (s *Store) Version(ctx context.Context, id panel.ServiceID, number int) (panel.Version, error) {
	v, err := one(ctx, s.readers, scanVersion, selectVersion+`WHERE service_id = ? AND version = ?`, id, number)
	if err != nil {
		return v, fmt.Errorf("version %d of service %d: %w", number, id, err)
	}
	return v, nil
}
